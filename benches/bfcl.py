"""Function calling through cloister-serve, as the Berkeley Function-Calling Leaderboard (v4) judges it.

    pip install openai && pip install --no-deps bfcl-eval
    cloister-serve --model FILE --listen 127.0.0.1:8080 &
    python benches/bfcl.py --url http://127.0.0.1:8080/v1 [--count 60] [--sets simple_python,multiple,irrelevance]

The cases, the answers and the checker come from the package; it is installed without what it needs for other people's services, so its list of
models is replaced by the one entry that the checker asks for. A call is required, except where none of the functions will do (irrelevance): there the
model may choose, and abstaining is right. Prints what was right, of how many, and the time a case took.
"""
import argparse
import importlib
import json
import re
import sys
import time
import types
from pathlib import Path

import openai

NAME = "cloister"


def checker():
    """The package's AST checker, and the folder of its data."""
    models = types.ModuleType("bfcl_eval.constants.model_config")
    models.MODEL_CONFIG_MAPPING = {NAME: types.SimpleNamespace(underscore_to_dot=True)}
    sys.modules[models.__name__] = models
    java, js = (types.ModuleType(f"bfcl_eval.eval_checker.ast_eval.type_convertor.{name}_type_converter") for name in ("java", "js"))
    java.java_type_converter = js.js_type_converter = None  # only Python's cases are judged
    sys.modules[java.__name__], sys.modules[js.__name__] = java, js
    module = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
    language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    folder = Path(importlib.import_module("bfcl_eval").__file__).parent / "data"
    return module.ast_checker, language, folder


def types_of_json(schema):
    """Python's names of types as JSON Schema has them, as the package's own converter does it."""
    names = {"dict": "object", "float": "number", "tuple": "array", "list": "array", "any": "string"}
    if isinstance(schema, dict):
        return {key: names.get(value, value) if key == "type" and isinstance(value, str) else types_of_json(value)
                for key, value in schema.items()}
    return [types_of_json(item) for item in schema] if isinstance(schema, list) else schema


def tool(function):
    return {"type": "function", "function": {
        "name": re.sub(r"\.", "_", function["name"]), "description": function["description"],
        "parameters": types_of_json(function["parameters"])}}


def ask(client, model, case, choice):
    answer = client.chat.completions.create(
        model=model, messages=case["question"][0], tools=[tool(f) for f in case["function"]], tool_choice=choice,
        parallel_tool_calls=False, temperature=0, max_tokens=512)
    calls = answer.choices[0].message.tool_calls or []
    return [{call.function.name: json.loads(call.function.arguments)} for call in calls], answer


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(client, model, name, count, verbose):
    judge, language, folder = checker()
    cases = lines(folder / f"BFCL_v4_{name}.json")[:count]
    answers = {}
    if name != "irrelevance":
        answers = {a["id"]: a["ground_truth"] for a in lines(folder / f"possible_answer/BFCL_v4_{name}.json")}
    right, began = 0, time.monotonic()
    for case in cases:
        calls, answer = ask(client, model, case, "required" if answers else "auto")
        if answers:
            verdict = judge(case["function"], calls, answers[case["id"]], language, name, NAME)
        else:
            verdict = {"valid": not calls}
        right += verdict["valid"]
        if verbose and not verdict["valid"]:
            print(case["id"], json.dumps(calls), answer.choices[0].message.content, verdict.get("error"), file=sys.stderr)
    print(f"{name}: {right}/{len(cases)}, {(time.monotonic() - began) / max(len(cases), 1):.1f} s a case", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--sets", default="simple_python,multiple,irrelevance")
    parser.add_argument("-v", action="store_true", help="show what was wrong")
    options = parser.parse_args()
    client = openai.OpenAI(base_url=options.url, api_key="none", timeout=600, max_retries=0)
    model = client.models.list().data[0].id
    for name in options.sets.split(","):
        run(client, model, name, options.count, options.v)


if __name__ == "__main__":
    main()
