"""Whether the targets are proved, in words: what a proof rests on, and how many held-out rows would prove the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from altool.metrics.proof import ESTIMATE, NOT_YET, PROVED, Look
from altool.text import clip, count, visible

NAMED = 10  # classes that a line names
LONGEST = 40  # characters of a name
WORDS = {PROVED: "proved", ESTIMATE: "met by estimate", NOT_YET: "not yet", None: "left out"}
# Why nothing is proved on rows other than held-out ones.
REASONS = {
    "out-of-fold": "out-of-fold rows train the models of the other folds; hold out random rows (import-labels --source holdout)",
    "all": "rows of every source are no random sample; hold out random rows (import-labels --source holdout)",
}


@dataclass(frozen=True)
class Proof:
    """At which `look` targets are proved (None: nothing can be, for the `reason`), and whether metrics of earlier rounds tell whether the
    holdout has grown (`followed`)."""

    look: Look | None
    followed: bool
    reason: str

    @classmethod
    def of(cls, measured_on: str, rows: int, round_: int | None, past: Sequence[int | None], confidence: float) -> Proof:
        """What was measured on `rows` rows after the rounds that measured on `past` (None: unknown).

        A round is a look, whether its metrics are given or not, so that the look's number is not below the round's. Without metrics of
        earlier rounds the holdout may have grown, unless this is the first.
        """
        if measured_on != "holdout":
            return cls(None, bool(past), REASONS[measured_on])
        number = max(len(past), round_ or 0) + 1
        grown = any(before != rows for before in past) if past else number > 1
        return cls(Look(number, grown, confidence), bool(past), "")

    @property
    def remedy(self) -> str:
        """What to do about a target that is not proved."""
        more = "label more rows of these classes, or hold out as many more random rows as the report says (rows_to_prove)"
        return self.reason if self.look is None else more

    def lines(self, targets: Sequence[tuple[str, int, str | None, int | None]]) -> list[str]:
        """Sentences without full stops. Of each class with a target its name, measured rows, state, and rows to prove."""
        if self.look is None:
            return [f"no target is proved: {self.reason}"]
        grown = ", of a holdout that has grown" if self.followed else ", of a holdout taken as grown for lack of --history"
        basis = f"proved: at {100 * self.look.confidence:g} % confidence over all looks at the holdout, this is look {self.look.number}"
        lines = [basis + (grown if self.look.grown else "")]
        needed = sorted((rows, name, now) for name, now, _, rows in targets if rows is not None)
        if needed:
            shown = [f"class {_short(name)} about {about(rows)} (now {now:,})" for rows, name, now in needed]
            lines.append(f"held-out rows to prove: {_listed(shown)}")
        if never := [_short(name) for name, _, state, rows in targets if state == ESTIMATE and rows is None]:
            lines.append(
                f"not to be proved at this estimate: {_listed(never)} (no more than the target, at each threshold fixed in advance)"
            )
        return lines


def about(rows: int) -> str:
    """The rows to prove a target as people read them, rounded up to two digits: they follow from an estimate."""
    unit = 10 ** max(len(str(rows)) - 2, 0)
    return f"{-(-rows // unit) * unit:,}"


def _short(name: str) -> str:
    return clip(visible(name), LONGEST)


def _listed(texts: Sequence[str]) -> str:
    more = f" and {count(len(texts) - NAMED, 'class', 'classes')} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more
