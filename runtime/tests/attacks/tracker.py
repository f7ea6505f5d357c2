"""Where the values of a replayed call come from. The labels are joined and judged in Rust; this only says which parts a value has.

A value is looked for: in the person's words; then among the identifiers of records that a tool gave alone; then in what tools gave so far. What is
found nowhere was made by whoever reads, from everything that was read. Words count without case and punctuation, and only whole ones.
"""

import re
from dataclasses import dataclass
from typing import Any

Label = dict[str, Any]

PERSON: Label = {"integrity": "person"}
POLICY: Label = {"integrity": "policy"}
"""What the planner chose from the request and the signature alone, before anything was read."""

WORD = re.compile(r"[^\W_]+")
LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
IDENTIFIERS = ("id", "id_")
"""Fields of records that the account's own system fills: no text of a document stands there."""
NAMES = ("filename", "title")
"""Fields by which a person calls a record."""


def data(source: str) -> Label:
    return {"integrity": "data", "sources": [source]}


def tool(source: str) -> Label:
    return {"integrity": "tool", "sources": [source]}


def words(value: Any) -> str:
    """The words of a value, between spaces."""
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return f" {' '.join(WORD.findall(text.lower()))} "


def within(part: str, whole: str) -> bool:
    """Whether the words stand in the other ones, in their order and together. No words stand nowhere."""
    return bool(part.strip()) and part in whole


def members(value: Any) -> list[Any]:
    """The single values that a list or a record is made of; none where nothing was given."""
    if isinstance(value, (list, tuple)):
        return [one for item in value for one in members(item)]
    if isinstance(value, dict):
        return members(list(value.values()))
    return [] if value in (None, "") else [value]


def texts(value: Any) -> list[str]:
    """All that stands in what a tool gave, the names of its entries too."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts(list(item))]
    return texts(value.model_dump()) if hasattr(value, "model_dump") else [str(value)]


@dataclass
class Result:
    """What one call gave back."""

    source: str
    words: str
    identifier: str | None
    """Of the record that nobody had to pick, so that no words in a document could sway the pick."""
    selected_by: list[Label]
    """Labels of the arguments that say which record it is."""


class Tracker:
    """What the person said and what was read since."""

    def __init__(self, prompt: str) -> None:
        self.prompt = words(prompt)
        self.results: list[Result] = []

    def read(self, source: str, result: Any, identifier: str | None, selected_by: list[Label]) -> None:
        found = words(" ".join(texts(result)))
        self.results.append(Result(f"{source} ({len(self.results) + 1})", found, identifier, selected_by))

    def spoken(self, value: Any) -> bool:
        """Whether the person said all of it."""
        return all(within(words(member), self.prompt) for member in members(value))

    def labels(self, value: Any) -> list[Label]:
        """The labels of the value's parts."""
        return [label for member in members(value) for label in self._labels(member)] or [POLICY]

    def _labels(self, value: Any) -> list[Label]:
        if self.spoken(value):
            return [PERSON]
        for result in self.results:
            if result.identifier == str(value):
                return [tool(result.source), *result.selected_by]
        found = [result for result in self.results if within(words(value), result.words)]
        return [data(result.source) for result in found or self.results] or [POLICY]

    def places(self, labels: list[Label]) -> set[int]:
        """Of the results, from 0, that a value with these labels comes from."""
        sources = {source for label in labels for source in label.get("sources", [])}
        return {place for place, result in enumerate(self.results) if result.source in sources}

    def known_since(self, labels: list[Label]) -> int:
        """After how many results a value with these labels was there to be shown."""
        return max(self.places(labels), default=-1) + 1
