"""The judge: `policies/examples/judge`, a program that does what the agent does with a call (labels, rules, frozen plan)."""

import json
import subprocess
from pathlib import Path
from typing import IO, Any


class Judge:
    """One running judge. `aliases` are more kinds of values that are sinks, beside those of the shipped settings."""

    def __init__(self, program: Path, *aliases: str, record: IO[str] | None = None) -> None:
        self.process = subprocess.Popen([program, *aliases], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.record = record

    def begin(self, labels: str, plan: str, steps: list[dict[str, Any]]) -> None:
        self._ask({"begin": {"labels": labels, "plan": plan, "steps": steps}})

    def rule(self, call: dict[str, Any], wanted_by: str) -> dict[str, str]:
        """What is decided about a call, by which rule and why."""
        return self._ask({"call": call}, wanted_by=wanted_by)

    def _ask(self, line: dict[str, Any], **noted: str) -> dict[str, str]:
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the judge ended at {line}")
        ruling = json.loads(answer)
        if self.record:
            self.record.write(json.dumps({**line, **noted, "ruling": ruling}, ensure_ascii=False) + "\n")
        return ruling

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
