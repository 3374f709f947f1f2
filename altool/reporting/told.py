"""Which runs are told from the baseline, minding that several are compared with it at once."""

from __future__ import annotations

from dataclasses import dataclass

from altool.reporting.history import History, told_by
from altool.reporting.history_series import FALLING
from altool.text import count, visible

NAMED = 6  # as many runs as a sentence names


@dataclass(frozen=True)
class Told:
    """The runs that are better than the `baseline`, worse, and neither, by intervals that hold for all of them at once; the best first.
    `repeats` is the least number of them, `needed` how many would show the largest difference that is not told (None: unknown)."""

    baseline: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    neither: tuple[str, ...]
    repeats: int
    needed: int | None

    @property
    def compared(self) -> int:
        return len(self.better) + len(self.worse) + len(self.neither)

    @property
    def lines(self) -> list[str]:
        """In sentences without full stops."""
        name, repeats = visible(self.baseline), count(self.repeats, "repeat")
        at_once = " at once" if self.compared > 1 else ""
        if self.repeats < 2:
            return [f"no run can be told from {name} by 1 repeat: give --repeats 5 or more to altool simulate"]
        if not self.better and not self.worse:
            which = "the run" if self.compared == 1 else f"none of the {self.compared:,} runs"
            can = "cannot" if self.compared == 1 else "can"
            more = f"; about {self.needed:,} repeats would show the largest difference" if self.needed else ""
            return [f"{which} {can} be told from {name} ({repeats}, 95 %{at_once}){more}"]
        parts = [f"better than {name}: {_named(self.better)}"] if self.better else [f"no run is better than {name}"]
        parts += [f"worse: {_named(self.worse)}"] if self.worse else []
        parts += [f"not told from it: {_named(self.neither)}"] if self.neither else []
        return [f"{'; '.join(parts)} ({repeats}, 95 %{at_once})"]


def told(found: History) -> Told | None:
    """None where there is no baseline, or nothing to compare with it."""
    compared = [(run.name, run.difference["all"]) for run in found.runs if run.difference]
    if found.baseline is None or not compared:
        return None
    verdicts = {
        name: told_by(*one.joint, falls=found.metric in FALLING) if one.joint is not None else "no difference" for name, one in compared
    }
    open_ = [one for name, one in compared if verdicts[name] == "no difference"]
    largest = max(open_, key=lambda one: abs(one.value), default=None)
    better, worse, neither = (tuple(name for name, one in verdicts.items() if one == kind) for kind in ("better", "worse", "no difference"))
    repeats = min(one.repeats for _, one in compared)
    return Told(found.baseline, better, worse, neither, repeats, largest.needed if largest else None)


def _named(names: tuple[str, ...]) -> str:
    shown = [visible(name) for name in names[:NAMED]]
    return ", ".join(shown) + (f" and {count(len(names) - NAMED, 'other run')}" if len(names) > NAMED else "")
