"""golden_cli.py LACUNA GOLDEN: the authors' traces and likelihoods through the commands themselves.

convert (F32), then `sample --plan --greedy --ids --json --logits` and `score --ids --json`, both models.
Prints "ok NAME" or "not ok NAME" a case; logits must agree to 1e-4 (m1) and 5e-4 (m2), tokens exactly."""
import array, json, os, subprocess, sys

lacuna, golden = sys.argv[1:3]
LIMIT = {"m1": 1e-4, "m2": 5e-4}


def load(model, case, name, kind):
    a = array.array(kind)
    with open(os.path.join(golden, model, case, name), "rb") as f:
        a.frombytes(f.read())
    if sys.byteorder == "big":
        a.byteswap()
    return list(a)


def run(*args):
    return json.loads(subprocess.run([lacuna, *args], stdout=subprocess.PIPE, check=True).stdout)


def sample(model, gguf, case):
    order, tokens = load(model, case, "sort_idx.i32", "i"), load(model, case, "tokens_rank.i32", "i")
    groups, logits = load(model, case, "groups.i32", "i"), load(model, case, "logits.f32", "f")
    length = sum(groups)
    worst = 0
    for b in range(len(order) // length):
        part = slice(b * length, (b + 1) * length)
        with open("plan.json", "w") as f:
            json.dump({"order": order[part], "groups": groups}, f)
        d = run("sample", "-m", gguf, "--plan", "plan.json", "--greedy", "--ids", "--json", "--logits", "l.f32")
        assert [d["ids"][p] for p in order[part]] == tokens[part] and d["nfe"] == len(groups)
        got = array.array("f", open("l.f32", "rb").read())
        width = len(logits) // len(order)
        want = logits[b * length * width : (b + 1) * length * width]
        assert len(got) == len(want)
        worst = max(worst, max(abs(x - y) for x, y in zip(got, want)))
    assert worst < LIMIT[model], worst


def score(model, gguf, case):
    order, x0, logp = load(model, case, "sort_idx.i32", "i"), load(model, case, "x0.i32", "i"), load(model, case, "logp_per_token.f32", "f")
    total = load(model, case, "logp_per_seq.f32", "f")
    length = len(order)  # one order for the whole batch
    for b in range(len(total)):
        part = slice(b * length, (b + 1) * length)
        with open("ids.json", "w") as f:
            json.dump({"ids": x0[part], "order": order}, f)
        d = run("score", "-m", gguf, "--ids", "ids.json", "--json")
        assert max(abs(x - y) for x, y in zip(d["logprobs"], logp[part])) < LIMIT[model]
        assert abs(d["total"] - total[b]) < LIMIT[model] * length


for model in ("m1", "m2"):
    cases = sorted(os.listdir(os.path.join(golden, model)))
    for case in cases:
        folder = os.path.join(golden, model, case)
        greedy = case.startswith("c_") and not case.startswith(("c_gumbel", "c_mask_in_the_middle"))
        likelihood = case in ("d_random_order", "d_hybrid_order", "d_left_to_right")
        if not os.path.isdir(folder) or not (greedy or likelihood):
            continue
        try:
            gguf = os.path.abspath(model + ".gguf")
            if not os.path.exists(gguf):
                base = os.path.join(golden, model)
                subprocess.run([lacuna, "convert", base + ".safetensors", "--config", base + ".config.json", "-o", gguf, "--type", "f32"], check=True)
            (sample if greedy else score)(model, gguf, case)
            print("ok golden through the commands:", model, case)
        except Exception as e:
            print("not ok golden through the commands:", model, case, repr(e)[:300])
