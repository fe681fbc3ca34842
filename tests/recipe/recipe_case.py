#!/usr/bin/env python3
"""recipe_case.py FOLDER: models/recipe/train.py on a small made-up corpus.  Prints "ok NAME" or "not ok NAME" a test."""
import contextlib, io, json, os, signal, subprocess, sys, time
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, '..', '..'))
TRAIN = f'{ROOT}/models/recipe/train.py'
sys.path.insert(0, os.path.dirname(TRAIN))
import make_golden, train

os.chdir(sys.argv[1])
torch.set_num_threads(1)
TOK = f'{ROOT}/tests/data/bpe8k.model'
LINES = ('def area(width, height):', '    return width * height', 'for item in range(10):', '    print(item)',
         'if not found:', '    raise KeyError')
SMALL = ['--data', 'train.bin', '--tokenizer', TOK, '--dim', '32', '--layers', '2', '--heads', '2', '--ff', '48', '--length', '128',
         '--f32', '--log-every', '1', '--warmup', '2', '--threads', '1']


def words(tok, line):
    """Tokens of a line: word by word is good enough here."""
    return [t for w in line.replace(' ', '\0 ').split('\0') if w for t in tok.encode(w.encode())] + [tok.newline]


def make_corpus(tok):
    rng, out = np.random.default_rng(1), []
    for d in range(60):
        out += [tok.bos, 5 + d % 3]
        for _ in range(int(rng.integers(1, 40))): out += words(tok, LINES[int(rng.integers(len(LINES)))])
    np.array(out, '<u2').tofile('train.bin')
    return out


def run(*options):
    """The lines of a run in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out): train.Run(train.options([*SMALL, *options])).train()
    return [json.loads(l) for l in out.getvalue().splitlines()]


def losses(lines): return {l['step']: l['loss'] for l in lines if 'entries_per_s' in l}


def same(a, b): return open(f'{a}/model.safetensors', 'rb').read() == open(f'{b}/model.safetensors', 'rb').read()


def golden():
    make_golden.check()


def windows():
    """An epoch reads every token at most once, and nearly all; documents are told apart, with their tags."""
    tok = train.Tokenizer(TOK)
    c, n = train.Corpus(['train.bin'], tok.bos), 50
    assert c.window(3, 2, n)[0][1].tolist() == c.window(3, 2, n)[0][1].tolist()
    count = len(c.shard[0]) // n
    docs = [[x for _, x in c.window(3, i, n)] for i in range(count)]
    got = sum(len(x) for d in docs for x in d)
    text = len(c.shard[0]) - 2 * len(c.start[0])
    assert text - n <= got <= text, (got, text)
    assert all(tok.bos not in x for d in docs for x in d) and {t for i in range(count) for t, _ in c.window(3, i, n)} == {5, 6, 7}
    assert any(not np.array_equal(x, y) for i in range(3) for (_, x), (_, y) in zip(c.window(3, i, n), c.window(3, i + count, n)))


def tokenizer():
    tok = train.Tokenizer(TOK)
    assert (tok.size, tok.mask, tok.eom, tok.bos, tok.newline) == (8192, 3, 4, 2, 8)
    for piece in ('return', ' self', ' height'):
        t = tok.of[piece.encode()]
        assert tok.encode(piece.encode()) == [t]
        for k in range(1, len(piece)):
            assert b''.join(tok.bytes[i] for i in tok.part(t, 0, k) + tok.part(t, k, 99)) == piece.encode()


def rules():
    """What the description of attention must hold, whatever the objective: ranges are sane, and no target is seen."""
    tok = train.Tokenizer(TOK)
    for objective in train.OBJECTIVES:
        o = train.options([*SMALL, '--objective', objective, '--paper-share', '.3', '--block', '7'])
        maker, targets = train.Maker(o, train.Corpus(o.data, tok.bos), tok), 0
        for i in range(12):
            r = maker.row(0, i)
            j = np.arange(o.length)
            assert ((r['low'] <= j) & (j < r['high']) & (r['high'] <= o.length) & (r['first'] <= j)).all()
            see = ((j >= r['first'][:, None]) & (j < r['sees'][:, None])) | ((j >= r['low'][:, None]) & (j < r['high'][:, None]))
            for k in np.flatnonzero(r['target'] >= 0):
                at_mask = r['tok'][k] == tok.mask and r['part'][k] != train.NEXT and objective not in ('ar', 'fim')
                pos = r['pos'][k] + (not at_mask)                  # where the target stands
                same_text = r['first'] == r['first'][k]
                seen = np.flatnonzero(see[k] & same_text & (r['pos'] == pos) & (r['tok'] != tok.mask))
                assert not (see[k] & ~same_text).any() and len(seen) == 0, (objective, i, k)
                assert r['target'][k] != tok.mask
                targets += 1
        assert targets > 100, objective


def rule():
    """The rule that flex_attention is given says what the dense mask says."""
    tok = train.Tokenizer(TOK)
    o = train.options([*SMALL, '--objective', 'eso-a', '--batch', '3'])
    b = train.Maker(o, train.Corpus(o.data, tok.bos), tok).batch(0, 0, 3)
    i = torch.arange(o.length)
    grid = lambda f, rows, heads, n, m, device: f(torch.arange(rows)[:, None, None, None], heads, i[:, None], i)
    assert torch.equal(train.sees(b, grid), train.sees(b, None))


def resume():
    whole = run('--out', 'whole', '--steps', '5', '--batch', '4', '--ema', '.9')
    run('--out', 'cut', '--steps', '5', '--batch', '4', '--ema', '.9', '--stop-after', '0')
    rest = run('--out', 'cut', '--steps', '5', '--batch', '4', '--ema', '.9', '--resume')
    assert min(losses(rest)) == 2 and {k: v for k, v in losses(whole).items() if k > 1} == losses(rest) and same('whole', 'cut')


def pieces():
    """A step in two pieces is the same step, and so is one whose rows were made by two workers."""
    a = losses(run('--out', 'one', '--steps', '3', '--batch', '4'))
    b = losses(run('--out', 'two', '--steps', '3', '--batch', '4', '--accumulate', '2', '--workers', '2'))
    assert a.keys() == b.keys() and all(abs(a[k] - b[k]) < 2e-5 * a[k] for k in a), (a, b)


def start(*more, **how):
    env = dict(os.environ, OMP_NUM_THREADS='1')
    return subprocess.Popen([sys.executable, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, **how)


def ranks():
    """Two processes have the losses of one with the same batch."""
    # PyTorch 1.13 under Python 3.11 cannot leave the output of the processes alone: it goes to files, and on with a prefix.
    port = str(20000 + os.getpid() % 10000)
    p = start('-m', 'torch.distributed.run', '--nproc_per_node', '2', '--master_port', port, '--log_dir', 'logs', '--redirects', '1', '--tee', '1', TRAIN, *SMALL, '--out', 'ranks', '--steps', '3', '--batch', '4')
    out, err = p.communicate(timeout=120)
    assert p.returncode == 0, err.decode()[-2000:]
    lines = [l[l.index('{'):] for l in out.decode().splitlines() if '{' in l]
    a, b = losses(run('--out', 'one', '--steps', '3', '--batch', '4')), losses([json.loads(l) for l in lines])
    assert a.keys() == b.keys() and all(abs(a[k] - b[k]) < 2e-5 * a[k] for k in a), (a, b)


def stopped():
    """SIGTERM saves and ends well; the state goes on where it was."""
    p = start(TRAIN, *SMALL, '--out', 'stopped', '--batch', '2')
    while b'"step": 2' not in p.stdout.readline(): assert p.poll() is None
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    assert p.returncode == 0 and not [f for f in os.listdir('stopped') if f.endswith('.tmp')]
    done = json.loads(train.load_tensors('stopped/state.safetensors')[1]['recipe'])
    assert done['step'] >= 2 and done['rows'] == 2 * done['step']
    more = losses(run('--out', 'stopped', '--batch', '2', '--resume', '--stop-after', '0'))
    assert list(more) == [done['step'] + 1]


def learns():
    lines = run('--out', 'learnt', '--steps', '60', '--batch', '4', '--held-out', 'train.bin', '--eval-rows', '8', '--ema', '.9')
    slots = [l['slots'] for l in lines if 'entries_per_s' in l]
    held = [l for l in lines if l.get('held_out')]
    assert np.mean(slots[-5:]) < .6 * slots[0], slots
    assert len(held) == 1 and 0 < held[0]['slots'] < .7 * slots[0] and held[0]['bits_per_byte'] > 0


def begin():
    """Weights of a checkpoint to start from."""
    a = losses(run('--out', 'begun', '--steps', '1', '--batch', '4', '--start', 'learnt/model.safetensors'))
    assert a[1] < .8 * losses(run('--out', 'fresh', '--steps', '1', '--batch', '4'))[1]


if __name__ == '__main__':
    make_corpus(train.Tokenizer(TOK))
    for test in (golden, tokenizer, windows, rules, rule, resume, pieces, ranks, stopped, learns, begin):
        t = time.time()
        try:
            test()
            print(f'ok recipe: {test.__name__}')
        except Exception as e:
            print(f'not ok recipe: {test.__name__}: {type(e).__name__} {e}')
            if os.environ.get('TRACE'): raise
        if os.environ.get('TRACE'): print(time.time() - t)
