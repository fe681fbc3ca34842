#!/usr/bin/env python3
"""Record a command in a real terminal (tmux) and write an animated SVG.

    doc/picture.py OUT.svg COLUMNSxROWS 'COMMAND'

Frames are what the terminal shows, captured about every 15 ms; only frames that differ are kept.
"""
import html, re, subprocess, sys, time

NAME = 'lacuna-picture'
CELL, LINE, PAD, FG, BG = 8.4, 18, 14, '#d8dee9', '#242933'
PALETTE = ['#3b4252', '#bf616a', '#a3be8c', '#ebcb8b', '#81a1c1', '#b48ead', '#88c0d0', '#e5e9f0',
           '#616e88', '#d08770', '#b5d19b', '#f0d399', '#93b3d3', '#c895bf', '#8fd0e0', '#ffffff']


def tmux(*a): return subprocess.run(['tmux', '-L', NAME, *a], text=True, stdout=subprocess.PIPE, check=True).stdout


def colour(n):
    if n < 16: return PALETTE[n]
    if n >= 232: return '#' + f'{8 + 10 * (n - 232):02x}' * 3
    n -= 16
    return '#' + ''.join(f'{0 if v == 0 else 55 + 40 * v:02x}' for v in (n // 36, n // 6 % 6, n % 6))


def spans(line):
    """(column, text, style) of one captured line."""
    style, at, out = {}, 0, []
    for part in re.split(r'(\x1b\[[0-9;]*m)', line):
        m = re.fullmatch(r'\x1b\[([0-9;]*)m', part)
        if not m:
            if part: out.append((at, part, dict(style))); at += len(part)
            continue
        codes = [int(c or 0) for c in m.group(1).split(';')]
        while codes:
            c = codes.pop(0)
            if c == 0: style = {}
            elif c == 1: style['font-weight'] = 'bold'
            elif c == 2: style['opacity'] = '0.55'
            elif c == 22: style.pop('font-weight', 0); style.pop('opacity', 0)
            elif c in (38, 48) and codes[:1] == [5]: style['fill' if c == 38 else 'background'] = colour(codes[1]); codes = codes[2:]
            elif c in (38, 48) and codes[:1] == [2]: style['fill' if c == 38 else 'background'] = '#%02x%02x%02x' % tuple(codes[1:4]); codes = codes[4:]
            elif 30 <= c < 38: style['fill'] = colour(c - 30)
            elif 90 <= c < 98: style['fill'] = colour(c - 82)
            elif c == 39: style.pop('fill', 0)
    return out


def frame(screen):
    rows = []
    for y, line in enumerate(screen):
        for x, text, style in spans(line):
            if not text.strip(): continue
            css = ';'.join(f'{k}:{v}' for k, v in style.items() if k != 'background')
            rows.append(f'<text x="{PAD + x * CELL:.1f}" y="{PAD + (y + 1) * LINE - 5}"' + (f' style="{css}"' if css else '') +
                        f' textLength="{len(text) * CELL:.1f}" xml:space="preserve">{html.escape(text)}</text>')
    return ''.join(rows)


def main(out, size, command):
    columns, rows = map(int, size.split('x'))
    subprocess.run(['tmux', '-L', NAME, 'kill-server'], stderr=subprocess.DEVNULL)
    tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'p', '-x', str(columns), '-y', str(rows), f"sleep 0.3; {command}; sleep 1")
    frames, start = [], time.time()
    while time.time() - start < 60:
        try: screen = tmux('capture-pane', '-t', 'p', '-p', '-e').rstrip('\n').split('\n')
        except subprocess.CalledProcessError: break
        if any(l.strip() for l in screen) and (not frames or frames[-1][1] != screen): frames.append((time.time(), screen))
        time.sleep(.015)
    if not frames: sys.exit('picture.py: the command showed nothing')
    height = max(len(f[1]) for f in frames)
    times = [t - frames[0][0] for t, _ in frames]
    total = times[-1] + 3                                          # the last frame stands for three seconds
    w, h = columns * CELL + 2 * PAD, height * LINE + 2 * PAD
    with open(out, 'w') as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h}" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace"'
                f' font-size="14" fill="{FG}"><rect width="100%" height="100%" rx="8" fill="{BG}"/>')
        for i, (_, screen) in enumerate(frames):
            a, b = times[i] / total, (times[i + 1] if i + 1 < len(frames) else total) / total
            last = i + 1 == len(frames)
            values, keys = ('0;1;0', f'0;{a:.4f};{b:.4f}') if a > 0 else ('1;0', f'0;{b:.4f}')
            if last: values, keys = '0;1', f'0;{a:.4f}'
            anim = '' if len(frames) == 1 else (f'<animate attributeName="opacity" dur="{total:.2f}s" repeatCount="indefinite" calcMode="discrete"'
                                               f' values="{values}" keyTimes="{keys}"/>')
            f.write(f'<g opacity="{1 if last else 0}">{anim}{frame(screen)}</g>')
        f.write('</svg>\n')
    print(f'{out}: {len(frames)} frames, {total:.1f} s')


if __name__ == '__main__':
    if len(sys.argv) != 4: sys.exit(__doc__)
    main(*sys.argv[1:])
