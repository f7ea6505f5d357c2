#!/usr/bin/env python3
"""Whether every tensor type, architecture and way to turn heads gives llama.cpp's logits and perplexity, on files that this script makes or fetches.

Installs `gguf` and numpy into an environment of its own in the cache. benches/README.md says what the rows and figures mean.
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Callable, NamedTuple

import common
from common import Failed, say

REQUIREMENTS = common.ROOT / "benches" / "requirements.txt"
PYTHON = common.CACHE / "benches" / "bin" / "python"


def environment():
    """Go on with an interpreter that has the packages of requirements.txt."""
    if Path(sys.prefix) == PYTHON.parent.parent:
        return
    installed = PYTHON.parent.parent / "requirements.txt"
    if not installed.is_file() or installed.read_text() != REQUIREMENTS.read_text():
        say(f"installing {', '.join(REQUIREMENTS.read_text().split())}")
        common.call([sys.executable, "-m", "venv", "--clear", PYTHON.parent.parent])
        common.call([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])
        installed.write_text(REQUIREMENTS.read_text())
    os.execv(PYTHON, [PYTHON, *sys.argv])


if __name__ == "__main__":
    try:
        environment()
    except Failed as error:
        sys.exit(f"error: {error}")

import agreement
import made
from made import Tiny

SIMPLE = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]  # what the package quantizes
SUPER = ["Q4_K", "Q5_K", "Q6_K"]  # what llama-quantize is needed for: 256 weights a block
MADE_OF = {"simple": "smollm2", "super": "qwen2.5-coder-1.5b"}  # the small one's rows are no multiple of 256
UNROUNDED = ["qwen2.5-coder-0.5b", "gemma3-270m"]  # architectures with activations that nobody rounds
PUBLISHED = ["smollm2", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "gemma3-270m"]
DEEP = ["smollm2", "qwen2.5-coder-0.5b", "gemma3-270m"]

ORIGINAL = {"rope.scaling.original_context_length": 768}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, **ORIGINAL}
LINEAR = {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
LONG = ("rope_factors_long", "rope_factors_short")
PHI = {"rope.dimension_count": 24, "attention.sliding_window": 0}
GEMMA = {"attention.sliding_window": 64, "rope.freq_base": 1e6}
TINY = {
    "llama": Tiny("llama"),
    "llama, linear": Tiny("llama", LINEAR),
    "llama, a factor and no type": Tiny("llama", {"rope.scaling.factor": 4.0}),
    "llama, a factor and type none": Tiny("llama", {"rope.scaling.type": "none"}, usual={"rope.scaling.factor": 4.0}),
    "llama, Llama 3's factors": Tiny("llama", factors=("rope_freqs",)),
    "llama, YaRN": Tiny("llama", YARN),
    "llama, longrope": Tiny("llama", {"rope.scaling.type": "longrope", **ORIGINAL}, LONG),
    "qwen2": Tiny("qwen2"),
    "qwen2, YaRN": Tiny("qwen2", {**YARN, "rope.scaling.attn_factor": 0.9}),
    "qwen3": Tiny("qwen3", head=64),
    "qwen3, YaRN": Tiny("qwen3", YARN, head=64),
    "gemma3": Tiny("gemma3", GEMMA, layers=7, head=64),
    "gemma3, pattern of 2": Tiny("gemma3", {"attention.sliding_window_pattern": 2}, usual=GEMMA, head=64),
    "gemma3, linear": Tiny("gemma3", LINEAR, usual=GEMMA, layers=7, head=64),
    "phi3": Tiny("phi3", usual=PHI),
    "phi3, short factors": Tiny("phi3", {"rope.scaling.attn_factor": 1.19}, LONG, PHI),
    "phi3, long factors": Tiny("phi3", {"rope.scaling.attn_factor": 1.19, **ORIGINAL}, LONG, PHI),
    "phi3, YaRN": Tiny("phi3", YARN, usual=PHI),
}
DEEP_TINY = ["llama, YaRN", "gemma3, linear", "phi3, long factors"]


class Row(NamedTuple):
    """One line of a table: how its file is made in a folder, and what its figures are compared with."""

    name: str
    make: Callable
    windows: tuple  # (tokens, how many)
    judge: Callable
    # Of the same weights in f32, or as one would see them who ignores what the row is about.
    other: Callable | None = None


def rows():
    for name in PUBLISHED:
        yield Row(f"as published: {name}", lambda _, name=name: common.model(name), (512, 4), perplexities)
    for kind, name in [(kind, MADE_OF["simple"]) for kind in SIMPLE] + [("F16", name) for name in UNROUNDED]:
        yield Row(f"type {kind}: {name}", lambda folder, kind=kind, name=name: simple(folder, kind, name), (512, 4), perplexities)
    for kind in SUPER:
        yield Row(f"type {kind}: {MADE_OF['super']}", lambda folder, kind=kind: quantized(folder, common.model(MADE_OF["super"]), kind), (512, 2), perplexities)
    for name in DEEP:
        yield Row(f"to 8192: {name}", lambda _, name=name: common.model(name), (8192, 1), perplexities)
    for kind in SIMPLE + SUPER:
        yield Row(f"type {kind}: random llama", lambda folder, kind=kind: quantized(folder, tiny(folder, TINY["llama"]), kind), (1024, 2), exactness, exact)
    for name, model in TINY.items():
        yield random(f"random {name}", model, (1024, 2))
    for name in DEEP_TINY:
        yield random(f"to 8192: random {name}", deepened(TINY[name]), (8192, 1))._replace(other=None)  # it was shown above, and takes its time


def random(name, model, windows):
    ignored = (lambda folder, _: tiny(folder, model.without())) if model.keys or model.factors else None
    return Row(name, lambda folder: tiny(folder, model), windows, sameness, ignored)


def deepened(model):
    """Trained for 4096 positions, stretched to 8192."""
    stretched = {key: 4096 if key.endswith("original_context_length") else value for key, value in model.keys.items()}
    return made.dataclasses.replace(model, keys=stretched, context=8192)


def simple(folder, kind, name):
    path = folder / f"{kind}.gguf"
    made.requantized(common.model(name), path, getattr(made.Type, kind))
    return path


def tiny(folder, model):
    path = folder / f"random-{len(list(folder.iterdir()))}.gguf"
    made.random(model, path)
    return path


def quantized(folder, source, kind):
    """By llama-quantize, all matrices alike."""
    path = folder / f"{source.stem}-{kind}.gguf"
    common.call([common.peer() / "llama-quantize", "--allow-requantize", "--pure", source, path, kind, os.cpu_count()])
    return path


def exact(folder, path):
    """The same weights in f32."""
    target = folder / "exact.gguf"
    made.requantized(path, target, made.Type.F32)
    return target


def measure(row, text, chosen):
    chosen.ctx_size, chosen.chunks = row.windows
    with tempfile.TemporaryDirectory(dir=common.CACHE) as folder:
        path = row.make(Path(folder))
        found, begin = agreement.against_peer(path, text, chosen, chosen.step)
        if row.other:
            other = row.other(Path(folder), path)
            found["other"], _ = agreement.against_peer(path, text, chosen, chosen.step, other)
            found["peer_other"] = agreement.between(path, other, begin, chosen)
    found["agrees"] = row.judge(found)
    return found


def perplexities(found):
    """Within one per cent of each other."""
    return abs(found["ppl"] / found["ppl_peer"] - 1) <= 0.01


def sameness(found):
    """Of exact weights: the same choices, and next to the same probabilities."""
    return found["top1"] >= 0.99 and found["kld_mean"] <= 1e-3


def exactness(found):
    """No further from the exact weights than llama.cpp is, but for chance."""
    return found["other"]["kld_mean"] <= max(1.2 * found["peer_other"]["kld_mean"], 1e-4)


def table(report):
    lines = ["| file | positions | perplexity, ours | llama.cpp | ratio | top-1 % | KLD mean | KLD max | largest difference | other, ours | other, llama.cpp |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, r in report["rows"].items():
        other = [f"{r[key]['kld_mean']:.1e}" if key in r else "" for key in ("other", "peer_other")]
        lines.append(f"| {name}{'' if r['agrees'] else ' ✗'} | {r['positions']} | {r['ppl']:.4f} | {r['ppl_peer']:.4f} | {r['ppl'] / r['ppl_peer']:.5f} | "
                     f"{100 * r['top1']:.2f} | {r['kld_mean']:.1e} | {r['kld_max']:.1e} | {r['logprob_distance_max']:.3f} | {' | '.join(other)} |")
    return "\n".join(lines) + "\n"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="rows whose name holds one of these, such as `random` or `Q4_K`")
    p.add_argument("--text", type=Path, help="default: the documents of this checkout and the sources of models/src")
    p.add_argument("--step", type=int, default=64, metavar="N", help="of ours, tokens computed at a time; default: %(default)s")
    p.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="of llama.cpp; default: %(default)s")
    p.add_argument("--name", default="kinds", help="of the files in benches/results; default: %(default)s")
    return p.parse_args()


def run():
    chosen = options()
    wanted = [row for row in rows() if any(word in row.name for word in chosen.only)]
    if not wanted:
        raise Failed(f"no row's name holds any of {chosen.only}")
    report = {"machine": common.machine(), "rows": {}}
    with tempfile.TemporaryDirectory() as scratch:
        text = agreement.written(chosen.text, Path(scratch))
        if not chosen.text:  # the documents are not long enough for two windows of 8192
            sources = sorted((common.ROOT / "models" / "src").rglob("*.rs"))
            text.write_text(text.read_text() + "".join(path.read_text() for path in sources))
        for row in wanted:
            say(row.name)
            report["rows"][row.name] = measure(row, text, chosen)
            say(table({"rows": {row.name: report["rows"][row.name]}}).splitlines()[-1])
    common.save(chosen.name, "json", report)
    common.save(chosen.name, "md", table(report))
    print(table(report))
    wrong = [name for name, found in report["rows"].items() if not found["agrees"]]
    if wrong:
        raise Failed(f"no agreement: {', '.join(wrong)}")


if __name__ == "__main__":
    common.main(run)
