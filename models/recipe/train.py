#!/usr/bin/env python3
"""Train a house network on token shards with PyTorch: the recipe for GPUs.

The C trainer (lacuna train) is the reference; this file does the same on the same shards (lib/train/corpus.h), with the
same objectives (objective.h), description of attention (example.h), network and optimiser (optim.h), and
writes what `lacuna convert` reads.  It runs on PyTorch 1.13 on a CPU, where tests/recipe holds it against the C trainer, and is
written for PyTorch 2.5 or later on CUDA: flex_attention, NCCL and --compile have not been run yet.

    python3 train.py --data train.bin --tokenizer bpe.model --out run --minutes 28
    torchrun --nproc_per_node 8 train.py ...       the same losses up to rounding, rows shared out

A run may be cut into calls: give each the same options, --stop-after for the minutes of one call, and --resume
from the second call on.  run/state.safetensors is everything a run needs to go on; run/model.safetensors and
run/config.json are the result.
"""
import argparse, json, math, os, signal, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

try:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
except ImportError:
    create_block_mask = None

SLOTS, DIFFUSION, SEQUENTIAL, NEXT = range(4)                      # parts of the loss: lac_part of example.h
RUN, LINE, LINES, LONG = range(4)                                  # kinds of hole: hole.h
PARTS = ('slots', 'diffusion', 'sequential', 'next')
OBJECTIVES = ('infill', 'eso-b', 'eso-a', 'mdlm', 'bd3', 'ar', 'fim')

# ---------------------------------------------------------------- network


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        x = x.to(self.weight.dtype)                                # not in bf16, whatever the product before gave
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attend(q, k, v, see):
    """see: a block mask of flex_attention, or a dense mask [B, 1, L, L]."""
    if not isinstance(see, torch.Tensor): return flex_attention(q, k, v, block_mask=see)
    if hasattr(F, 'scaled_dot_product_attention'): return F.scaled_dot_product_attention(q, k, v, attn_mask=see)
    s = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    s = s.float() if s.dtype == torch.bfloat16 else s
    return torch.matmul(s.masked_fill(~see, -math.inf).softmax(-1).to(v.dtype), v)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.heads, eps = c['dim'], c['heads'], c['norm_eps']
        self.norm1, self.norm2 = RMSNorm(d, eps), RMSNorm(d, eps)
        self.qkv = nn.Linear(d, 3 * d, bias=False)                 # q of all heads, k of all, v of all
        self.out = nn.Linear(d, d, bias=False)
        self.up = nn.Linear(d, 2 * c['ff'], bias=False)            # gate, then value
        self.down = nn.Linear(c['ff'], d, bias=False)
        self.qn, self.kn = RMSNorm(d // self.heads, eps), RMSNorm(d // self.heads, eps)

    def forward(self, x, cos, sin, see):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = (rotate(norm(t), cos, sin).to(v.dtype) for norm, t in ((self.qn, q), (self.kn, k)))
        x = x + self.out(attend(q, k, v, see).transpose(1, 2).reshape(b, n, d))
        gate, value = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * value)


class Model(nn.Module):
    """The house network; config as `lacuna convert` reads it.  The residual stream stays float32 under autocast."""
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c['vocab'], c['dim'])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c['layers']))
        self.norm = RMSNorm(c['dim'], c['norm_eps'])
        for n, p in self.named_parameters():
            if p.dim() < 2: continue
            nn.init.normal_(p, std=0.02 if n == 'embed.weight' else p.shape[1] ** -0.5)
            if n.endswith(('out.weight', 'down.weight')): nn.init.zeros_(p)

    def forward(self, tok, pos, see):
        half = self.c['dim'] // self.c['heads'] // 2
        dt = self.embed.weight.dtype
        f = self.c['rope_base'] ** (-torch.arange(half, device=pos.device, dtype=dt) / half)
        a = (pos[..., None].to(dt) * f)[:, None]                   # [B, 1, L, half]
        x, cos, sin = self.embed(tok), a.cos(), a.sin()
        for block in self.blocks: x = block(x, cos, sin, see)
        return self.norm(x)


def nll(h, embed, mask, target):
    """-log p of the targets; the mask index has no probability."""
    logits = F.linear(h, embed)
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    off = torch.zeros(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    off[mask] = -math.inf
    return F.cross_entropy(logits + off, target, reduction='none')


def sees(b, flex):
    """Who sees whom: [first, sees) and [low, high) of the row.  A block mask where flex_attention is to run."""
    first, upto, low, high = b['first'], b['sees'], b['low'], b['high']
    if not flex:
        j = torch.arange(first.shape[1], device=first.device)
        first, upto, low, high = (t[:, :, None] for t in (first, upto, low, high))
        return (((j >= first) & (j < upto)) | ((j >= low) & (j < high)))[:, None]

    def rule(r, _, i, j):
        return ((j >= first[r, i]) & (j < upto[r, i])) | ((j >= low[r, i]) & (j < high[r, i]))
    return flex(rule, first.shape[0], None, first.shape[1], first.shape[1], device=first.device)


def sums(hidden, head, model, b, flex=None):
    """Sum of weight * nll of each part [4].  hidden, head: the model and nll, compiled or not."""
    h = hidden(b['tok'], b['pos'], sees(b, flex)).flatten(0, 1)[b['pick']]
    each = head(h, model.embed.weight, model.c['mask_index'], b['target']) * b['weight']
    return torch.zeros(4, dtype=each.dtype, device=each.device).index_add(0, b['part'], each)

# ---------------------------------------------------------------- tokens


class Tokenizer:
    """What training needs of a SentencePiece BPE model: bytes of the pieces, and how a part of a piece is encoded."""
    def __init__(self, path):
        self.bytes, self.score, self.kind, names = [], [], [], {}
        for field, piece in self.fields(open(path, 'rb').read()):  # ModelProto: 1 = piece {1 text, 2 score, 3 kind}
            if field != 1: continue
            p = dict(self.fields(piece))
            text, kind = p[1].decode(), p.get(3, 1)
            names[text] = len(self.kind)
            self.kind.append(kind); self.score.append(p.get(2, 0.))
            self.bytes.append(bytes([int(text[3:5], 16)]) if kind == 6 else b'' if kind in (2, 3)
                              else text.replace('\u2581', ' ').encode())
        self.size = len(self.kind)
        self.of = {b: i for i, b in enumerate(self.bytes) if self.kind[i] == 1}
        self.byte = {self.bytes[i][0]: i for i in range(self.size) if self.kind[i] == 6}
        self.mask, self.eom, self.bos, self.newline = (names[n] for n in ('<mask>', '<eom>', '<bos>', '\n'))
        self.length = np.array([len(b) for b in self.bytes])

    @staticmethod
    def fields(b):
        """(number, value) of a protocol buffer: varints, floats and strings."""
        at = 0

        def varint():
            nonlocal at
            v = s = 0
            while True:
                c = b[at]; at += 1
                v |= (c & 127) << s; s += 7
                if c < 128: return v
        while at < len(b):
            key = varint()
            if key & 7 == 0: yield key >> 3, varint(); continue
            n = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            raw = b[at:at + n]; at += n
            yield key >> 3, float(np.frombuffer(raw, '<f4')[0]) if key & 7 == 5 else raw

    def encode(self, text):
        """Pieces of a few characters: the best-scored pair is merged first, as SentencePiece does."""
        s = [c.encode() for c in text.decode()]
        while True:
            pairs = [(-self.score[self.of[a + b]], i) for i, (a, b) in enumerate(zip(s, s[1:])) if a + b in self.of]
            if not pairs: break
            _, i = min(pairs)
            s[i:i + 2] = [s[i] + s[i + 1]]
        return [i for p in s for i in ([self.of[p]] if p in self.of else [self.byte[c] for c in p])]

    def chars(self, token):
        """What a token spells, where it may be cut between characters; else empty."""
        return self.bytes[token].decode() if self.kind[token] == 1 else ''

    def part(self, token, a, b):
        """Characters [a, b) of a token as tokens, by themselves: those of the text around it would seldom be others."""
        c = self.chars(token)
        return [token] if a <= 0 and b >= len(c) else self.encode(c[a:b].encode())


class Corpus:
    """Row i reads window i: a stretch of a shard.  An epoch cuts the shards into windows at a new offset and visits
    each once in a new order, both functions of (seed, epoch)."""
    def __init__(self, paths, bos):
        self.shard = [np.memmap(p, '<u2', 'r') for p in paths]
        self.start = [np.flatnonzero(np.asarray(s) == bos) for s in self.shard]
        self.bos, self.order = bos, (None, None)

    def window(self, seed, i, n):
        """[(tag, tokens)] of the documents that window i of n tokens touches."""
        count = [max(len(s) // n, 1) for s in self.shard]
        epoch, at = divmod(i, sum(count))
        if self.order[0] != (seed, epoch, n):
            rng = np.random.default_rng([seed, 1, epoch])
            self.order = ((seed, epoch, n), (int(rng.integers(0, n)), rng.permutation(sum(count))))
        offset, order = self.order[1]
        at, k = int(order[at]), 0
        while at >= count[k]: at, k = at - count[k], k + 1
        s, start = self.shard[k], self.start[k]
        lo = at * n + (offset if len(s) > n else 0)
        hi = min(lo + n, len(s))
        out, d = [], int(np.searchsorted(start, lo, 'right')) - 1
        while d < len(start) and start[d] < hi:
            end = start[d + 1] if d + 1 < len(start) else len(s)
            a, b = max(lo, start[d] + 2), min(hi, end)
            if a < b: out.append((int(s[start[d] + 1]), np.asarray(s[a:b], np.int64)))
            d += 1
        return out

# ---------------------------------------------------------------- objectives: examples from text


def example(tok, pos, upto, low, high, target, weight, part, norm):
    """Entries in the order in which they enter; entry i sees [0, upto[i]) and [low[i], high[i]).
    norm: {part: its denominator}."""
    n = len(tok)
    full = lambda v, t: np.broadcast_to(np.asarray(v, t), n)
    return dict(tok=full(tok, np.int64), pos=full(pos, np.int64), sees=full(upto, np.int64), low=full(low, np.int64),
                high=full(high, np.int64), target=full(target, np.int64), weight=full(weight, np.float64),
                part=full(part, np.int64), norm=np.array([norm.get(p, 0.) for p in range(4)]))


def diffusion(x, order, hide, weight, mask, rule):
    """x in natural order; order: rank -> position, clean ones first.  rule: 'eso-b', 'eso-a' or 'mdlm'."""
    n, i, h = len(x), np.arange(len(x)), hide[order]
    c = n - int(h.sum())
    upto = 0 if rule == 'mdlm' else np.where(i < c, c, i) if rule == 'eso-a' else i
    low, high = (0, n) if rule == 'mdlm' else (i, i + 1)
    part = SLOTS if rule == 'mdlm' else DIFFUSION
    return example(np.where(h, mask, x[order]), order, upto, low, high, np.where(h, x[order], -1), weight, part, {part: n})


def sequential(x, order, hide, mask, rule):
    """The clean tokens in rank order but the last, then a mask for every hidden one, which sees those of lower rank."""
    n, h = len(x), hide[order]
    m = int(h.sum())
    c, i, own = n - m, np.arange(n - 1), np.arange(n - 1 + m)
    upto = np.concatenate((np.where(i < c, min(c, n - 1), i) if rule == 'eso-a' else i, c + np.arange(m)))
    return example(np.concatenate((x[order[:-1]], np.full(m, mask))), np.concatenate((order[:-1], order[c:])),
                   upto, own, own + 1, np.concatenate((np.full(n - 1, -1), x[order[c:]])), 1, SEQUENTIAL, {SEQUENTIAL: n})


class Maker:
    """Rows of `length` entries.  Row i is a function of (options, corpus, seed, i)."""
    def __init__(self, o, corpus, tok):
        self.o, self.corpus, self.tok = o, corpus, tok

    # ---- infill: likelihood of hole slots

    def hole(self, r, x, lo, hi):
        """(start, end, kind) of a hole inside [lo, hi) of x, or None: the kinds of hole.h that need no syntax."""
        kind = r.choice((RUN, LINE, LINES, LONG), p=(.4, .35, .15, .1))
        s = int(r.integers(lo, hi))
        if kind in (RUN, LONG): e = s + int(r.integers(1, 9 if kind == RUN else 65))
        else:
            nl = np.flatnonzero(x[s:min(s + 65, hi)] == self.tok.newline) + s
            if len(nl) < 1 + (kind == LINES): return None
            if kind == LINE: e = int(nl[0])
            else: s, e = int(nl[0]) + 1, int(nl[min(len(nl) - 1, int(r.integers(1, 6)))])
        return (s, e, kind) if s < e <= hi and e - s <= 64 else None

    def holes(self, r, x, most):
        n = len(x)
        if r.random() < .1 and n > 40:                             # nothing behind the cursor
            return [(n - int(r.integers(1, 33)), n, LINE)]
        lo = 1 + int(r.integers(0, max(int(.4 * n), 1)))
        hi, out = min(lo + max(int(.6 * n) - 1, 1), n), []
        for _ in range(int(r.integers(1, min(most, 1 + n // 32) + 1))):
            for _ in range(6):
                h = self.hole(r, x, lo, hi)
                if h and all(h[1] < a or h[0] > b for a, b, _ in out): out.append(h); break
        return sorted(out)

    def cut(self, r, x, holes):
        """(x, [(start, end)]): some holes begin and end inside a token, whose parts are then encoded apart."""
        out, new, at = [], [], 0
        for s, e, kind in holes:
            first, last = int(x[s]), int(x[e - 1])
            n, m = len(self.tok.chars(first)), len(self.tok.chars(last))
            cut = r.random() < self.o.cut_share
            a = int(r.integers(0, n)) if cut and n and kind != LINES else 0
            b = int(r.integers(1, m + 1)) if cut and m and kind in (RUN, LONG) else m
            if e - s == 1 and b <= a: a = 0
            part = self.tok.part
            inside = part(first, a, b) if e - s == 1 else part(first, a, n) + [*x[s + 1:e - 1]] + part(last, 0, b)
            new += [*x[at:s]] + (part(first, 0, a) if a else [])
            out.append((len(new), len(new) + len(inside)))
            new += inside + (part(last, b, m) if b < m else [])
            at = e
        return np.array([*new, *x[at:]], np.int64), out

    def infill(self, r, x, room):
        ltr, how = r.random() < .5, r.choice(3, p=[.4, .4, .2])    # context: left to right, suffix first, at random
        roomy = 65 if ltr and r.random() < .5 else 17
        for _ in range(20):
            y, hs = self.cut(r, x, self.holes(r, x, self.o.holes))
            # The slots behind the first <eom> are not asked for left to right, where nothing comes after it.
            slack = [int(r.integers(0, roomy)) for _ in hs]
            used = [e - s + (min(k, 1) if ltr else k) for (s, e), k in zip(hs, slack)]
            extra = len(y) - room + sum(2 * u - (e - s) for u, (s, e) in zip(used, hs)) - 1
            if hs and extra < .4 * len(y): break
        else:
            y, s, ltr, extra = x, len(x) // 2, True, len(x) - room
            hs, slack, used = [(s, s + 1)], [0], [1]
        n = len(y)
        least, most = max(0, extra - (n - hs[-1][1])), max(0, min(extra, hs[0][0] - 1))  # of the prefix that goes
        left = int(r.integers(least, most + 1)) if extra > 0 else 0
        keep = np.ones(n, bool)
        keep[1:1 + left] = False
        if extra > left: keep[n - (extra - left):] = False
        pos, shift, st, sp = np.arange(n), 0, [], []
        for (s, e), k, u in zip(hs, slack, used):
            st.append(np.concatenate((y[s:e], np.full(u - (e - s), self.tok.eom))))
            sp.append(s + shift + np.arange(u))
            keep[s:e] = False
            pos[e:] += k; shift += k
        pos[1:] -= left; st, sp = np.concatenate(st), np.concatenate(sp) - left
        ctx = np.flatnonzero(keep)
        if how == 1:
            first = int(r.integers(len(hs))) if r.random() < .25 else 0  # nearly always the first, as the canvas does
            cut = np.searchsorted(ctx, hs[first][0])
            ctx = np.concatenate((ctx[cut:], ctx[:cut]))
        elif how == 2: ctx = r.permutation(ctx)
        if not ltr: p = r.permutation(len(st)); st, sp = st[p], sp[p]
        return self.slots(r, y[ctx], pos[ctx], st, sp, how != 2)

    def slots(self, r, ct, cp, st, sp, running):
        """Context, the slots but the last as clean entries, all slots as masks; next-token loss where context runs on."""
        c, n = len(ct), len(st)
        k = c + n - 1
        own, target, part = np.arange(k + n), np.full(k + n, -1), np.full(k + n, SLOTS)
        target[k:] = st
        if running and c > 1:
            on = (cp[1:] == cp[:-1] + 1) & (cp[:-1] > 0)           # not from the tag
            j = np.flatnonzero(on & (r.random(c - 1) < self.o.next_share))
            target[j], part[j] = ct[j + 1], NEXT
        upto = np.concatenate((np.arange(k), c + np.arange(n)))
        return example(np.concatenate((ct, st[:-1], np.full(n, self.tok.mask))), np.concatenate((cp, sp[:-1], sp)),
                       upto, own, own + 1, target, 1, part, {SLOTS: n, NEXT: int((part == NEXT).sum())})

    # ---- the others

    def eso(self, r, x, room, rule, i, u):
        """The hybrid loss for row i of those that have it, u of the way through it.  Kinds and times are spread evenly over
        rows: no batch is without one of them."""
        o = self.o
        alpha0 = 1. if rule == 'mdlm' else o.alpha0
        diffuses, i = pick(1. if alpha0 >= 1 else 0. if alpha0 <= 0 else o.split, i)
        if diffuses:
            u = (i * .6180339887498949 + u) % 1
            alpha = alpha0 * (1 - .999 * (.001 + .999 * u))
            hide = r.random(len(x)) >= alpha
            order = np.arange(len(x)) if rule == 'mdlm' else self.order(r, hide, True, True)
            return diffusion(x, order, hide, 1. if o.low_var else .999 * alpha0 / (1 - alpha), self.tok.mask, rule)
        hide = r.random(len(x)) >= alpha0
        n = min(len(x), int(np.searchsorted(np.cumsum(1 + hide), room, 'right')))
        x, hide = x[:n], hide[:n]
        return sequential(x, self.order(r, hide, rule == 'eso-b', False), hide, self.tok.mask, rule)

    @staticmethod
    def order(r, hide, shuffle_clean, shuffle_masks):
        c, m = np.flatnonzero(~hide), np.flatnonzero(hide)
        return np.concatenate((r.permutation(c) if shuffle_clean else c, r.permutation(m) if shuffle_masks else m))

    def bd3(self, r, x, room):
        """All clean blocks but the last, which nobody sees, then the noisy ones."""
        size, n = self.o.block, np.arange(1, len(x) + 1)
        n = int(n[n + (n - 1) // size * size <= room][-1])
        x, i, c = x[:n], np.arange(n), (n - 1) // size * size
        first = i // size * size
        last = np.minimum(first + size, n)
        blocks = c // size + 1                                     # each has a time of its own, spread evenly
        t = (.001 + .999 * (r.permutation(blocks) + r.random()) / blocks)[i // size]
        hide = r.random(n) < t
        weight = np.ones(n) if self.o.low_var else 1 / t
        both = lambda clean, noisy: np.concatenate((np.asarray(clean)[:c], noisy))
        return example(both(x, np.where(hide, self.tok.mask, x)), both(i, i), both(last, first), both(i, c + first),
                       both(i + 1, c + last), both(np.full(n, -1), np.where(hide, x, -1)), both(weight, weight), SLOTS, {SLOTS: n})

    def ar(self, x):
        i, target = np.arange(len(x)), np.append(x[1:], -1)
        target[target == self.tok.mask] = -1
        return example(x, i, i, i, i + 1, target, 1, SLOTS, {SLOTS: int((target >= 0).sum())})

    def fim(self, r, x, room):
        x = x[:room - 2]
        y, hs = self.cut(r, x, self.holes(r, x, 1) or [(len(x) // 2, len(x) // 2 + 1, RUN)])
        (s, e), y = hs[0], y[:room - 2]
        e = min(e, len(y))
        return self.ar(np.concatenate((y[:1], y[e:], [self.tok.mask], y[1:s], y[s:e], [self.tok.eom])))

    # ---- rows

    def one(self, r, tag, x, i, u):
        """An example of at most len(x) + 1 entries."""
        kind, room, x = self.o.objective, len(x) + 1, np.concatenate(([tag], x))
        if kind == 'infill':
            paper, nth = pick(self.o.paper_share, i)
            return self.eso(r, x, room, 'eso-b', nth, u) if paper else self.infill(r, x, room)
        if kind == 'bd3': return self.bd3(r, x, room)
        if kind == 'ar' or kind == 'fim' and r.random() < .5: return self.ar(x)
        if kind == 'fim': return self.fim(r, x, room)
        return self.eso(r, x, room, kind, i, u)

    def row(self, seed, i):
        """The documents of window i side by side, each an example that sees itself only."""
        r, shift = np.random.default_rng([seed, 2, i]), np.random.default_rng([seed, 3]).random()
        parts = [(t, x) for t, x in self.corpus.window(seed, i, self.o.length - 1) if len(x) >= 8]
        made = [self.one(r, t, x, i, (shift + k / len(parts)) % 1) for k, (t, x) in enumerate(parts)]
        return pack(made, self.o.length)

    def batch(self, seed, at, n):
        b = collate([self.row(seed, i) for i in range(at, at + n)])
        b['bytes'] = float((b['weight'] * torch.from_numpy(self.tok.length)[b['target']])[b['part'] != NEXT].sum())
        return b


def pick(share, i):
    """Is i among a share of all numbers, evenly spaced?  And how many of its kind come before it."""
    before = math.floor(i * share)
    return (True, before) if math.floor((i + 1) * share) > before else (False, i - before)


def pack(examples, length):
    """A row of `length` entries; what is left over sees itself and is seen by nobody."""
    i = np.arange(length)
    row = dict(first=i.copy(), sees=i.copy(), low=i.copy(), high=i + 1, target=np.full(length, -1), weight=np.zeros(length),
               norm=np.zeros(4), **{k: np.zeros(length, np.int64) for k in ('tok', 'pos', 'part')})
    at = 0
    for e in examples:
        n = len(e['tok'])
        if at + n > length: raise ValueError('examples are longer than their row')
        for k in ('tok', 'pos', 'target', 'weight', 'part'): row[k][at:at + n] = e[k]
        for k in ('sees', 'low', 'high'): row[k][at:at + n] = e[k] + at
        row['first'][at:at + n] = at
        row['norm'] += e['norm']
        at += n
    return row


def collate(rows):
    """Rows as tensors; the targets of all rows as a list, so that only they meet the output layer."""
    b = {k: np.stack([r[k] for r in rows]) for k in rows[0]}
    pick = np.flatnonzero(b['target'].ravel() >= 0)
    out = {k: torch.from_numpy(b[k]) for k in ('tok', 'pos')}
    out.update({k: torch.from_numpy(b[k].astype(np.int32)) for k in ('first', 'sees', 'low', 'high')})
    out.update({k: torch.from_numpy(b[k].ravel()[pick]) for k in ('target', 'part')})
    out.update(pick=torch.from_numpy(pick), weight=torch.from_numpy(b['weight'].ravel()[pick].astype(np.float32)),
               norm=torch.from_numpy(b['norm'].sum(0)))
    return out


class Batches(torch.utils.data.Dataset):
    """Micro-batch k of this rank: those of a step lie side by side, so a step reads the same rows whatever the ranks."""
    def __init__(self, maker, seed, at, rank, ranks, size): self.__dict__.update(locals())

    def __getitem__(self, k):
        return self.maker.batch(self.seed, self.at + (k * self.ranks + self.rank) * self.size, self.size)

# ---------------------------------------------------------------- optimiser


def orthogonal(x, bf16):
    """Newton-Schulz, quintic, on a stack of matrices [N, rows, cols]."""
    x = x.bfloat16() if bf16 else x
    if x.shape[1] > x.shape[2]: return orthogonal(x.transpose(1, 2), bf16).transpose(1, 2)
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7).to(x.dtype)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x


def rate(o, t, done):
    """Share of the peak rates at step t, when a share of the run is done: warm-up, plateau, cool-down."""
    return max(0., min((t + 1) / o.warmup if o.warmup else 1, (1 - done) / o.cool if o.cool else 1, 1))


class Optim:
    """AdamW and Muon over flat arrays, of which parameters and gradients are views: vectors, which do not decay, then AdamW's
    matrices, then Muon's."""
    def __init__(self, model, o, bf16):
        self.o, self.bf16 = o, bf16
        muon = lambda n, p: o.lr_muon > 0 and p.dim() == 2 and n != 'embed.weight'
        named = sorted(model.named_parameters(), key=lambda x: (x[1].dim(), muon(*x)))
        self.n = sum(p.numel() for _, p in named)
        self.w = torch.cat([p.detach().flatten() for _, p in named])
        self.g = torch.zeros(self.n + 4, device=self.w.device)     # the sums of the loss ride behind the gradient
        self.m, self.at, self.shape, at = torch.zeros_like(self.w), {}, {}, 0
        for n, p in named:
            self.at[n], self.shape[n] = slice(at, at + p.numel()), p.shape
            p.data, p.grad = self.view(self.w, n), self.view(self.g, n)
            at += p.numel()
        self.plain = sum(p.numel() for n, p in named if not muon(n, p))
        self.vectors = sum(p.numel() for _, p in named if p.dim() == 1)
        self.v = torch.zeros_like(self.w[:self.plain])
        self.ema = self.w.clone() if o.ema else None
        self.shapes = {}
        for n, p in named:
            if muon(n, p): self.shapes.setdefault(tuple(p.shape), []).append(n)

    def view(self, a, name): return a[self.at[name]].view(self.shape[name])

    @torch.no_grad()
    def step(self, t, rate):
        """Step t (from 0) at a share of the peak rates.  Returns the norm before clipping, on the device."""
        o, g = self.o, self.g[:self.n]
        norm = g.norm()
        if o.clip: g.mul_(o.clip / norm.clamp(min=o.clip))
        k, lr = self.plain, o.lr * rate
        self.m[:k].lerp_(g[:k], 1 - .9)
        self.v.mul_(.95).addcmul_(g[:k], g[:k], value=1 - .95)
        d = (self.v / (1 - .95 ** (t + 1))).sqrt_().add_(1e-8)
        self.w[self.vectors:k].mul_(1 - lr * o.decay)
        self.w[:k].addcdiv_(self.m[:k], d, value=-lr / (1 - .9 ** (t + 1)))
        lr = o.lr_muon * rate
        self.m[k:].lerp_(g[k:], 1 - .95)
        for (rows, cols), names in self.shapes.items():
            u = torch.stack([self.view(g, n).lerp(self.view(self.m, n), .95) for n in names])
            for n, x in zip(names, orthogonal(u, self.bf16)):
                self.view(self.w, n).mul_(1 - lr * o.decay).add_(x, alpha=-lr * max(1, rows / cols) ** .5)
        if self.ema is not None: self.ema.lerp_(self.w, 1 - min(o.ema, (1 + t) / (10 + t)))
        return norm

    def tensors(self):
        """Named as in the state of the C trainer (state.h)."""
        out = {}
        for kind, a in (('w', self.w), ('m', self.m), ('v', self.v), ('ema', self.ema)):
            if a is not None: out.update({f'{kind}/{n}': self.view(a, n) for n, s in self.at.items() if s.stop <= len(a)})
        return out

    def load(self, tensors, start_afresh=False):
        """A state; or with start_afresh the weights of one, or of a checkpoint."""
        for n, to in self.tensors().items():
            kind, name = n.split('/')
            if start_afresh and kind in 'mv': continue
            names = (n, 'ema/' + name, 'w/' + name, name) if start_afresh else (n,)
            x = next((tensors[k] for k in names if k in tensors), None)
            if x is None: raise SystemExit(f'there is no tensor {n}')
            to.copy_(torch.from_numpy(np.array(x)).view_as(to))


# ---------------------------------------------------------------- files


def replace(path, write):
    """Write a file under a temporary name, sync it and rename it: a reader sees the old one or the new one."""
    with open(path + '.tmp', 'wb') as f:
        write(f)
        f.flush(); os.fsync(f.fileno())
    os.replace(path + '.tmp', path)


def save_tensors(path, tensors, meta):
    """safetensors: length of the header, header, raw little-endian data; float32."""
    head, at = {'__metadata__': {k: str(v) for k, v in meta.items()}}, 0
    for k, v in tensors.items():
        head[k] = dict(dtype='F32', shape=list(v.shape), data_offsets=[at, at + 4 * v.numel()])
        at += 4 * v.numel()
    head = json.dumps(head).encode()
    head += b' ' * (-len(head) % 8)

    def write(f):
        f.write(len(head).to_bytes(8, 'little') + head)
        for v in tensors.values(): f.write(v.detach().float().cpu().contiguous().numpy().tobytes())
    replace(path, write)


def load_tensors(path):
    """({name: array}, metadata) of a float32 safetensors file."""
    raw = np.memmap(path, np.uint8, 'r')
    n = int.from_bytes(raw[:8].tobytes(), 'little')
    head = json.loads(raw[8:8 + n].tobytes())
    meta = head.pop('__metadata__', {})
    if any(t['dtype'] != 'F32' for t in head.values()): raise SystemExit(f'{path}: not all tensors are float32')
    at = lambda t: raw[8 + n + t['data_offsets'][0]:8 + n + t['data_offsets'][1]]
    return {k: at(t).view('<f4').reshape(t['shape']) for k, t in head.items()}, meta


def export(folder, opt, config):
    """What `lacuna convert` reads: the average of the weights if there is one."""
    a = opt.w if opt.ema is None else opt.ema
    save_tensors(f'{folder}/model.safetensors', {n: opt.view(a, n) for n in opt.at}, config)
    replace(f'{folder}/config.json', lambda f: f.write(json.dumps(config, indent=1).encode()))

# ---------------------------------------------------------------- training


def options(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(name, default, text='', **more):
        if default is not None and not isinstance(default, (bool, list)): more.setdefault('type', type(default))
        if isinstance(default, bool): more['action'] = 'store_true'
        shown = '' if default in (None, False) else f' ({default})'
        p.add_argument('--' + name, default=default, help=text + shown, **more)
    add('data', None, 'shards to train on', nargs='+', required=True)
    add('held-out', None, 'shards whose loss is told at every save', nargs='+')
    add('tokenizer', None, 'SentencePiece BPE model of the shards', required=True)
    add('out', 'run', 'folder for the results')
    for name, v in (('dim', 256), ('layers', 6), ('heads', 4), ('ff', 704)): add(name, v, 'network')
    add('objective', 'infill', choices=OBJECTIVES)
    add('length', 512, 'entries a row, and positions of the model')
    add('batch', 16, 'rows a step, over all ranks')
    add('accumulate', 1, 'pieces in which a rank works through its rows of a step')
    add('alpha0', .25, 'eso: share of diffusion'); add('split', .5, 'eso: share of diffusion examples')
    add('low-var', False, 'eso, mdlm, bd3: weight 1 for diffusion'); add('block', 16, 'bd3')
    add('paper-share', 0., 'infill: share of eso-b examples'); add('holes', 8, 'infill: at most so many an example')
    add('next-weight', .5, 'infill: weight of the next-token loss')
    add('next-share', .5, 'infill: share of the running context that has it')
    add('cut-share', .3, 'infill, fim: share of holes that begin and end inside a token')
    add('lr', .003, 'AdamW'); add('lr-muon', .02, 'Muon; 0: AdamW for all'); add('decay', .01, 'weight decay')
    add('clip', 1., 'of the norm; 0: none'); add('ema', 0., 'average of the weights'); add('warmup', 30, 'steps')
    add('cool', .3, 'last share of the run in which rates fall to 0'); add('steps', 10 ** 9, 'of the run')
    add('minutes', 1e9, 'of the run, over all calls'); add('stop-after', 1e9, 'minutes of this call')
    add('save-every', 5., 'minutes'); add('log-every', 20, 'steps')
    add('eval-rows', 64, 'of the held-out shards, rounded up to whole pieces')
    add('resume', False, 'go on from the state in the folder'); add('start', None, 'safetensors of weights to begin with')
    add('seed', 0); add('f32', False, 'no bf16'); add('compile', False, 'torch.compile')
    add('dense', False, 'dense masks on CUDA too, where flex_attention fails')
    add('workers', 0, 'processes that make batches'); add('threads', 0, 'of PyTorch on a CPU')
    return p.parse_args(argv)


class Run:
    """One process of a run."""
    def __init__(self, o):
        self.o, self.rank, self.ranks = o, int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
        cuda = torch.cuda.is_available()
        self.device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', 0))) if cuda else torch.device('cpu')
        if o.batch % (self.ranks * o.accumulate): raise SystemExit('--batch is no multiple of ranks times --accumulate')
        if o.threads: torch.set_num_threads(o.threads)
        if cuda:
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = True
        if self.ranks > 1: torch.distributed.init_process_group('cpu:gloo,cuda:nccl' if cuda else 'gloo')
        self.flex = None
        if cuda and create_block_mask and not o.dense:          # blocks of 128 entries that nobody sees are skipped
            if o.length % 128: raise SystemExit('--length must be a multiple of 128 on CUDA')
            self.flex = torch.compile(create_block_mask)
            if not o.compile: globals()['flex_attention'] = torch.compile(flex_attention)
        tok = Tokenizer(o.tokenizer)
        self.maker = Maker(o, Corpus(o.data, tok.bos), tok)
        self.held_out = Maker(o, Corpus(o.held_out, tok.bos), tok) if o.held_out else None
        self.config = dict(dim=o.dim, layers=o.layers, heads=o.heads, ff=o.ff, vocab=tok.size, qk_norm=True,
                           mask_index=tok.mask, context_length=o.length, norm_eps=1e-6, rope_base=10000.)
        self.coef = torch.tensor([1., 1., 1., o.next_weight], dtype=torch.float64)
        torch.manual_seed(o.seed)
        self.model = Model(self.config).to(self.device)
        self.opt = Optim(self.model, o, not o.f32)
        self.step = self.rows = 0
        self.spent = 0.                                            # minutes of the calls before
        if o.resume:
            tensors, meta = load_tensors(f'{o.out}/state.safetensors')
            was = json.loads(meta['recipe'])
            if (was['config'], was['seed']) != (self.config, o.seed): raise SystemExit('the state is of another run')
            self.opt.load(tensors)
            self.step, self.rows, self.spent = was['step'], was['rows'], was['minutes']
        elif o.start: self.opt.load(load_tensors(o.start)[0], start_afresh=True)
        self.hidden = torch.compile(self.model, dynamic=False) if o.compile else self.model
        self.head = torch.compile(nll, dynamic=True) if o.compile else nll
        self.begun = time.time()

    def minutes(self): return (time.time() - self.begun) / 60

    def done(self): return max((self.spent + self.minutes()) / self.o.minutes, self.step / self.o.steps)

    def sum_all(self, x):
        if self.ranks > 1: torch.distributed.all_reduce(x)
        return x

    def sums(self, b):
        b = {k: v.to(self.device, non_blocking=True) for k, v in b.items() if k not in ('norm', 'bytes')}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=not self.o.f32):
            return sums(self.hidden, self.head, self.model, b, self.flex)

    def say(self, **x):
        if self.rank == 0: print(json.dumps(x), flush=True)

    def report(self, nlls, norm, size):
        """loss, mean of each part, bits per byte of what the targets spell (weighted as their losses are)."""
        mean = [a / b if b > 0 else None for a, b in zip(nlls.tolist(), norm.tolist())]
        out = dict(loss=sum(float(c) * m for c, m in zip(self.coef, mean) if m is not None))
        out.update({p: m for p, m in zip(PARTS, mean) if m is not None})
        if size: out['bits_per_byte'] = float(nlls[:NEXT].sum()) / size / math.log(2)
        return out

    def evaluate(self):
        """Held-out loss under a seed of its own, of the weights that would be exported."""
        if not self.held_out: return
        o, now = self.o, self.opt.w.clone()
        if self.opt.ema is not None: self.opt.w.copy_(self.opt.ema)
        total = torch.zeros(9, dtype=torch.float64)
        n = o.batch // self.ranks // o.accumulate
        with torch.no_grad():
            for at in range(self.rank * n, o.eval_rows, n * self.ranks):
                b = self.held_out.batch(1 << 32, at, n)
                total[:4] += self.sums(b).double().cpu()
                total[4:8] += b['norm']
                total[8] += b['bytes']
        self.opt.w.copy_(now)
        self.sum_all(total)
        self.say(held_out=True, step=self.step, **self.report(total[:4], total[4:8], float(total[8])))

    def save(self, name='state'):
        if self.rank: return
        if not torch.isfinite(self.opt.w).all(): raise SystemExit('weights are not finite: the last state stays')
        state = dict(config=self.config, seed=self.o.seed, step=self.step, rows=self.rows,
                     minutes=self.spent + self.minutes())
        save_tensors(f'{self.o.out}/{name}.safetensors', self.opt.tensors(), dict(recipe=json.dumps(state)))

    def train_step(self, batches, stop):
        """One step.  Returns None at the end of the run or of the call."""
        o = self.o
        done = self.done()
        stop = stop or done >= 1 or self.minutes() >= o.stop_after and self.step > self.first
        micro = [] if stop else [next(batches) for _ in range(o.accumulate)]
        # Sums over ranks: whether one stops, rank 0's share of the run, bytes, and the denominators of the loss.
        shared = torch.zeros(7, dtype=torch.float64)
        shared[0] = float(stop)
        if self.rank == 0: shared[1] = done
        for b in micro: shared[2] += b['bytes']; shared[3:] += b['norm']
        self.sum_all(shared)
        if shared[0] > 0: return None
        done, size, norm = float(shared[1]), float(shared[2]), shared[3:]
        scale = (self.coef / norm.where(norm > 0, torch.full_like(norm, math.inf))).float().to(self.device)
        self.opt.g.zero_()
        for b in micro:
            s = self.sums(b)
            (s * scale).sum().backward()
            self.opt.g[-4:] += s.detach()
        self.sum_all(self.opt.g)
        cooling = o.cool and done > 1 - o.cool
        if cooling and not self.cooling: self.save('before-cooling')
        self.cooling = cooling
        grad = self.opt.step(self.step, rate(o, self.step, done))
        self.step += 1
        self.rows += o.batch
        return norm, size, grad

    def train(self):
        o, stop = self.o, []
        for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, lambda *_: stop.append(1))
        os.makedirs(o.out, exist_ok=True)
        n = o.batch // (self.ranks * o.accumulate)
        data = Batches(self.maker, o.seed, self.rows, self.rank, self.ranks, n)
        ahead = dict(num_workers=o.workers, prefetch_factor=4) if o.workers else {}
        batches = iter(torch.utils.data.DataLoader(data, None, sampler=range(10 ** 12),
                                                   pin_memory=self.device.type == 'cuda', **ahead))
        self.first, self.cooling = self.step, o.resume and o.cool and self.done() > 1 - o.cool
        total = sum(p.numel() for p in self.model.parameters())
        self.say(parameters=total, embedding=self.model.embed.weight.numel(), device=str(self.device), ranks=self.ranks,
                 flex=bool(self.flex))
        saved = last = time.time()
        seen = 0
        while True:
            r = self.train_step(batches, bool(stop))
            if r is None: break
            seen += o.batch * o.length
            if self.step % o.log_every == 0 or self.step == o.steps:
                norm, size, grad = r
                rep, now = self.report(self.opt.g[-4:].double().cpu(), norm, size), time.time()
                if not math.isfinite(float(grad)): raise SystemExit('the gradient is not finite: the last state stays')
                self.say(step=self.step, **rep, norm=float(grad), entries_per_s=round(seen / (now - last)),
                         minutes=round(self.spent + self.minutes(), 3))
                last, seen = now, 0
            due = torch.tensor(float(self.rank == 0 and time.time() - saved > 60 * o.save_every))
            if self.sum_all(due) > 0:
                self.save(); self.evaluate()
                saved = time.time()
        self.save()
        self.evaluate()
        if self.rank == 0: export(o.out, self.opt, self.config)
        self.sum_all(torch.zeros(1))                               # nobody leaves before all is written
        if self.ranks > 1: torch.distributed.destroy_process_group()


if __name__ == '__main__':
    Run(options()).train()
