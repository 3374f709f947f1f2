"""What the labels cost and whether the suggestions helped, as the rows of tables."""

from __future__ import annotations

from altool.errors import UsageError
from altool.labels.costs import Cost
from altool.metrics import cost
from altool.options import Option
from altool.text import count

COST_VERIFY = Option(low=0, metavar="C", help="Cost of verifying a right suggestion.", shown="measured, if there are seconds")
COST_ANSWER = Option(low=0, metavar="C", help="Cost of any other answer: a correction, or one from scratch.")

Cells = tuple[list[str], list[tuple[str, list[str]]]]  # the head of a table, and its rows: a name and cells


def prices(verify: float | None, answer: float | None) -> tuple[float, float] | None:
    """What a verified and any other answer cost, if both are given. Raises UsageError where one is."""
    if (verify is None) != (answer is None):
        raise UsageError(f"{'--cost-verify' if verify is None else '--cost-answer'} is missing", "give --cost-verify and --cost-answer")
    return None if verify is None or answer is None else (verify, answer)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def rounds_table(found: Cost) -> Cells:
    """A row per round, and one for all."""
    rows = [("none" if one.round is None else str(one.round), one) for one in found.rounds]
    cells = [
        (name, [*(f"{number:,}" for number in (one.verified, one.corrected, one.scratch, one.auto, one.free)), _number(one.cost)])
        for name, one in rows
    ]
    totals = [sum(getattr(one, name) for one in found.rounds) for name in (*cost.KINDS, "auto", "free")]
    cells.append(("all", [*(f"{number:,}" for number in totals), _number(found.total)]))
    return ["round", "verified", "corrected", "from scratch", "auto", "free", found.unit], cells


def acceptance_table(found: Cost, *, crossed: bool) -> Cells:
    """A row per tier and per suggested class; `crossed`: the classes of each tier too."""
    chosen = [one for one in found.acceptance if crossed or one.tier is None or one.class_ is None]
    rows = []
    for one in chosen:
        name = "all" if one.tier is None and one.class_ is None else one.class_ if one.tier is None else f"tier {one.tier}"
        name = f"tier {one.tier}, {one.class_}" if one.tier is not None and one.class_ is not None else str(name)
        share = one.accepted / one.suggested
        rows.append((name, [f"{one.suggested:,}", f"{one.accepted:,}", f"{share:.3f}", f"{one.low:.3f}–{one.high:.3f}"]))
    return ["suggestions", "answered", "accepted", "share", "95 %"], rows


def times_table(found: Cost) -> Cells:
    """A row per annotator and class: median seconds, of how many, and c_a : c_v by medians and by means; of several annotators these ratios
    on average, too."""
    rows = []
    for one in found.times:
        name = "all" if one.annotator is None and one.class_ is None else f"annotator {one.annotator}" if one.class_ is None else one.class_
        cells = []
        for kind in cost.KINDS:
            value = getattr(one, kind)
            cells.append("" if value is None else f"{_number(value)} ({one.timed[kind]:,})")
        rows.append((name, [*cells, *map(_ratio, one.ratios)]))
    people = [one.ratios for one in found.times if one.annotator is not None and None not in one.ratios]
    if len(people) > 1:
        last = max(place for place, one in enumerate(found.times) if one.annotator is not None) + 1
        means = [sum(values) / len(people) for values in zip(*people, strict=True)]
        rows.insert(last, (f"{count(len(people), 'annotator')}, on average", ["", "", "", *map(_ratio, means)]))
    return ["median seconds", "verified", "corrected", "from scratch", "c_a : c_v", "by means"], rows


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def note(found: Cost) -> str:
    """What the costs are made of; empty where there are none."""
    verified, corrected, scratch = (found.prices[name] for name in cost.KINDS)
    if verified is None and scratch is None:
        return ""
    how = "given" if found.given else "measured medians, in seconds"
    words = zip(("verified", "corrected", "from scratch"), (verified, corrected, scratch), strict=True)
    prices = ", ".join(f"{word} {_number(value) or 'unknown'}" for word, value in words)
    wrong = f"; the times of {count(found.wrong, 'answer')} that the truth contradicts are left out" if found.wrong else ""
    return f"an answer costs: {prices} ({how}); seed and holdout are free{wrong}"
