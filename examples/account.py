#!/usr/bin/env python3
"""A short account of one run, from the document that `cloister run --json` printed. usage: account.py RUN.json"""
import json
import sys
from pathlib import Path


def files_read(plan):
    """The files that the plan's calls were given to read, in the plan's order, each once."""
    lists = [value for step in plan["steps"] for name, value in step["args"].items() if name in ("file", "files")]
    names = [name for value in lists for name in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def account(run):
    plan = run.get("plan") or {"steps": []}
    timing, tokens = run["timing_ms"], run["tokens"]
    read = files_read(plan)
    yield "answer", run["answer"]
    for decision in run["decisions"]:
        yield "decision", f"{decision['step']} {decision['decision']}: {decision['reason']} ({decision['rule']})"
    yield "read", f"{len(read)} files: {', '.join(read)}"
    for released in run["released"]:
        yield "written", f"{released['path']}, {released['bytes']} bytes, {released['sha256']}"
    yield "consent", f"{run['consent']['answer']}, by {run['consent']['by']}" if run.get("consent") else "not needed"
    yield "attestation", run["attestation"]
    yield "time", ", ".join(f"{stage} {ms / 1000:.1f} s" for stage, ms in timing.items())
    computed = tokens["prompt"] + tokens["forced"] + tokens["sampled"]
    rate = f": {1000 * computed / timing['plan']:.0f} a second while planning" if timing["plan"] else ""
    yield "tokens", ", ".join(f"{kind} {count}" for kind, count in tokens.items()) + rate


def main():
    for label, text in account(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))):
        print(f"{label:<12} {text}")


if __name__ == "__main__":
    main()
