#!/usr/bin/env python3
"""Losses and gradients of a few examples, computed by models/recipe/train.py in double precision; and what three steps of
its optimiser make of such a gradient.

    make_golden.py           write tests/recipe/{examples.json,gradient.safetensors}; the weights are tests/golden/house
    make_golden.py --check   recompute what they hold and compare: the recipe has not moved

tests/train/test_recipe.c holds the C trainer against the same files.
"""
import json, os, sys, types
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, '..', '..')
sys.path.insert(0, os.path.join(ROOT, 'models', 'recipe'))
import train

COEF = [1., 1., 1., .5]
MASK, EOM, VOCAB = 3, 4, 97


def text(rng, n): return rng.integers(5, VOCAB, n)


def drawn(rng, n, share, shuffle_clean, shuffle_masks):
    x, hide = text(rng, n), rng.random(n) < share
    return x, hide, train.Maker.order(rng, hide, shuffle_clean, shuffle_masks)


def examples():
    """[(name, example, what it was drawn from)]"""
    rng, out = np.random.default_rng(7), []
    o = types.SimpleNamespace(next_share=.5, block=5, low_var=False)
    maker = train.Maker(o, None, types.SimpleNamespace(mask=MASK, eom=EOM))
    for name, shuffle in (('eso-b', True), ('eso-a', True), ('mdlm', False)):
        x, hide, order = drawn(rng, 24, .6, shuffle, shuffle)
        if name == 'mdlm': order = np.arange(len(x))
        out.append((name + ' diffusion', train.diffusion(x, order, hide, 1.7, MASK, name), (x, hide, order, 1.7)))
    for name in ('eso-b', 'eso-a'):
        x, hide, order = drawn(rng, 20, .6, name == 'eso-b', False)
        out.append((name + ' sequential', train.sequential(x, order, hide, MASK, name), (x, hide, order, 1.)))
    x, p = text(rng, 32), np.arange(32)
    hole = (p >= 12) & (p < 19)
    ctx = np.concatenate((p[19:], p[:12]))                         # suffix first, next-token loss on half of it
    out.append(('infill', maker.slots(rng, x[ctx], ctx, np.append(x[hole], EOM), np.append(p[hole], 19), True), None))
    out.append(('infill at random', maker.slots(rng, x[ctx[::-1]], ctx[::-1], x[hole][::-1], p[hole][::-1], False), None))
    out.append(('bd3', maker.bd3(rng, text(rng, 18), 36), None))
    out.append(('ar', maker.ar(text(rng, 24)), None))
    return out


def house():
    config = dict(json.load(open(f'{ROOT}/tests/golden/house/config.json')), norm_eps=1e-6, rope_base=10000.)
    model = train.Model(config)
    weights, _ = train.load_tensors(f'{ROOT}/tests/golden/house/house.safetensors')
    model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    return model


STEPS = dict(lr=.003, lr_muon=.02, decay=.1, clip=1., ema=.9, warmup=2, cool=.3, steps=4)


def digest(x):
    """Norm, and a sum in which places and signs count."""
    x = x.double().flatten()
    return [float(x.norm()), float((x * (torch.arange(len(x)) * 7919 % 13 - 6)).sum())]


def optimise(gradient):
    """{name: digests of the change of the weights and of their average after three steps}; the gradient is the same in each."""
    o, model = types.SimpleNamespace(**STEPS), house()
    opt = train.Optim(model, o, False)
    begun = {n: opt.view(opt.w, n).clone() for n in opt.at}
    for t in range(3):
        for n, g in gradient.items(): opt.view(opt.g, n).copy_(g)
        opt.step(t, train.rate(o, t, t / o.steps))
    return {n: digest(opt.view(opt.w, n) - begun[n]) + digest(opt.view(opt.ema, n) - begun[n]) for n in opt.at}


def compute(list_of_examples):
    """(nll of parts [n, 4] , nll of targets [n][..], loss, gradients) in double precision."""
    model = house().double()
    norm = np.sum([e['norm'] for e in list_of_examples], 0)
    scale = torch.tensor([c / n if n else 0. for c, n in zip(COEF, norm)], dtype=torch.float64)
    parts, each, loss = [], [], 0
    for e in list_of_examples:
        b = train.collate([train.pack([e], len(e['tok']))])
        b['weight'] = torch.from_numpy(e['weight'][e['target'] >= 0])
        seen = []
        s = train.sums(model, lambda *a: seen.append(train.nll(*a)) or seen[-1], model, b)
        (s * scale).sum().backward()
        parts.append(s.tolist()); each.append(seen[0].tolist())
        loss += float((s * scale).sum())
    return parts, each, loss, {n: p.grad for n, p in model.named_parameters()}


KEYS = ('tok', 'pos', 'sees', 'low', 'high', 'target', 'weight', 'part', 'norm')


def write():
    made = examples()
    parts, each, loss, gradient = compute([e for _, e, _ in made])
    rows = []
    for (name, e, drawn_from), p, n in zip(made, parts, each):
        row = dict(name=name, **{k: np.asarray(e[k]).tolist() for k in KEYS}, nll=p, each=n)
        if drawn_from:
            x, hide, order, w = drawn_from
            row.update(x=x.tolist(), hide=hide.astype(int).tolist(), order=order.tolist(), w=w)
        rows.append(row)
    lines = ',\n'.join(json.dumps(r, separators=(',', ':')) for r in rows)
    train.save_tensors(f'{HERE}/gradient.safetensors', gradient, {})
    moved = ',\n'.join(f'"{n}":{json.dumps(d)}' for n, d in optimise(gradient).items())
    with open(f'{HERE}/examples.json', 'w') as f:
        f.write(f'{{"coef":{json.dumps(COEF)},"loss":{loss!r},"examples":[\n{lines}\n],\n')
        f.write(f'"steps":{json.dumps(STEPS)},"moved":{{\n{moved}\n}}}}\n')


def check():
    was = json.load(open(f'{HERE}/examples.json'))
    rows = was['examples']
    es = [{k: np.array(r[k]) for k in KEYS} for r in rows]
    parts, each, loss, gradient = compute(es)
    near = lambda a, b: np.allclose(a, b, rtol=1e-9, atol=1e-12)
    assert near(loss, was['loss']), (loss, was['loss'])
    for r, p, n in zip(rows, parts, each): assert near(p, r['nll']) and near(n, r['each']), r['name']
    want, _ = train.load_tensors(f'{HERE}/gradient.safetensors')
    for n, g in gradient.items(): assert np.allclose(g.numpy(), want[n], rtol=1e-6, atol=1e-9), n
    for n, d in optimise(gradient).items(): assert np.allclose(d, was['moved'][n], rtol=1e-3, atol=1e-3 * d[0]), n
    for r in rows:                                                 # the examples themselves, where their draws are kept
        if 'x' not in r: continue
        kind, what = r['name'].split()
        x, order, hide = np.array(r['x']), np.array(r['order']), np.array(r['hide'], bool)
        e = train.diffusion(x, order, hide, r['w'], MASK, kind) if what == 'diffusion' else train.sequential(x, order, hide, MASK, kind)
        for k in KEYS: assert np.array_equal(e[k], r[k]), (r['name'], k)


if __name__ == '__main__':
    torch.set_num_threads(1)
    check() if sys.argv[1:] == ['--check'] else write()
