"""serve.py LACUNA: `lacuna serve --stdio` as a client sees it.  Prints "ok NAME" or "not ok NAME" a check."""
import json, os, re, subprocess, sys, threading, time, traceback

LACUNA = sys.argv[1]


class Server:
    def __init__(self, *args):
        self.p = subprocess.Popen([LACUNA, "serve", "--stdio", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, *messages):
        for m in messages:
            self.p.stdin.write((m if isinstance(m, bytes) else json.dumps(m).encode()) + b"\n")
        self.p.stdin.flush()

    def call(self, id, method, params=None):
        m = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            m["params"] = params
        self.send(m)

    def read(self):
        line = self.p.stdout.readline()
        assert line, "end of output"
        assert b": " not in line.split(b'"')[0] and line.startswith(b'{"jsonrpc":"2.0",'), line
        return json.loads(line)

    def reply(self, id):
        """The reply to id, and the notifications on the way to it."""
        steps = []
        while True:
            m = self.read()
            if m.get("method") == "step":
                steps.append(m["params"])
            elif m["id"] == id:
                return m, steps

    def end(self):
        out, err = self.p.communicate(timeout=60)
        assert self.p.returncode == 0 and err == b"", (self.p.returncode, err)
        return [json.loads(l) for l in out.splitlines()]


def hole(text="x = ", **more):
    return {"text": text + "\n", "holes": [{"start": len(text), "end": len(text)}], "max_tokens": 4, **more}


LONG = hole(max_tokens=400, holes=[{"start": 4, "end": 4, "min_tokens": 300}], temperature=1.0)


def infill():
    s = Server()
    s.call(1, "infill", hole())
    r, steps = s.reply(1)
    r = r["result"]
    assert r["text"] == "x = " + r["fills"][0] + "\n" and len(steps) == r["nfe"] and all(p["id"] == 1 for p in steps)
    assert abs(sum(x["logprob"] for p in steps for x in p["reveals"]) - r["logprob"]) < 1e-4
    s.call("two", "infill", {"text": "a b c\n", "holes": [{"start": 1, "end": 2, "max_tokens": 2}, {"start": 4, "end": 5, "max_tokens": 3, "one_line": True}],
                             "order": "random", "alpha0": 1, "steps": 2, "rule": "paper", "temperature": 0.7, "top_k": 9, "top_p": 0.9, "min_p": 0.01, "seed": 3, "lang": "c", "syntax": "off", "stream": False})
    r, steps = s.reply("two")
    assert not steps and len(r["result"]["fills"]) == 2 and r["result"]["nfe"] <= 3 and r["result"]["seed"] == 3, r
    s.end()


def candidates():
    s = Server()
    s.call(1, "infill", hole(candidates=3, temperature=1, seed=5))
    r, steps = s.reply(1)
    r = r["result"]
    assert {p["candidate"] for p in steps} >= {0, 1, 2} and r["fills"] == r["candidates"][0]["fills"], r
    assert len(r["candidates"]) == 3 and all("faults" in c for c in r["candidates"])
    for c in r["candidates"]:
        s.call(2, "infill", hole(temperature=1, seed=c["seed"]))
        assert s.reply(2)[0]["result"]["fills"] == c["fills"]
    s.end()


def ways_of_filling():
    s = Server("--cache-type", "f32")
    s.call(1, "infill", hole(max_tokens=20))
    one = s.reply(1)[0]["result"]
    s.call(2, "infill", hole(max_tokens=20, lossless=True, draft=4))
    lossless = s.reply(2)[0]["result"]
    assert one["fills"] == lossless["fills"] and lossless["nfe"] <= one["nfe"], (one, lossless)
    for more in ({"rule": "mdlm"}, {"rule": "bd3", "block": 2}, {"heal": True}):
        s.call(3, "infill", hole(**more))
        assert "result" in s.reply(3)[0]
    s.call(4, "infill", hole(lossless=True, order="confidence", alpha0=1))
    assert s.reply(4)[0]["error"]["code"] == -32602
    s.end()


def obey():
    """What holes ask for, each by its own field."""
    s = Server()
    text = "a b c d e f\n"
    holes = [{"start": 0, "end": 1, "regex": "[0-9]{2}"}, {"start": 2, "end": 3, "shape": "identifier"}, {"start": 4, "end": 5, "begin_with": "q", "end_with": "z"},
             {"start": 6, "end": 7, "ban": ["e", "a"]}, {"start": 8, "end": 9, "choices": ["x", "yy", ""]}, {"start": 10, "end": 11, "max_tokens": 2, "exact": True, "temperature": 0.5}]
    s.call(1, "infill", {"text": text, "holes": holes, "explain": True, "temperature": 1, "seed": 4})
    r, steps = s.reply(1)
    r = r["result"]
    f = r["fills"]
    assert re.fullmatch("[0-9]{2}", f[0]) and re.fullmatch(r"[^\W\d]\w*", f[1]) and f[2][0] == "q" and f[2][-1] == "z" and not set("ea") & set(f[3]), f
    assert r["choices"][0]["hole"] == 4 and f[4] in ("x", "yy", "") and abs(sum(t["prob"] for t in r["choices"][0]["texts"]) - 1) < 1e-6
    assert {x["hole"] for p in steps for x in p["reveals"]} == {0, 1, 2, 3, 5} and any(p["refusals"] for p in steps) and r["context"][0]["start"] == 1, r
    assert r["text"] == "".join(x + y for x, y in zip(f, " " * 5 + "\n"))
    for bad, names in (({"regex": "(a"}, "hole 1: "), ({"regex": "[0-9]{99}"}, "hole 1: no text"), ({"shape": "hat"}, "hat")):
        s.call(2, "infill", {"text": "ab", "holes": [{"start": 0, "end": 0, "choices": ["x", "y"]}, {"start": 1, "end": 1, **bad}]})
        e = s.reply(2)[0]["error"]
        assert e["code"] == -32602 and names in e["message"], e
    s.call(3, "infill", {**hole(), "max_tokens": None, "lengths": [1, 3]})
    r, steps = s.reply(3)
    assert {p["candidate"] for p in steps} == {0, 1} and len(r["result"]["candidates"]) == 2, r
    s.end()


def rank():
    s = Server()
    p = {"text": "if (x <|> 0) y();\n", "holes": [{"start": 6, "end": 9}], "lang": "c"}
    s.call(1, "rank", {**p, "fills": ["<", "> 100 - 3 +", ["=="]]})
    r = s.reply(1)[0]["result"]["items"]
    assert len(r) == 3 and abs(sum(x["prob"] for x in r) - 1) < 1e-6 and r[0]["prob"] > r[1]["prob"] and all(x["tokens"] > 1 for x in r), r
    s.call(2, "rank", {**p, "holes": [{"start": 4, "end": 5}, {"start": 6, "end": 9}], "fills": [["x", None], ["y", None]]})
    assert len(s.reply(2)[0]["result"]["items"]) == 2
    s.call(3, "rank", {**p, "holes": [{"start": 40}], "fills": ["a"]})
    assert s.reply(3)[0]["error"]["code"] == -32602
    s.end()


def syntax():
    """One worker keeps the tree of the last text, whatever comes between."""
    s = Server("--workers", "1")
    text = "def area(w, h):\n    return w * h\n"
    if not os.path.exists(os.path.join(os.path.dirname(LACUNA), "..", "grammars", "python.so")):
        s.call(1, "infill", {"text": text, "holes": [{"node": 30}], "path": "a.py", "syntax": "on"})
        assert "no grammar" in s.reply(1)[0]["error"]["message"]
        return s.end()
    for i, (more, name, starts) in enumerate((("", "a.py", "w * h"), ("# now\n", "a.py", "w * h"), ("x = 1\n", "a.py", "w * h"), ("int n;\n", "a.c", None), ("", "a.py", "w * h"))):
        at = len(more) + text.index("w * h") + 2
        s.call(i, "infill", {"text": more + text, "holes": [{"node": at, "regex": "[a-z]+"}], "path": name, "stream": False})
        r = s.reply(i)[0]["result"]
        assert not starts or r["text"] == (more + text).replace(starts, r["fills"][0]), r
    s.call("no", "infill", {"text": text, "holes": [{"node": 3}], "lang": "prose"})
    assert "no grammar is known" in s.reply("no")[0]["error"]["message"]
    s.call("out", "infill", {"text": text, "holes": [{"node": 300}], "path": "a.py"})
    assert s.reply("out")[0]["error"]["code"] == -32602
    s.call("off", "infill", {"text": text, "holes": [{"node": 30}], "path": "a.py", "syntax": "off"})
    assert "result" in s.reply("off")[0]
    s.end()


def same_as_command():
    s = Server()
    s.call(1, "infill", hole(max_tokens=6))
    r, _ = s.reply(1)
    p = subprocess.run([LACUNA, "infill", "--max-tokens", "6", "--at", "1:5"], input=b"x = \n", stdout=subprocess.PIPE)
    assert p.stdout.decode() == r["result"]["text"]
    s.end()


def score_and_info():
    s = Server()
    s.call(1, "score", {"text": "x = 1\n"})
    s.call(2, "score", {"text": "x = 1\n", "spans": [{"start": 4, "end": 5}], "orders": 3, "no_end": True})
    s.call(3, "info")
    r = {m["id"]: m["result"] for m in (s.read() for _ in range(3))}
    assert r[1]["tokens"][0]["start"] == 0 and "bound" in r[2] and r[2]["tokens"][0]["start"] == 4 and r[3]["vocab"] > 0
    s.end()


def malformed_lines():
    s = Server()
    cases = [(b"nonsense", None, -32700), (b"", None, 0), (b"\xff\xfe", None, -32700), (b'{"jsonrpc":"2.0"', None, -32700), (b"[]", None, -32600),
             (b"{}", None, -32600), (b'{"jsonrpc":"2.0","id":7,"method":"nope"}', 7, -32601), (b'{"jsonrpc":"2.0","id":8,"method":"infill"}', 8, -32602),
             (b'{"jsonrpc":"2.0","id":9,"method":"infill","params":{"text":"a","holes":[{"start":5,"end":5}]}}', 9, -32602),
             (b'{"jsonrpc":"2.0","id":10,"method":"infill","params":{"text":"a","holes":[{"start":0}],"temperature":-1}}', 10, -32602),
             (b'{"jsonrpc":"2.0","id":11,"method":"infill","params":{"text":"a","holes":[{"start":0}],"lang":"perl"}}', 11, -32602),
             (b'{"jsonrpc":"2.0","id":12,"method":"cancel"}', 12, -32602),
             (b'{"jsonrpc":"2.0","id":14,"method":"infill","params":{"text":"a","holes":[{"start":0}],"seed":18446744073709551615}}', 14, -32602),
             (b'{"jsonrpc":"2.0","id":"s","method":"score","params":{"text":"a","seed":9223372036854775808}}', "s", -32602), (b"[" * 100000, None, -32700), (b'{"a":"\x00"}', None, -32700),
             (b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"nope"}\r', "\U0001f600", -32601)]
    for line, id, code in cases:
        s.send(line)
        if code:
            m = s.read()
            assert m["id"] == id and m["error"]["code"] == code and m["error"]["message"], (line[:80], m)
    s.call(9, "infill", {"text": "a", "holes": [{"start": 5, "end": 5}]})
    assert s.read()["error"]["data"]["code"] == "ARG"
    s.send(b'{"jsonrpc":"2.0","method":"infill","params":{}}')  # a notification gets no answer
    s.call(13, "infill", hole())
    r, _ = s.reply(13)
    assert "result" in r
    s.end()


def too_long_line():
    s = Server()
    s.send(b'{"a":"' + b"x" * (65 << 20) + b'"}')
    assert s.read()["error"]["code"] == -32600
    s.call(1, "info")
    assert "result" in s.reply(1)[0]
    s.end()


def cancel():
    s = Server("--workers", "1")
    s.call("run", "infill", LONG)
    assert s.read()["method"] == "step"
    s.call("wait", "infill", LONG)
    s.call("c1", "cancel", {"id": "wait"})
    s.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "run"}})
    s.call("c2", "cancel", {"id": "nobody"})
    got = {}
    while len(got) < 4:
        m = s.read()
        if "id" in m:
            got[m["id"]] = m
    assert got["run"]["error"]["code"] == got["wait"]["error"]["code"] == -32800
    assert got["c1"]["result"] == {"cancelled": True} and got["c2"]["result"] == {"cancelled": False}
    for i in range(20):  # a cancel that comes late hits nobody else
        s.call(i, "infill", hole())
        s.reply(i)
        s.call("c", "cancel", {"id": i})
        assert s.reply("c")[0]["result"] == {"cancelled": False}
    s.end()


def cancel_races():
    """Cancels at random moments: every request has exactly one reply, and those not cancelled have the right one."""
    s = Server("--workers", "3")
    s.call("r", "infill", hole())
    right = s.reply("r")[0]["result"]["text"]
    for i in range(200):
        s.call(i, "infill", hole(stream=False))
        if i % 2:
            time.sleep((i % 7) * 0.0005)
            s.send({"jsonrpc": "2.0", "method": "cancel", "params": {"id": i - i % 3}})
    replies = {}
    while len(replies) < 200:
        m = s.read()
        assert m["id"] not in replies
        replies[m["id"]] = m
    for i, m in replies.items():
        assert m["error"]["code"] == -32800 if "error" in m else m["result"]["text"] == right, m
    assert all("result" in replies[i] for i in range(200) if i not in {j - j % 3 for j in range(1, 200, 2)})
    s.end()


def duplicate_ids():
    s = Server("--workers", "1")
    s.call(1, "infill", LONG)
    s.read()
    s.call(1, "infill", hole())
    while "error" not in (m := s.read()):
        pass
    assert m["id"] == 1 and m["error"]["code"] == -32600
    s.call("c", "cancel", {"id": 1})
    assert s.reply("c")[0]["result"]["cancelled"]
    s.end()


def largest_seed():
    s = Server()
    s.call(1, "infill", hole(seed=str(2**64 - 1), temperature=1))
    r = s.reply(1)[0]["result"]
    p = subprocess.run([LACUNA, "infill", "--max-tokens", "4", "--temp", "1", "--seed", str(2**64 - 1), "--at", "1:5"], input=b"x = \n", stdout=subprocess.PIPE)
    assert r["seed"] == 2**64 - 1 and p.stdout.decode() == r["text"], r
    s.end()


def many_in_flight():
    s = Server("--workers", "4")
    for i in range(100):
        s.call(i, "infill", hole("v%d = " % (i % 5), stream=False))
    seen, text = set(), {}
    while len(seen) < 100:
        m = s.read()
        seen.add(m["id"])
        assert text.setdefault(m["id"] % 5, m["result"]["text"]) == m["result"]["text"]
    s.end()


def slow_reader():
    """A client that does not read for a while loses steps, never replies, and holds up nothing."""
    s = Server("--workers", "2")
    n = 24
    def feed():
        for i in range(n):
            s.call(i, "infill", hole(max_tokens=100, holes=[{"start": 4, "end": 4, "min_tokens": 90}], temperature=1.0, seed=i))
        s.p.stdin.close()
    t = threading.Thread(target=feed)
    t.start()
    time.sleep(2)
    t.join(30)
    assert not t.is_alive(), "the server stopped reading"
    replies, steps = set(), 0
    for line in s.p.stdout:
        m = json.loads(line)
        if "id" in m:
            replies.add(m["id"])
        else:
            steps += 1
    assert replies == set(range(n)) and s.p.wait() == 0, len(replies)


def end_of_input():
    s = Server()
    for i in range(8):
        s.call(i, "infill", hole(stream=False))
    assert sorted(m["id"] for m in s.end() if "result" in m) == list(range(8))
    s = Server("--at-eof", "cancel", "--workers", "1")
    for i in range(3):
        s.call(i, "infill", {**LONG, "stream": False})
    start = time.time()
    assert all(m["error"]["code"] == -32800 for m in s.end()) and time.time() - start < 30
    s = Server()
    assert s.end() == []
    s = Server()
    s.p.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"info"}')  # no line feed
    assert len(s.end()) == 1


def closed_pipe():
    s = Server()
    s.p.stdout.close()
    s.call(1, "infill", hole())
    assert s.p.wait(30) == 0 and s.p.stderr.read() == b""


def usage():
    p = subprocess.run([LACUNA, "serve"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"--stdio" in p.stderr


for test in (infill, candidates, ways_of_filling, obey, rank, syntax, same_as_command, score_and_info, malformed_lines, too_long_line, cancel, cancel_races, duplicate_ids, largest_seed, many_in_flight, slow_reader,
             end_of_input, closed_pipe, usage):
    try:
        test()
        print("ok serve:", test.__name__, flush=True)
    except Exception:
        print("not ok serve:", test.__name__, flush=True)
        traceback.print_exc(file=sys.stdout)
