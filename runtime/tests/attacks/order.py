"""The order in which a plan is frozen: a question that cannot wait comes as late as what depends on it lets, so that it can show the most.

Steps that change something keep their order, and none goes before a question that stood before it. What only reads goes before a question that it
does not depend on. All of this is known when the plan is frozen, since it depends on nothing that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What the order depends on."""

    asked: bool
    """A person has to be asked before it is taken."""
    changes: bool
    """It changes something, which can wait for the end."""
    needs: frozenset[int]
    """The places in the plan of the steps whose results it takes."""


def order(steps: Sequence[Step]) -> list[int]:
    """The places of the steps in the order in which they are taken."""
    taken: list[int] = []
    left = list(range(len(steps)))
    while left:
        free: list[int] = []
        held: list[int] = []
        for place in left:
            step = steps[place]
            waits = step.asked or step.needs & set(held) or (held and step.changes)
            (held if waits else free).append(place)
        together = [place for place in held if steps[place].asked and not steps[place].needs & set(held)]
        taken += free + together
        left = [place for place in held if place not in together]
    return taken
