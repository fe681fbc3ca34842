"""in_terminal.py ROWS COLS SECONDS CMD...: run a command on a terminal of its own and print what it wrote.

SECONDS > 0: interrupt it (^C) after so long.  The last line is "[exit CODE]".  The bytes go through a small
screen too: with ROWS as -ROWS, print the screen that stands at the end instead of the bytes."""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

rows, cols, interrupt, cmd = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a run in the background ignores it, and what it starts would
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", abs(rows), cols, 0, 0))
    os.execvp(cmd[0], cmd)
out, start = b"", time.time()
while True:
    ready, _, _ = select.select([fd], [], [], 0.05)
    if ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    if interrupt and time.time() - start > interrupt and out:
        os.write(fd, b"\x03")
        interrupt = 0
    if time.time() - start > 120:
        os.kill(pid, 9)
_, status = os.waitpid(pid, 0)


def screen(text, height, width):
    """The rows that stand on the screen: cursor up, erase line, erase below, styles; no wrapping is expected."""
    lines, y, x = [[]], 0, 0
    for m in re.finditer(r"\x1b\[(\d*)([A-Za-z])|\x1b\[[\d;]*m|(.|\n)", text):
        n, code, c = m.groups()
        if code == "A":
            assert y - int(n or 1) >= len(lines) - height, "moved above the screen"
            y = max(0, y - int(n or 1))
        elif code == "K":
            lines[y] = lines[y][:x]
        elif code == "J":
            lines[y] = lines[y][:x]
            del lines[y + 1 :]
        elif c == "\r":
            x = 0
        elif c == "\n":
            y += 1
            while len(lines) <= y:
                lines.append([])
        elif c:
            lines[y] += [" "] * (x - len(lines[y]))
            lines[y][x : x + 1] = [c]
            x += 1
            assert x <= width, "wrote past the last column"
    return "\n".join("".join(line) for line in lines)


sys.stdout.reconfigure(errors="replace", encoding="utf-8")
text = out.decode("utf-8", "replace")
print(screen(text, abs(rows), cols) if rows < 0 else text, end="")
print("\n[exit %d]" % os.waitstatus_to_exitcode(status))
