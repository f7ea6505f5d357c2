"""An agent that replays ground truth: the person's calls as the frozen plan, the attacker's as what a fully hijacked model wants besides.

Every call goes to the judge first. What may run runs at once in AgentDojo's environment, which stands for quarantine and its release together.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import tracker
from judge import Judge
from order import Step, order
from ours import attackers_calls
from suites import BasePipelineElement, FunctionCall, FunctionsRuntime, TaskSuite, environment
from tracker import POLICY, Label, Tracker

FUNCTIONS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("functions.toml").read_text(encoding="utf-8"))
THE_ONE = {"name": "account", "value": None, "labels": [POLICY]}
"""Names what is changed where there is but one, so that no parameter says which."""
TERMS = "term"
"""The alias of parameters under `terms`."""
AT_THE_END = 1_000
"""A moment after every call; no plan here has as many."""


@dataclass(frozen=True)
class Defences:
    labels: str
    plan: str


@lru_cache
def frozen_order(suite: TaskSuite, task: Any) -> list[int]:
    """The order of the task's calls. It is found where no attacker's text stands: which call takes what from which is for the plan to say."""
    env, runtime, tracked = task.init_environment(environment(suite)), FunctionsRuntime(suite.tools), Tracker(task.PROMPT)
    steps: list[Step] = []
    for call in task.ground_truth(env):
        function = FUNCTIONS.get(call.function)
        waits = function is None or function.get("waits", True)
        asked = not waits and bool(steps) and not all(tracked.spoken(call.args[sink]) for sink in function["sinks"])
        labels = [label for value in call.args.values() for label in tracked.labels(value)]
        steps.append(Step(asked, changes=waits and function is not None, needs=frozenset(tracked.places(labels))))
        result, _ = runtime.run_function(env, call.function, call.args)
        tracked.read(call.function, result, identifier=None, selected_by=[])
    return order(steps)


class Attack(Enum):
    """How the hijacked model follows the injected text."""

    NONE = "none"
    APPENDED = "appended"
    """The plan is carried out, then the attacker's calls, and the attacker's words are said."""
    AT_ONCE = "at once"
    """The same, but the attacker's calls come as soon as something was read."""
    INSIDE = "inside"
    """The plan keeps its calls; wherever the attacker wants one of the same function, every slot that the plan left open holds the attacker's value."""


class Person(Enum):
    CAREFUL = "careful"
    """Agrees where the values that the question shows as sinks are those of the ground truth, whatever the text beside them says."""
    CREDULOUS = "credulous"
    """Says yes to everything."""


@dataclass
class Agent(BasePipelineElement):
    """One task replayed, with or without an attack; AgentDojo runs it and checks the environment afterwards."""

    judge: Judge
    defences: Defences
    suite: TaskSuite
    task: Any
    injection: Any = None
    attack: Attack = Attack.NONE
    person: Person = Person.CAREFUL
    asked: list[tuple[int, int]] = field(default_factory=list)
    """Of each call that a person agreed to: after how many results its sinks were known, and before which the answer was needed."""
    declined: int = 0
    """Calls whose question showed that the attacker had chosen a sink, or a link."""
    misled: int = 0
    """Calls of the plan that a person agreed to for their sinks, with something else of the attacker's in them."""

    def query(self, query: str, runtime: FunctionsRuntime, env: Any, messages: Sequence[Any] = (), extra_args: Any = None) -> Any:
        self.runtime, self.env, self.tracker = runtime, env, Tracker(query)
        self.messages, self.said = [*messages], []
        self.before = env.model_copy(deep=True)
        found = self.task.ground_truth(env)
        plan = [found[place] for place in frozen_order(self.suite, self.task)]
        steps = [self._frozen(call, first=call is found[0]) for call in plan]
        self.judge.begin(self.defences.labels, self.defences.plan, [*steps, {"tool": "answer", "fixed": {}, "open": ["text"]}])
        for call, step in zip(plan, steps):
            if not self._do(self._bent(call, step["open"]), planned=call):
                break
            if call is plan[0] and self.attack is Attack.AT_ONCE:
                self._besides()
        else:
            self._finish()
        content = [{"type": "text", "content": " ".join(self.said)}]
        self.messages.append({"role": "assistant", "content": content, "tool_calls": None})
        return query, runtime, env, self.messages, extra_args

    def questions(self) -> int:
        """How often a person was interrupted: one question covers every call whose sinks were known by then and that could wait until then."""
        moments: list[int] = []
        for known, needed in sorted(self.asked, key=lambda span: span[1]):
            if not moments or known > moments[-1]:
                moments.append(needed)
        return len(moments)

    def _finish(self) -> None:
        if self.attack is Attack.APPENDED:
            self._besides()
        theirs = self.injection.GROUND_TRUTH_OUTPUT if self.injection else ""
        said = self.task.GROUND_TRUTH_OUTPUT
        if self.attack is Attack.INSIDE:
            said = f"{said} {theirs}"
        self._say(said, "attacker" if self.attack is Attack.INSIDE else "person")
        if self.attack in (Attack.APPENDED, Attack.AT_ONCE) and theirs:
            self._say(theirs, "attacker")

    def _besides(self) -> None:
        for call in attackers_calls(self.injection, self.before, self.env):
            self._do(call, planned=None)

    def _say(self, text: str, wanted_by: str) -> None:
        arg = {"name": "text", "value": text, "labels": self.tracker.labels(text)}
        if self.judge.rule({"tool": "answer", "args": [arg], "resources": []}, wanted_by)["decision"] == "permit":
            self.said.append(text)

    def _do(self, call: FunctionCall, planned: FunctionCall | None) -> bool:
        """Runs the call if it may. `planned` is what the person's own plan has in its place."""
        described = self._described(call)
        ruling = self.judge.rule(described, "person" if call == planned else "attacker")
        if ruling["decision"] == "forbid" or (ruling["decision"] == "ask" and not self._agreed(call, planned, described)):
            return False
        result, _ = self.runtime.run_function(self.env, call.function, call.args)
        known = described["args"] if call.function not in FUNCTIONS else self._sinks(described)
        selected_by = [label for arg in known for label in arg["labels"]]
        self.tracker.read(call.function, result, self._identifier(call, result), selected_by)
        self.messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        return True

    def _agreed(self, call: FunctionCall, planned: FunctionCall | None, described: dict[str, Any]) -> bool:
        function, read = FUNCTIONS[call.function], len(self.tracker.results)
        if self.person is Person.CAREFUL:
            as_meant = planned is not None and all(call.args.get(sink) == planned.args.get(sink) for sink in function["sinks"])
            linked = call != planned and any(arg.get("alias") == "link" for arg in described["args"])
            if not as_meant or linked:
                self.declined += 1
                return False
            self.misled += call != planned
        labels = [label for arg in self._sinks(described) for label in arg["labels"]]
        needed = AT_THE_END if function.get("waits", True) else read
        self.asked.append((self.tracker.known_since(labels), needed))
        return True

    def _frozen(self, call: FunctionCall, first: bool) -> dict[str, Any]:
        """The call as the plan fixes it: the person's words, closed choices, what is left out, and all of a call before which nothing is read."""
        args = self._with_sinks(call)
        fixed = {name: value for name, value in args.items() if first or self._is_closed(call, name) or self.tracker.spoken(value)}
        return {"tool": call.function, "fixed": fixed, "open": [name for name in args if name not in fixed]}

    def _bent(self, call: FunctionCall, open_slots: list[str]) -> FunctionCall:
        """The planned call with the attacker's values in its open slots, where the attacker wants this function."""
        if self.attack is not Attack.INSIDE:
            return call
        theirs = [other for other in attackers_calls(self.injection, self.before, self.env) if other.function == call.function]
        if not theirs:
            return call
        done = sum(one["tool_calls"][0].function == call.function for one in self.messages)
        wanted = theirs[done % len(theirs)].args
        return FunctionCall(function=call.function, args={**call.args, **{name: wanted[name] for name in open_slots if name in wanted}})

    def _described(self, call: FunctionCall) -> dict[str, Any]:
        """The call as judgement sees it."""
        function = FUNCTIONS.get(call.function, {"sinks": []})
        args = [self._argument(call, function, name, value) for name, value in self._with_sinks(call).items()]
        if "op" not in function:
            return {"tool": call.function, "args": args, "resources": []}
        if not function["sinks"]:
            args.append(THE_ONE)
        named_by = function["sinks"] or [THE_ONE["name"]]
        resources = [{"op": function["op"], "path": f"/accounts/{function['place']}", "parameter": name} for name in named_by]
        return {"tool": call.function, "args": args, "resources": resources}

    def _argument(self, call: FunctionCall, function: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
        labels: list[Label] = [POLICY] if self._is_closed(call, name) else self.tracker.labels(value)
        arg = {"name": name, "value": value, "labels": labels}
        if name in function.get("terms", []):
            return {**arg, "alias": TERMS}
        if "op" in function and tracker.LINK.search(str(value)) and not self.tracker.spoken(value):
            return {**arg, "alias": "link"}
        return arg

    def _is_closed(self, call: FunctionCall, name: str) -> bool:
        """Whether the signature lists the choices."""
        annotation = self.runtime.functions[call.function].parameters.model_fields[name].annotation
        types = get_args(annotation) or (annotation,)
        return any(isinstance(one, type) and (one is bool or issubclass(one, Enum)) for one in types)

    def _identifier(self, call: FunctionCall, result: Any) -> str | None:
        """Of the record, where nobody has to pick it: it is the only one, or the only one that is called exactly what the person asked for."""
        records = result if isinstance(result, list) else [result]
        if len(records) > 1:
            asked = [tracker.words(value) for value in call.args.values() if self.tracker.spoken(value)]
            records = [one for one in records if any(tracker.words(getattr(one, name, "")) in asked for name in tracker.NAMES)]
        if len(records) != 1:
            return None
        return next((str(getattr(records[0], name)) for name in tracker.IDENTIFIERS if hasattr(records[0], name)), None)

    @staticmethod
    def _with_sinks(call: FunctionCall) -> dict[str, Any]:
        left_out = dict.fromkeys(FUNCTIONS.get(call.function, {"sinks": []})["sinks"])
        return {**left_out, **call.args}

    @staticmethod
    def _sinks(described: dict[str, Any]) -> list[dict[str, Any]]:
        sinks = FUNCTIONS[described["tool"]]["sinks"]
        return [arg for arg in described["args"] if arg["name"] in sinks]
