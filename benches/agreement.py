#!/usr/bin/env python3
"""Whether our logits are llama.cpp's: the same file, the same tokens, position by position; and the perplexity of both.

The text is read in windows, the second half of each is compared: once with many tokens computed at a time, once decoded one by one. As a
yardstick llama.cpp is compared with itself in another configuration. Standard library only; benches/README.md says what the figures mean.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import common
from common import Failed, say

TEXTS = ["ARCHITECTURE.md", "SECURITY.md", "attest/SPEC.md", "README.md", "policies/README.md"]
HEADER = 20  # bytes before the tokens


def ours(model, text, options, step):
    """The process that writes our logits, and where to read them."""
    reader, writer = os.pipe()
    command = [common.cloister(), "bench", "-m", model, "--ppl", text, "-c", options.ctx_size, "--chunks", options.chunks, "--step", step,
               "-o", "json", "--dump-logits", f"/dev/fd/{writer}"]
    process = subprocess.Popen(list(map(str, command)), pass_fds=[writer], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    return process, os.fdopen(reader, "rb")


def logits(model, mode, options, *more):
    command = [common.peer() / "logits", model, mode, "-t", options.threads, *more]
    return subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def header(stream):
    """What precedes the logits, as bytes."""
    begin = stream.read(HEADER)
    size, _, windows = (int.from_bytes(begin[at:at + 4], "little") for at in (8, 12, 16))
    return begin + stream.read(4 * size * windows)


def finish(process, what):
    out = process.stdout.read()
    if process.wait():
        raise Failed(f"{what} failed{': ' + process.stderr.read().strip() if process.stderr else ''}")
    return out


def against_peer(model, text, options, step, peers=None):
    """Our logits against llama.cpp's, of the same file or another; gives also the header, which holds the tokens."""
    mine, stream = ours(model, text, options, step)
    theirs = logits(peers or model, "compare", options)
    with stream, theirs.stdin:
        begin = header(stream)
        try:
            theirs.stdin.write(begin)
            shutil.copyfileobj(stream, theirs.stdin, 1 << 20)
        except BrokenPipeError:
            pass  # it has said why, and its exit code is looked at below
    own = json.loads(finish(mine, "cloister bench"))
    found = json.loads(finish(theirs, "logits"))
    found["ppl_reported"] = own["ppl"]
    return found, begin


def against_itself(model, begin, options):
    """llama.cpp without repacking and flash attention against llama.cpp with both."""
    plain, both = ("--repack", "0", "-fa", "off"), ("--repack", "1", "-fa", "on")
    return between(model, model, begin, options, plain, both)


def between(one, other, begin, options, one_way=(), other_way=()):
    """llama.cpp on one file against llama.cpp on another."""
    plain = logits(one, "write", options, *one_way)
    theirs = logits(other, "compare", options, *other_way)
    plain.stdin.write(begin)
    plain.stdin.close()
    with theirs.stdin:
        shutil.copyfileobj(plain.stdout, theirs.stdin, 1 << 20)
    finish(plain, "logits")
    return json.loads(finish(theirs, "logits"))


def peer_perplexity(model, text, options):
    """What llama-perplexity itself says of the text: its own tokens, its own windows."""
    done = subprocess.run([common.peer() / "llama-perplexity", "-m", model, "-f", text, "-c", str(options.ctx_size), "--chunks", str(options.chunks),
                           "-t", str(options.threads)], capture_output=True, text=True, check=False)
    found = re.search(r"PPL = ([0-9.]+)", done.stdout + done.stderr)
    if done.returncode or not found:
        raise Failed(f"llama-perplexity failed: {done.stderr.strip()[-500:]}")
    return float(found[1])


def compare(model, text, options):
    found = {}
    for name, step in (("batched", options.step), ("one by one", 1)):
        say(f"  {name}")
        found[name], begin = against_peer(model, text, options, step)
    say("  llama.cpp against itself")
    found["llama.cpp, itself"] = against_itself(model, begin, options)
    say("  llama-perplexity")
    return {"llama_perplexity": peer_perplexity(model, text, options), "rows": found}


def written(chosen, folder):
    """The text as a file: the one that was chosen, or the documents of this checkout."""
    path = folder / "text.txt"
    path.write_text(chosen.read_text() if chosen else "\n\n".join((common.ROOT / name).read_text() for name in TEXTS))
    return path


def table(report):
    lines = ["| model | | positions | top-1 % | KLD mean | p99 | max | lead lost | perplexity, ours | llama.cpp, same tokens | llama-perplexity |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, entry in report["models"].items():
        for row, r in entry["rows"].items():
            lines.append(f"| {name} | {row} | {r['positions']} | {100 * r['top1']:.2f} | {r['kld_mean']:.2e} | {r['kld_p99']:.2e} | {r['kld_max']:.2e} | "
                         f"{r['top1_lead_max']:.3f} | {r['ppl']:.4f} | {r['ppl_peer']:.4f} | {entry['llama_perplexity']:.4f} |")
    return "\n".join(lines) + "\n"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", nargs="+", default=common.MODELS, metavar="NAME|FILE", help="default: %(default)s")
    p.add_argument("--text", type=Path, help="default: the documents of this checkout")
    p.add_argument("-c", "--ctx-size", type=int, default=512, metavar="N", help="tokens of a window; default: %(default)s")
    p.add_argument("--chunks", type=int, default=8, metavar="N", help="windows; default: %(default)s, which is 2040 positions")
    p.add_argument("--step", type=int, default=16, metavar="N", help="of ours, tokens computed at a time; default: %(default)s")
    p.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="of llama.cpp; default: %(default)s")
    p.add_argument("--name", default="agreement", help="of the files in benches/results; default: %(default)s")
    return p.parse_args()


def run():
    chosen = options()
    with tempfile.TemporaryDirectory() as scratch:
        text = written(chosen.text, Path(scratch))
        report = {"machine": common.machine(), "ctx_size": chosen.ctx_size, "models": {}}
        for name in chosen.models:
            model = common.model(name)
            say(model.name)
            report["models"][model.stem] = compare(model, text, chosen)
    common.save(chosen.name, "json", report)
    common.save(chosen.name, "md", table(report))
    print(table(report))


if __name__ == "__main__":
    common.main(run)
