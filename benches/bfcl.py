"""Function calling through cloister-serve, as the Berkeley Function-Calling Leaderboard (v4) judges it.

    pip install openai tenacity filelock tree-sitter==0.21.3 tree-sitter-java==0.21.0 tree-sitter-javascript==0.21.4
    pip install --no-deps bfcl-eval
    cloister-serve --model FILE --listen 127.0.0.1:8080 &
    python benches/bfcl.py --url http://127.0.0.1:8080/v1 [--from 0] [--count 60] [--sets simple_python,multiple,irrelevance]

The cases, the tools as an OpenAI-compatible server is handed them, the answers and the checker are the package's own code; it is installed without
what it needs for other people's services, so its list of models is replaced by the one entry that the checker asks for. A call is required, except
where none of the functions will do (irrelevance): there the model may choose, and abstaining is right. Prints what was right, of how many, and the
time a case took.
"""
import argparse
import json
import sys
import time
import types

import openai

NAME = "cloister"

models = types.ModuleType("bfcl_eval.constants.model_config")
models.MODEL_CONFIG_MAPPING = {NAME: types.SimpleNamespace(underscore_to_dot=True)}
sys.modules[models.__name__] = models

from bfcl_eval.constants.enums import Language, ModelStyle  # noqa: E402: after its list of models
from bfcl_eval.constants.type_mappings import GORILLA_TO_OPENAPI  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # noqa: E402
from bfcl_eval.model_handler.utils import convert_to_tool  # noqa: E402
from bfcl_eval.utils import load_dataset_entry, load_ground_truth_entry  # noqa: E402


def ask(client, model, case, choice):
    tools = convert_to_tool(case["function"], GORILLA_TO_OPENAPI, ModelStyle.OPENAI_COMPLETIONS)
    answer = client.chat.completions.create(
        model=model, messages=case["question"][0], tools=tools, tool_choice=choice,
        parallel_tool_calls=False, temperature=0, max_tokens=512)
    calls = answer.choices[0].message.tool_calls or []
    return [{call.function.name: json.loads(call.function.arguments)} for call in calls], answer


def run(client, model, name, numbers, verbose):
    shown = load_dataset_entry(name)[numbers]
    judged = load_dataset_entry(name, include_language_specific_hint=False)[numbers]
    answers = [None] * len(shown) if name == "irrelevance" else [a["ground_truth"] for a in load_ground_truth_entry(name)[numbers]]
    right, began = 0, time.monotonic()
    for case, plain, truth in zip(shown, judged, answers, strict=True):
        calls, answer = ask(client, model, case, "required" if truth else "auto")
        verdict = ast_checker(plain["function"], calls, truth, Language.PYTHON, name, NAME) if truth else {"valid": not calls}
        right += verdict["valid"]
        if verbose and not verdict["valid"]:
            print(case["id"], json.dumps(calls), answer.choices[0].message.content, verdict.get("error"), file=sys.stderr)
    print(f"{name}: {right}/{len(shown)}, {(time.monotonic() - began) / max(len(shown), 1):.1f} s a case", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first case, counted from 0")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--sets", default="simple_python,multiple,irrelevance")
    parser.add_argument("-v", action="store_true", help="show what was wrong")
    options = parser.parse_args()
    client = openai.OpenAI(base_url=options.url, api_key="none", timeout=600, max_retries=0)
    model = client.models.list().data[0].id
    for name in options.sets.split(","):
        run(client, model, name, slice(options.first, options.first + options.count), options.v)


if __name__ == "__main__":
    main()
