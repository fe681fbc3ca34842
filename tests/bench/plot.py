#!/usr/bin/env python3
"""Pictures of the figures of `make bench` and of models/default/measure.py --settings, as SVG without any library.

    plot.py speed OUT.svg BENCH.json       passes beside their floor; long texts by every method
    plot.py quality OUT.svg SETTINGS.tsv   passes a fill against edit similarity, by order
"""
import json, math, sys

INK, PALE, GRID = '#333', '#777', '#e4e4e4'
COLOURS = ['#1b6ca8', '#d1495b', '#edae49', '#3a7d44', '#7b5ea7']


class Panel:
    """Axes with logarithmic or plain scales; what is drawn gathers in self.out."""
    def __init__(self, x, y, w, h, xlim, ylim, xlog=True, ylog=True):
        self.x, self.y, self.w, self.h, self.xlim, self.ylim, self.xlog, self.ylog, self.out = x, y, w, h, xlim, ylim, xlog, ylog, []

    def text(self, x, y, s, anchor='middle', size=12, colour=INK, extra=''):
        s = s.replace('&', '&amp;').replace('<', '&lt;')
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" {extra}>{s}</text>')

    def px(self, v): return self.x + self.w * share(v, self.xlim, self.xlog)
    def py(self, v): return self.y + self.h * (1 - share(v, self.ylim, self.ylog))

    def axes(self, title, xname, yname, xticks, yticks):
        for v, label in xticks:
            self.rule(self.px(v), self.y, self.px(v), self.y + self.h)
            self.text(self.px(v), self.y + self.h + 17, label, colour=PALE)
        for v, label in yticks:
            self.rule(self.x, self.py(v), self.x + self.w, self.py(v))
            self.text(self.x - 7, self.py(v) + 4, label, 'end', colour=PALE)
        self.text(self.x, self.y - 14, title, 'start', 14, extra='font-weight="bold"')
        self.text(self.x + self.w / 2, self.y + self.h + 37, xname)
        cx, cy = self.x - 46, self.y + self.h / 2
        self.text(cx, cy, yname, extra=f'transform="rotate(-90 {cx:.1f} {cy:.1f})"')

    def rule(self, x1, y1, x2, y2):
        self.out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GRID}"/>')

    def series(self, points, colour, dashes='', dots=True):
        at = [(self.px(x), self.py(y)) for x, y in sorted(points)]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in at)
        self.out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        for x, y in at if dots else []: self.out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def legend(self, rows, x, y):
        for i, (name, colour, dashes) in enumerate(rows):
            at = y + 18 * i
            self.out.append(f'<line x1="{x}" y1="{at - 4}" x2="{x + 22}" y2="{at - 4}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
            self.text(x + 28, at, name, 'start')


def share(v, lim, log):
    a, b = lim
    return (math.log(v / a) / math.log(b / a)) if log else (v - a) / (b - a)


def decades(values):
    """Limits and ticks of a logarithmic axis around the values: powers of ten, or 1, 2, 5 where they are few."""
    lo, hi = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    fine = [m * 10.0 ** e for e in range(lo, hi + 1) for m in ((1, 2, 5) if hi - lo < 4 else (1,))]
    first = max(t for t in fine if t <= min(values))
    last = min(t for t in fine if t >= max(values))
    return (first, last), [(t, f'{t:,.10g}') for t in fine if first <= t <= last]


def write(path, panels, width, height):
    body = '\n'.join(line for p in panels for line in p.out)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
                f'<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n')


def passes_panel(run):
    rows = run['pass']
    times = [(r['ms']['median'], r['floor_ms']) for r in rows]
    lim, ticks = decades([v for pair in times for v in pair])
    p = Panel(80, 76, 330, 300, (1, 32), lim)
    p.axes(f'One pass, {run["threads"]} threads', 'slots asked for', 'milliseconds', [(m, str(m)) for m in (1, 2, 4, 8, 16, 32)], ticks)
    legend = []
    for colour, cached in zip(COLOURS, sorted({r['cached'] for r in rows})):
        of = [r for r in rows if r['cached'] == cached]
        p.series([(r['masks'], r['ms']['median']) for r in of], colour)
        p.series([(r['masks'], r['floor_ms']) for r in of], colour, '5 4', dots=False)
        legend += [(f'{cached} entries cached', colour, ''), ('the least it could take', colour, '5 4')]
    p.legend(legend, 92, 98)
    return p


def long_panel(run):
    rows = [r for r in run['long'] if r['length'] == r['passes']]
    names = list(dict.fromkeys(r['method'] for r in rows))
    lengths = sorted({r['length'] for r in rows})
    lim, ticks = decades([r['seconds'] for r in rows])
    p = Panel(500, 76, 330, 300, (lengths[0] * 0.9, lengths[-1] * 1.1), lim)
    p.axes('A text from nothing, one slot a pass', 'tokens', 'seconds', [(n, str(n)) for n in lengths], ticks)
    for colour, name in zip(COLOURS, names):
        p.series([(r['length'], r['seconds']) for r in rows if r['method'] == name], colour)
    p.legend([(n, c, '') for n, c in zip(names, COLOURS)], 512, 98)
    return p


def speed(out, path):
    with open(path, encoding='utf-8') as f: bench = json.load(f)
    run = bench['runs'][-1]
    panels = [passes_panel(run)] + ([long_panel(run)] if 'long' in run else [])
    m = bench['model']
    panels[0].text(80, 28, f'{m["layers"]} layers of width {m["width"]}, {m["parameters"] / 1e6:.0f} M parameters, {m["weights"]}, kernel {m["kernel"]}',
                   'start', 12, PALE)
    write(out, panels, 860 if len(panels) > 1 else 440, 436)


def settings(path):
    """Points (passes, edit) of each order, from the table that measure.py --settings prints."""
    with open(path, encoding='utf-8') as f: rows = [line.rstrip('\n').split('\t') for line in f if '\t' in line]
    head = rows[0]
    series = {}
    for row in rows[1:]:
        name, edit, passes = row[0].split(',')[0], float(row[head.index('all')].split()[-1]), float(row[head.index('passes')])
        series.setdefault(name, []).append((passes, edit))
    if 'random' in series and 'left to right' in series: series = dict(sorted(series.items(), key=lambda kv: kv[0] != 'left to right'))
    return series


def quality(out, path):
    series = settings(path)
    every = [p for s in series.values() for p in s]
    lo, hi = (f(e for _, e in every) for f in (min, max))
    a, b = math.floor(lo * 20) / 20, math.ceil(hi * 20) / 20
    top = 2 ** math.ceil(math.log2(max(n for n, _ in every)))
    p = Panel(80, 50, 420, 300, (1, top), (a, b), ylog=False)
    ticks = [2 ** k for k in range(int(math.log2(top)) + 1)]
    p.axes('Quality against passes of the network', 'passes a fill', 'edit similarity to the true text', [(t, str(t)) for t in ticks],
           [(a + 0.05 * i, f'{a + 0.05 * i:.2f}') for i in range(round((b - a) / 0.05) + 1)])
    for colour, points in zip(COLOURS, series.values()): p.series(points, colour)
    p.legend([(n, c, '') for n, c in zip(series, COLOURS)], 520, 70)
    write(out, [p], 680, 410)


if __name__ == '__main__':
    if len(sys.argv) != 4 or sys.argv[1] not in ('speed', 'quality'): sys.exit(__doc__)
    (speed if sys.argv[1] == 'speed' else quality)(sys.argv[2], sys.argv[3])
