#!/usr/bin/env python3
"""Tokens per second beside the peers: the same file, the same cores, in turn, and the ratio of each pair.

For each model and test every peer's best configuration is found first by a short probe; then ours and the peer's best run one after the other,
in an order that alternates, each as a process of its own. A pair during which others used the processor is thrown away and run again, up to a
point; what remains disturbed is marked. Writes a table, the figures and a plot into benches/results. Standard library only.
"""
import argparse
import itertools
import json
import os
import random
import statistics
from typing import NamedTuple

import common
import plot
from common import Failed, say

RESAMPLES = 10_000  # of the bootstrap


class Test(NamedTuple):
    """What is timed: `-p`, `-n` and `-d` of llama-bench."""

    name: str
    prompt: int
    gen: int
    depth: int

    def options(self):
        return ["-p", self.prompt, "-n", self.gen, "-d", self.depth]


class Engine(NamedTuple):
    """A program that prints llama-bench's JSON, and the configurations of which its best is taken."""

    name: str
    command: list
    configurations: list  # of option lists
    sweeps: bool = False  # knows --sweep
    environment: dict = {}


TESTS = {t.name: t for t in [
    Test("pp512", 512, 0, 0), Test("tg64", 0, 64, 0), Test("tg32@d4096", 0, 32, 4096),
    Test("pp2", 2, 0, 0), Test("pp4", 4, 0, 0), Test("pp8", 8, 0, 0),
]}


def engines(threads):
    """Ours first, then the peers."""
    cloister = [common.cloister(), "bench"]
    llama = [common.peer() / "llama-bench"]
    each = itertools.product(range(1, threads + 1), ["off", "on"], ["0", "1"])
    return [
        Engine("cloister", cloister, [["-t", threads]], sweeps=True, environment={"RAYON_NUM_THREADS": str(threads)}),
        Engine("llama.cpp", llama, [["-t", t, "-fa", fa, "--repack", repack] for t, fa, repack in each]),
        # Engine("candle", [*cloister, "--engine", "candle"], [["-t", threads]]),
    ]


def measure(engine, model, test, configuration, repetitions, extra=()):
    """One process; its row of llama-bench's JSON."""
    command = [*engine.command, "-m", model, *test.options(), "-r", repetitions, "-o", "json", *configuration, *extra]
    rows = json.loads(common.call(command, engine.environment))
    if len(rows) != 1:
        raise Failed(f"`{engine.name}` printed {len(rows)} rows for `{test.name}`")
    return rows[0]


def rate(row):
    """Tokens per second: the median over a process's repetitions."""
    return statistics.median(row["samples_ts"])


def best(engine, model, test, repetitions):
    """The configuration whose median is highest in a short probe, and all that were probed."""
    if len(engine.configurations) == 1:
        return engine.configurations[0], []
    probed = [(rate(measure(engine, model, test, c, repetitions)), c) for c in engine.configurations]
    for speed, configuration in sorted(probed, reverse=True, key=lambda item: item[0]):
        say(f"    {speed:9.1f}  {' '.join(map(str, configuration))}")
    return max(probed, key=lambda item: item[0])[1], [{"configuration": " ".join(map(str, c)), "tokens_per_second": round(s, 2)} for s, c in probed]


def pairs(ours, peer, model, test, configuration, options):
    """At least `options.pairs` pairs, run in turn; those that were disturbed last, and no more of them than are needed."""
    clean, disturbed = [], []
    while len(clean) < options.pairs and len(clean) + len(disturbed) < options.pairs * options.patience:
        turn = len(clean) + len(disturbed)
        found = {}
        with common.Quiet() as quiet:
            order = [(ours, ours.configurations[0]), (peer, configuration)]
            for engine, chosen in order if turn % 2 == 0 else reversed(order):
                extra = ["--sweep"] if engine.sweeps and test.gen else []
                found[engine.name] = measure(engine, model, test, chosen, options.repetitions, extra)
        mine, theirs = rate(found[ours.name]), rate(found[peer.name])
        pair = {
            "ours": mine, "peer": theirs, "ratio": mine / theirs, "others": round(quiet.others, 3), "steal": round(quiet.steal, 3),
            "bandwidth_percent": found[ours.name].get("bandwidth_percent"), "sweep_bytes_per_second": found[ours.name].get("sweep_bytes_per_second"),
        }
        is_clean = quiet.others + quiet.steal <= options.tolerance
        (clean if is_clean else disturbed).append(pair)
        say(f"    {mine:9.1f} : {theirs:8.1f} = {pair['ratio']:.3f}   load {os.getloadavg()[0]:.2f}, others {quiet.others:.2f}, "
            f"stolen {quiet.steal:.2f}{'' if is_clean else '   disturbed'}")
    kept = sorted(disturbed, key=lambda p: p["others"] + p["steal"])[:options.pairs - len(clean)]
    return clean + kept, len(kept)


def interval(values, low=0.05, high=0.95):
    """Bootstrap interval of the median, 90 %; the same for the same values."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(low * RESAMPLES)], medians[int(high * RESAMPLES) - 1]


def middle(taken, key):
    values = [pair[key] for pair in taken if pair[key] is not None]
    return statistics.median(values) if values else None


def compare(ours, peer, model, test, options):
    say(f"  {test.name} against {peer.name}")
    configuration, probed = best(peer, model, test, options.probe)
    taken, disturbed = pairs(ours, peer, model, test, configuration, options)
    ratios = [pair["ratio"] for pair in taken]
    low, high = interval(ratios)
    return {
        "test": test.name, "peer": peer.name, "configuration": " ".join(map(str, configuration)), "probed": probed,
        "ours": middle(taken, "ours"), "theirs": middle(taken, "peer"), "ratio": statistics.median(ratios),
        "min": min(ratios), "max": max(ratios), "low": low, "high": high,
        "bandwidth_percent": middle(taken, "bandwidth_percent"), "sweep_bytes_per_second": middle(taken, "sweep_bytes_per_second"),
        "disturbed": disturbed, "pairs": taken,
    }


def ready(ours, model, options):
    """Milliseconds until a session can begin, and the most memory held over a prompt of 512; in turn."""
    logits, mine, theirs = common.peer() / "logits", [], {"0": [], "1": []}
    for _ in range(options.pairs):
        mine.append(measure(ours, model, TESTS["pp512"], ours.configurations[0], 1))
        for repack, found in theirs.items():
            found.append(json.loads(common.call([logits, model, "load", "-t", options.threads, "--repack", repack])))
    median = lambda rows, key: statistics.median(row[key] for row in rows)
    return {
        "file_bytes": model.stat().st_size, "sha256": mine[0]["model_sha256"], "type": mine[0]["model_type"], "token_bytes": mine[0]["token_bytes"],
        "load_ms": median(mine, "load_ms"), "peak_rss_bytes": median(mine, "peak_rss_bytes"),
        "peer": {f"--repack {r}": {key: median(rows, key) for key in ("load_ms", "peak_rss_bytes")} for r, rows in theirs.items()},
    }


def table(report):
    """The report as Markdown."""
    m = report["machine"]
    lines = [
        f"{m['cpu']} (family/model/stepping {m['family_model_stepping']}), {m['cores']} cores, {m['memory_gb']} GB; {', '.join(m['instruction_sets'])}.",
        f"Cloister {m['commit']}; llama.cpp {m['llama_cpp']}. {report['options']['pairs']} pairs in turn; ratio: median (least to most; 90 % interval of the median).", "",
        "| model | test | ours t/s | peer t/s | ratio | % of sweep | peer's best |", "|---|---|--:|--:|---|--:|---|",
    ]
    for name, entry in report["models"].items():
        for r in entry["tests"]:
            share = "" if r["bandwidth_percent"] is None else f"{r['bandwidth_percent']:.0f}"
            mark = f" †{r['disturbed']}" if r["disturbed"] else ""
            lines.append(f"| {name} | {r['test']} | {r['ours']:.1f} | {r['theirs']:.1f} | **{r['ratio']:.2f}** ({r['min']:.2f} to {r['max']:.2f}; "
                         f"{r['low']:.2f} to {r['high']:.2f}){mark} | {share} | {r['peer']} {r['configuration']} |")
    if any(r["disturbed"] for entry in report["models"].values() for r in entry["tests"]):
        lines += ["", "† so many of the pairs ran while others used more of the processor than is tolerated: do not quote these."]
    held = {name: entry["ready"] for name, entry in report["models"].items() if "ready" in entry}
    if held:
        lines += ["", "| model | file | ready, ours | ready, llama.cpp (repack 0 / 1) | peak memory, ours | llama.cpp (repack 0 / 1) |", "|---|--:|--:|--:|--:|--:|"]
    for name, r in held.items():
        both = lambda key, unit: " / ".join(f"{p[key] / unit:.0f}" for p in r["peer"].values())
        lines.append(f"| {name} | {r['file_bytes'] / 1e6:.0f} MB | {r['load_ms']:.0f} ms | {both('load_ms', 1)} ms | {r['peak_rss_bytes'] / 1e6:.0f} MB "
                     f"| {both('peak_rss_bytes', 1e6)} MB |")
    return "\n".join(lines) + "\n"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", nargs="+", default=common.MODELS, metavar="NAME|FILE", help="default: %(default)s")
    p.add_argument("--tests", nargs="+", choices=TESTS, default=list(TESTS), help="default: all")
    p.add_argument("--peers", nargs="+", metavar="NAME", help="default: all")
    p.add_argument("--pairs", type=int, default=5, metavar="N", help="default: %(default)s")
    p.add_argument("--repetitions", type=int, default=3, metavar="N", help="of a test in one process, of which the median counts; default: %(default)s")
    p.add_argument("--probe", type=int, default=2, metavar="N", help="repetitions while a peer's best is sought; default: %(default)s")
    p.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="ours; a peer may use fewer; default: %(default)s")
    p.add_argument("--tolerance", type=float, default=0.05, metavar="CORES", help="what others may use during a pair; default: %(default)s")
    p.add_argument("--patience", type=int, default=3, metavar="N", help="at most N times the pairs are run; default: %(default)s")
    p.add_argument("--no-ready", action="store_true", help="leave out time to ready and memory")
    p.add_argument("--name", default="speed", help="of the files in benches/results; default: %(default)s")
    return p.parse_args()


def run():
    chosen = options()
    ours, *peers = engines(chosen.threads)
    peers = [peer for peer in peers if chosen.peers is None or peer.name in chosen.peers]
    report = {"machine": common.machine(), "options": vars(chosen), "models": {}}
    for name in chosen.models:
        model = common.model(name)
        say(f"{model.name}   load {os.getloadavg()[0]:.2f}")
        entry = report["models"][model.stem] = {}
        if not chosen.no_ready:
            entry["ready"] = ready(ours, model, chosen)
        entry["tests"] = [compare(ours, peer, model, TESTS[test], chosen) for test in chosen.tests for peer in peers]
        # After each model, so that what is known is kept if the rest is stopped.
        common.save(chosen.name, "json", {**report, "options": {**report["options"], "models": list(report["models"])}})
        common.save(chosen.name, "md", table(report))
        common.save(chosen.name, "svg", plot.bars(report))
    print(table(report))


if __name__ == "__main__":
    common.main(run)
