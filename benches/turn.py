#!/usr/bin/env python3
"""The agent's turn beside llama-server: a request in, a plan out that is valid by the tools' JSON Schema; the same file, messages and schema, in turn.

The system prompt, which both servers have read before, holds the demo's tools with their schemas and its files; each request differs from all before,
so that its own tokens are read anew. The peer's best configuration is found first by a short probe. Every plan is checked against the schema here.
Beside it: what `cloister plan` takes for the demo's request, and what a prompt costs that a server finds on disk after a start. Writes a table and
the figures into benches/results. Standard library only.
"""
import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import NamedTuple

import common
from common import Failed, say
from run import interval

EXAMPLE = common.ROOT / "examples" / "invoices"
# The headings of the example's workbooks.
COLUMNS = ["Invoice", "Date", "Customer", "Region", "Amount", "VAT", "Status"]
PERIODS, GRAINS, CHARTS = ["Q4", "Q3", "Q2", "Q1"], ["month", "customer", "region"], ["bar", "line", "pie"]
START_SECONDS = 60  # until a server has loaded the model
PLAN_TOKENS = 512  # twice what a plan takes; one that is longer is cut, and so not valid


class Server(NamedTuple):
    """A program that answers /v1/chat/completions, and the configurations of which its best is taken."""

    name: str
    command: list
    configurations: list  # of option lists
    listen: callable  # options for a port

    def run(self, configuration):
        return serving([*self.command, *configuration], self.listen)


class Running(NamedTuple):
    """A server that is up."""

    process: int
    port: int
    ready: float  # seconds until it was

    def ask(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise Failed(f"`{path}` was answered with {answer.status}: {text.decode(errors='replace')[:500]}")
        return text

    def metrics(self):
        """What /metrics of ours tells, by name."""
        lines = self.ask("/metrics").decode().splitlines()
        return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


@contextmanager
def serving(command, listen):
    port = int(common.call([sys.executable, common.ROOT / "examples" / "free_ports.py"]))
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            list(map(str, [*command, *listen(port)])), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Running(process.pid, port, wait(process, port, log) - begun)
        finally:
            process.terminate()
            process.wait()


def wait(process, port, log):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            Running(process.pid, port, 0).ask("/health")
            return time.monotonic()
        except (OSError, Failed):  # not listening, or loading
            time.sleep(0.01)
    log.seek(0)
    raise Failed(f"`{process.args[0]}` did not start:\n{log.read()[-2000:]}")


def servers(model, threads):
    """Ours, then the peer."""
    ours = common.cloister().with_name("cloister-serve")
    peer = [common.peer() / "llama-server", "-m", model, "-c", 4096, "--parallel", 1, "--no-webui"]
    each = itertools.product(["off", "on"], ["--no-repack", "--repack"])
    return (
        Server("cloister-serve", [ours, "--model", model], [[]], lambda port: ["--listen", f"127.0.0.1:{port}"]),
        Server("llama-server", peer, [["-t", threads, "-fa", fa, repack] for fa, repack in each], lambda port: ["--port", port]),
    )


def bare(schema):
    """A schema without the words and marks that are not about its form."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if not (key.startswith("x-") or key == "description" and isinstance(value, str))}
    return [bare(item) for item in schema] if isinstance(schema, list) else schema


def granted(schema, files, places):
    """A function's schema with what may stand in it: granted files, places to write, headings; texts and lists no longer than a plan needs."""
    if isinstance(schema, list):
        return [granted(item, files, places) for item in schema]
    if not isinstance(schema, dict):
        return schema
    names = {"input": files, "movable": files, "output": places, "place": places, "column": COLUMNS}
    offered = names.get(schema.get("x-handle") or schema.get("x-alias"))
    if offered:
        return {"type": "string", "enum": offered}
    found = {key: granted(value, files, places) for key, value in schema.items()}
    if found.get("type") == "array":
        found["maxItems"] = len(files) if found.get("items", {}).get("enum") == files else 2
    if found.get("type") == "string" and "enum" not in found:
        found["maxLength"] = 40
    return found


def schema(functions, places):
    """What a plan may be: one call of one function, every argument given."""
    files = sorted(path.name for path in EXAMPLE.glob("*.xlsx"))
    calls = []
    for function in functions:
        arguments = bare(granted(function["schema"], files, places))
        arguments["required"] = list(arguments["properties"])
        calls.append({
            "type": "object", "additionalProperties": False, "required": ["tool", "args"],
            "properties": {"tool": {"const": function["name"]}, "args": arguments}})
    return {"anyOf": calls}


def system(functions):
    files = sorted(path.name for path in EXAMPLE.glob("*.xlsx"))
    lines = ["You choose the one tool call that does what the person asks, as JSON: {\"tool\": name, \"args\": {…}}. Tools:"]
    for function in functions:
        lines.append(f"{function['name']}: {function['doc']} {json.dumps(bare(function['schema']), separators=(',', ':'))}")
    return "\n".join([*lines, f"Files: {', '.join(files)}", f"Columns: {', '.join(COLUMNS)}"])


def requests():
    """Requests like the demo's, with the place that each names; none comes twice."""
    yield (EXAMPLE / "request.txt").read_text().strip(), "reports/q4-summary.xlsx"
    for number in itertools.count(1):
        for chart, grain, period in itertools.product(CHARTS, GRAINS, PERIODS):
            name = f"{period.lower()}-{grain}-{number}"
            text = f"Create a {period} revenue summary by {grain} from these invoices and save it as reports/{name}.xlsx with a {chart} chart."
            yield text, f"reports/{name}.xlsx"


def body(functions, request, **more):
    text, place = request
    form = {"name": "plan", "schema": schema(functions, [place]), "strict": True}
    return json.dumps({
        "messages": [{"role": "system", "content": system(functions)}, {"role": "user", "content": text}],
        "response_format": {"type": "json_schema", "json_schema": form}, "temperature": 0, "max_tokens": PLAN_TOKENS, **more})


def fits(value, form):
    """Whether a value is of a schema, of the kinds that `schema` makes."""
    if "anyOf" in form:
        return any(fits(value, each) for each in form["anyOf"])
    if "const" in form:
        return value == form["const"]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float), "null": type(None)}
    if not isinstance(value, kinds[form["type"]]) or value not in form.get("enum", [value]):
        return False
    if isinstance(value, bool):  # which Python takes for an integer
        return form["type"] == "boolean"
    if isinstance(value, dict):
        known = form["properties"]
        return set(form["required"]) <= set(value) <= set(known) and all(fits(value[key], known[key]) for key in value)
    if isinstance(value, list):
        return form.get("minItems", 0) <= len(value) <= form.get("maxItems", len(value)) and all(fits(item, form["items"]) for item in value)
    if isinstance(value, str):
        return len(value) <= form.get("maxLength", len(value))
    return value is None or form.get("minimum", value) <= value <= form.get("maximum", value)


def plan(server, functions, request):
    """One turn: seconds until the plan was there and checked, and what it took."""
    asked = body(functions, request)
    begun = time.monotonic()
    answer = json.loads(server.ask("/v1/chat/completions", asked))
    text = answer["choices"][0]["message"]["content"]
    try:
        valid = fits(json.loads(text), json.loads(asked)["response_format"]["json_schema"]["schema"])
    except json.JSONDecodeError:
        valid = False
    seconds = time.monotonic() - begun
    usage = answer["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return {
        "seconds": seconds, "valid": valid, "prompt_tokens": usage["prompt_tokens"], "cached_tokens": cached,
        "tokens": usage["completion_tokens"], "plan": text}


def best(server, functions, asked, repetitions):
    """The configuration whose median is lowest in a short probe, and all that were probed."""
    probed = []
    for configuration in server.configurations:
        with server.run(configuration) as up:
            plan(up, functions, next(asked))
            found = statistics.median(plan(up, functions, next(asked))["seconds"] for _ in range(repetitions))
        probed.append((found, configuration))
        say(f"    {found:7.3f} s  {' '.join(map(str, configuration))}")
    return min(probed, key=lambda item: item[0])[1], [{"configuration": " ".join(map(str, c)), "seconds": round(s, 4)} for s, c in probed]


def counted(up, functions, request):
    """A turn of ours, and how many of its tokens the schema forced and how many the model chose."""
    before = up.metrics()
    turn = plan(up, functions, request)
    after = up.metrics()
    for name in ("forced", "sampled"):
        key = f"cloister_serve_{name}_tokens_total"
        turn[name] = int(after[key] - before[key])
    return turn


def pairs(ours, peer, functions, asked, options):
    """At least `options.pairs` pairs, run in turn; those that were disturbed last, and no more of them than are needed."""
    clean, disturbed = [], []
    while len(clean) < options.pairs and len(clean) + len(disturbed) < options.pairs * options.patience:
        request, turn = next(asked), len(clean) + len(disturbed)
        with common.Quiet(ours.process, peer.process) as quiet:
            if turn % 2 == 0:
                mine, theirs = counted(ours, functions, request), plan(peer, functions, request)
            else:
                theirs, mine = plan(peer, functions, request), counted(ours, functions, request)
        pair = {"request": request[0], "ours": mine, "peer": theirs, "ratio": mine["seconds"] / theirs["seconds"],
                "others": round(quiet.others, 3), "steal": round(quiet.steal, 3)}
        is_clean = quiet.others + quiet.steal <= options.tolerance
        (clean if is_clean else disturbed).append(pair)
        say(f"    {mine['seconds']:7.3f} : {theirs['seconds']:7.3f} s = {pair['ratio']:.3f}   {mine['tokens']} : {theirs['tokens']} tokens, "
            f"others {quiet.others:.2f}, stolen {quiet.steal:.2f}{'' if is_clean else '   disturbed'}")
    kept = sorted(disturbed, key=lambda p: p["others"] + p["steal"])[:options.pairs - len(clean)]
    return clean + kept, len(kept)


def compare(ours, peer, functions, asked, options):
    say("  warm, against llama-server")
    configuration, probed = best(peer, functions, asked, options.probe)
    with ours.run([]) as mine, peer.run(configuration) as theirs:
        for up in (mine, theirs):  # both have read the system prompt before a turn counts
            plan(up, functions, next(asked))
        taken, disturbed = pairs(mine, theirs, functions, asked, options)
    ratios = [pair["ratio"] for pair in taken]
    low, high = interval(ratios)
    return {
        "configuration": " ".join(map(str, configuration)), "probed": probed, "ours": side(taken, "ours"), "theirs": side(taken, "peer"),
        "ratio": statistics.median(ratios), "min": min(ratios), "max": max(ratios), "low": low, "high": high, "disturbed": disturbed, "pairs": taken}


def side(taken, name):
    """One side of all pairs: medians, and how many of its plans were valid."""
    turns = [pair[name] for pair in taken]
    keys = [key for key in turns[0] if key not in ("plan", "valid") and turns[0][key] is not None]
    return {**{key: statistics.median(turn[key] for turn in turns) for key in keys}, "valid": sum(turn["valid"] for turn in turns), "of": len(turns)}


def started(ours, functions, request, folder):
    """The first turn after a start: how long the start took, how long its prompt, and how much of that was there already."""
    with ours.run(["--states", folder]) as up:
        turn = plan(up, functions, request)
        found = up.metrics()
        return {
            "ready": up.ready, "prompt_tokens": turn["prompt_tokens"], "cached_tokens": turn["cached_tokens"],
            "prefill": found["cloister_serve_prefill_seconds_total"], "first_token": found["cloister_serve_first_token_seconds_sum"]}


def kept(ours, functions, asked, options):
    """Starts in pairs: on an empty folder, where the whole prompt is read, then on the same, where the first has left what it read; nothing where it
    leaves nothing. The ratio is of the second's time to its first token to the time in which the first read what the second found."""
    say("  after a start, what was read before kept on disk")
    taken = []
    for _ in range(options.pairs):
        with tempfile.TemporaryDirectory() as folder:
            with common.Quiet() as quiet:
                first, second = (started(ours, functions, next(asked), folder) for _ in range(2))
        if not second["cached_tokens"]:
            say("    this binary keeps nothing")
            return None
        saved = first["prefill"] * second["cached_tokens"] / first["prompt_tokens"]
        taken.append({"first": first, "second": second, "saved": saved, "ratio": second["first_token"] / saved, "others": round(quiet.others, 3)})
        say(f"    {second['first_token'] * 1e3:7.1f} ms : {saved * 1e3:7.1f} ms = {taken[-1]['ratio']:.3f}   others {quiet.others:.2f}")
    ratios = [pair["ratio"] for pair in taken]
    return {"ratio": statistics.median(ratios), "min": min(ratios), "max": max(ratios), "pairs": taken}


def agent(home, model, options):
    """What `cloister plan` says that the demo's request took, each time a process of its own."""
    say("  cloister plan")
    command = [common.cloister(), "--home", home, "--json", "plan", "--manifest", EXAMPLE / "manifest.json", (EXAMPLE / "request.txt").read_text().strip()]
    told = [json.loads(common.call(command)) for _ in range(options.pairs)]
    middle = lambda key, name: statistics.median(each[key][name] for each in told)
    return {"milliseconds": {name: middle("timing_ms", name) for name in ("load", "plan", "total")},
            "tokens": {name: middle("tokens", name) for name in ("prompt", "reused", "forced", "sampled")}}


def table(report):
    """The report as Markdown."""
    m, warm, own = report["machine"], report["warm"], report["agent"]
    ours, theirs = warm["ours"], warm["theirs"]
    mark = f" †{warm['disturbed']}" if warm["disturbed"] else ""
    lines = [
        f"{m['cpu']} (family/model/stepping {m['family_model_stepping']}), {m['cores']} cores, {m['memory_gb']} GB; {', '.join(m['instruction_sets'])}.",
        f"Cloister {m['commit']}; llama.cpp {m['llama_cpp']}. {report['model']}. {len(warm['pairs'])} pairs in turn; ratio: median (least to most; 90 % interval of the median).", "",
        "| request to validated plan, warm | seconds | ratio | prompt, of it known | written | valid |", "|---|--:|---|--:|--:|--:|",
        f"| cloister-serve | {ours['seconds']:.3f} | **{warm['ratio']:.2f}** ({warm['min']:.2f} to {warm['max']:.2f}; {warm['low']:.2f} to {warm['high']:.2f}){mark} "
        f"| {ours['prompt_tokens']:.0f}, {ours['cached_tokens']:.0f} | {ours['tokens']:.0f}: {ours['forced']:.0f} forced, {ours['sampled']:.0f} chosen | {ours['valid']}/{ours['of']} |",
        f"| llama-server {warm['configuration']} | {theirs['seconds']:.3f} | | {theirs['prompt_tokens']:.0f}, {theirs.get('cached_tokens', 0):.0f} | {theirs['tokens']:.0f} | {theirs['valid']}/{theirs['of']} |",
    ]
    if warm["disturbed"]:
        lines += ["", "† so many of the pairs ran while others used more of the processor than is tolerated: do not quote these."]
    lines += ["", "| `cloister plan`, the demo's request | load ms | plan ms | in all ms | tokens read | forced | chosen |", "|---|--:|--:|--:|--:|--:|--:|",
              f"| a process of its own | {own['milliseconds']['load']:.0f} | {own['milliseconds']['plan']:.0f} | {own['milliseconds']['total']:.0f} "
              f"| {own['tokens']['prompt']:.0f} | {own['tokens']['forced']:.0f} | {own['tokens']['sampled']:.0f} |"]
    if report["kept"]:
        k = report["kept"]
        middle = lambda *keys: statistics.median(pair[keys[0]] if len(keys) == 1 else pair[keys[0]][keys[1]] for pair in k["pairs"])
        lines += ["", "| after a start | first token ms | prompt, of it on disk | the prefill it saves ms | ratio |", "|---|--:|--:|--:|---|",
                  f"| nothing on disk | {middle('first', 'first_token') * 1e3:.0f} | {middle('first', 'prompt_tokens'):.0f}, 0 | | |",
                  f"| what the first read is on disk | {middle('second', 'first_token') * 1e3:.0f} | {middle('second', 'prompt_tokens'):.0f}, {middle('second', 'cached_tokens'):.0f} "
                  f"| {middle('saved') * 1e3:.0f} | **{k['ratio']:.2f}** ({k['min']:.2f} to {k['max']:.2f}) |"]
    else:
        lines += ["", "After a start the system prompt is read anew: this binary keeps nothing of it on disk."]
    return "\n".join(lines) + "\n"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="qwen2.5-coder-0.5b", metavar="NAME|FILE", help="default: %(default)s")
    p.add_argument("--pairs", type=int, default=7, metavar="N", help="default: %(default)s")
    p.add_argument("--probe", type=int, default=2, metavar="N", help="turns for each configuration of the peer; default: %(default)s")
    p.add_argument("-t", "--threads", type=int, default=os.cpu_count(), metavar="N", help="of the peer; default: %(default)s")
    p.add_argument("--tolerance", type=float, default=0.05, metavar="CORES", help="what others may use of the processor; default: %(default)s")
    p.add_argument("--patience", type=int, default=3, metavar="N", help="at most N times as many pairs; default: %(default)s")
    p.add_argument("--name", default="turn", help="of the files in benches/results; default: %(default)s")
    return p.parse_args()


def run():
    chosen = options()
    model = common.model(chosen.model)
    ours, peer = servers(model, chosen.threads)
    asked = requests()
    with tempfile.TemporaryDirectory() as home:
        common.call([common.cloister(), "--home", home, "init", "--unattended-agents", "invoice-helper"])
        common.call([common.cloister(), "--home", home, "models", "import", model, "--name", model.stem])
        packages = json.loads(common.call([common.cloister(), "--home", home, "--json", "tools", "list"]))
        functions = [function for package in packages for function in package["functions"]]
        own = agent(home, model, chosen)
    report = {
        "machine": common.machine(), "model": model.stem, "options": vars(chosen), "agent": own,
        "warm": compare(ours, peer, functions, asked, chosen), "kept": kept(ours, functions, asked, chosen)}
    common.save(chosen.name, "json", report)
    common.save(chosen.name, "md", table(report))
    print(table(report))


if __name__ == "__main__":
    common.main(run)
