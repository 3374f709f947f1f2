"""The first screen of the report's page: where the project stands, in a sentence, four tiles and a strip per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from altool.documents import Html, safe
from altool.metrics import forecast
from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN
from altool.metrics.proof import ESTIMATE, NOT_YET, PROVED
from altool.reporting.content import ClassReport, Estimate, Report, metric_name
from altool.reporting.forecast import Forecast, Outlook, rough
from altool.reporting.pages import svg
from altool.reporting.pages.document import Table
from altool.reporting.proof import WORDS, about
from altool.text import count

OPEN = 20  # classes that are shown before the fold
Tile = tuple[str, str, list[str]]  # what it is, the value, and what is to be said of it


def state(report: Report) -> list[str]:
    """Where the project stands, and what the rest costs: sentences with full stops."""
    total = len(report.aims)
    if not total:
        overall = report.overall["macro_f1"]
        value = f"{overall.value:.3f} ({overall.low:.3f} to {overall.high:.3f}) over {count(len(report.classes), 'class', 'classes')}"
        return [f"Macro-F1 is {value}{_change(overall)}; no target is set."]
    met, proved = total - len(report.missed), total - len(report.unproved)
    how = f"{proved:,} proved, {met - proved:,} by estimate"
    if met < total:
        how = f" ({how})" if met else ""
        verb = "meets its target" if met == 1 else "meet their targets"
        return [f"{met:,} of {count(total, 'class', 'classes')} {verb}{how}.", *_rest(report)]
    whole = "All targets are" if total > 1 else "The target is"
    if proved == total:
        return [f"{whole} proved."]
    if not proved:
        return [f"{whole} met by estimate, {'none is' if total > 1 else 'not'} proved yet."]
    return [f"{whole} met: {how}."]


def _change(estimate: Estimate) -> str:
    if estimate.was is None:
        return ""
    change = round(estimate.value - estimate.was, 3)
    return f", {'up' if change > 0 else 'down'} {abs(change):.3f} since the last round" if change else ", as in the last round"


def _rest(report: Report) -> Iterator[str]:
    """What the classes that are open need."""
    found = report.forecast
    if found is None:
        return
    states = [one.state for one in found.classes.values() if one.state != REACHED]
    if not found.held_out:
        yield "How many more labels the rest needs cannot be told without held-out rows."
    elif found.rounds < forecast.ROUNDS:
        yield f"How many more labels the rest needs can be told from {forecast.ROUNDS} rounds on; {count(found.rounds, 'round')} so far."
    elif states:
        reachable, unknown, level = states.count(LABELS), states.count(UNKNOWN), states.count(LEVEL)
        if reachable:
            whose = f"{reachable:,} of the other {len(states):,}"
            if reachable == len(states):
                whose = "the other" if reachable == 1 else f"the other {reachable:,}"
            yield f"{_amount(found)} {whose} there."
        if unknown == len(states):
            whose = "the other needs" if unknown == 1 else f"the other {unknown:,} need"
            yield f"How many more labels {whose} cannot be told yet."
        elif unknown:
            yield f"Of {unknown:,} it cannot be told yet."
        if level:
            yield f"{level:,} {'levels' if level == 1 else 'level'} off below the target with this model."


def _amount(found: Forecast) -> str:
    """The labels that are to come, with the verb."""
    if found.together is None:
        return f"More than {forecast.LIMIT - 1} times as many labels as now bring"
    (middle, low, high), cost = found.together.labels, found.together.cost
    if middle is None or high is None:
        price = f" (about {found.price(cost[1])})" if cost else ""
        return f"At least {count(rough(low), 'more label')}{price} bring"
    price = f"; about {found.price(cost[0])}" if cost and cost[0] is not None else ""
    return f"About {count(rough(middle), 'more label')} (80 %: {rough(low):,} to {rough(high):,}{price}) bring"


def tiles(report: Report) -> list[Tile]:
    """Four of: targets, macro-F1 and accuracy, labels, labels to come, cost."""
    found = [_targets(report)] if report.aims else [_metric(report, "macro_f1")]
    labels = report.labels
    last = list(labels.by_round.items())[-1:] if len(labels.by_round) > 1 else []
    said = [f"{number:,} of them in round {round_}" for round_, number in last if round_]
    said += [f"{labels.by_source['holdout']:,} held out to measure"] if labels.by_source.get("holdout") else []
    found.append(("Labels so far", f"{labels.training:,}", said))
    if report.aims:
        found.append(_to_come(report))
    price = _spent(report)
    found += [price] if price else []
    metrics = [_metric(report, name) for name in ("macro_f1", "accuracy", "macro_recall")]
    found += [one for one in metrics if one[0] != found[0][0]]
    return found[:4]


def _targets(report: Report) -> Tile:
    total, proved = len(report.aims), len(report.aims) - len(report.unproved)
    met = total - len(report.missed)
    said = [f"{proved:,} proved, {met - proved:,} by estimate"] if met else ["none yet"]
    return "Targets met", f"{met:,} of {total:,}", said


def _metric(report: Report, name: str) -> Tile:
    overall = report.overall[name]
    was = [] if overall.was is None else [f"was {overall.was:.3f}"]
    return metric_name(name, 0), f"{overall.value:.3f}", [f"95 %: {overall.low:.3f} to {overall.high:.3f}", *was]


def _to_come(report: Report) -> Tile:
    """The labels that the rest needs."""
    name = "Labels to come"
    found = report.forecast
    if not report.missed or found is None:
        return name, "0", ["all targets are met" + (" by estimate" if report.unproved else "")]
    if not found.held_out or found.rounds < forecast.ROUNDS:
        lack = f"needs {forecast.ROUNDS} rounds, {found.rounds} so far" if found.held_out else "needs held-out rows"
        return name, "not known", [lack]
    states = [one.state for one in found.classes.values() if one.state != REACHED]
    whose = f"for {states.count(LABELS):,} of {count(len(states), 'open class', 'open classes')}"
    if LABELS not in states:
        return name, "not known", ["cannot be told yet" if UNKNOWN in states else "levels off below the targets"]
    if found.together is None:
        return name, f"over {forecast.LIMIT - 1} × now", [whose]
    middle, low, high = found.together.labels
    if middle is None or high is None:
        return name, f"≥ {rough(low):,}", [whose]
    return name, f"≈ {rough(middle):,}", [f"80 %: {rough(low):,} to {rough(high):,}", whose]


def _spent(report: Report) -> Tile | None:
    """What the labels cost; None where it is unknown."""
    cost = report.cost
    if cost is None or cost.total is None:
        return None
    hours = cost.unit == "seconds"
    value = _time(cost.total) if hours else f"{cost.total:,.4g}"
    answers = sum(one.verified + one.corrected + one.scratch for one in cost.rounds)
    each = f"{cost.total / answers:,.3g} {'s' if hours else ''}".strip() if answers else ""
    said = [f"{each} an answer"] if each else []
    suggested, accepted = cost.suggestions()
    said += [f"{accepted / suggested:.0%} of {count(suggested, 'suggestion')} accepted"] if suggested else []
    return "Time spent" if hours else "Cost so far", value, said


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60)):,} min"


def ordered(report: Report) -> list[ClassReport]:
    """The classes, those that need most first: open ones by their distance to the target, then those that are met, by how narrowly;
    without a target by their value."""

    def key(line: ClassReport) -> tuple[int, float, str]:
        value, aim = line.metrics[line.shown].value, line.target
        if aim is None or aim.met is None:
            return 2, value, line.name
        return int(aim.met), value - aim.target, line.name

    return sorted(report.classes, key=key)


def strips(report: Report) -> Table:
    """A row per class."""
    aimed = any(line.target for line in report.classes)
    past = bool(report.history)
    outlooks = report.forecast.classes if report.forecast and report.forecast.held_out and report.forecast.rounds >= forecast.ROUNDS else {}
    kinds = {metric_name(line.shown, line.at_precision) for line in report.classes}
    head = ["class", "", min(kinds) if len(kinds) == 1 else "value", *(["target", "state"] if aimed else [])]
    head += [*(["rounds"] if past else []), *(["more labels"] if outlooks else []), "labels", "rows"]
    series = {line.name: series_of(report, line) for line in report.classes}
    lowest = min((one for values in series.values() for one in values if one is not None), default=0.0)
    rows: list[tuple[str, list[str | Html]]] = []
    for line in ordered(report):
        shown, aim = line.metrics[line.shown], line.target
        target = aim.target if aim else None
        name = metric_name(line.shown, line.at_precision)
        said = f"{name} {shown.value:.3f}, 95 % from {shown.low:.3f} to {shown.high:.3f}" + (f", target {aim.target:.3f}" if aim else "")
        kind = "" if aim is None or aim.met is None else "good" if aim.met else "bad"
        cells: list[str | Html] = [svg.bar(shown.value, shown.low, shown.high, target, kind, said)]
        of = f"{name}: " if len(kinds) > 1 else ""
        cells.append(Html(f"<b>{shown.value:.3f}</b> <small>{safe(of)}{shown.low:.2f}–{shown.high:.2f}</small>"))
        if aimed:
            cells += [f"{aim.target:.3f}" if aim else "", _badge(line)]
        if past:
            cells.append(svg.spark(series[line.name], target, lowest, f"{name} over {count(len(report.history) + 1, 'round')}"))
        if outlooks:
            cells.append(_outlook(outlooks.get(line.name)))
        rows.append((line.name, [*cells, f"{line.labels:,}", f"{line.support:,}"]))
    columns = ["bar", "value", *(["target", "state"] if aimed else []), *(["spark"] if past else []), *(["more"] if outlooks else [])]
    texts = (0, *([3] if aimed else []))
    columns += ["less", "less"]
    return Table(head, rows, "Classes", first=OPEN, noun=("class", "classes"), texts=texts, kind="strips", columns=columns)


def series_of(report: Report, line: ClassReport) -> Sequence[float | None]:
    """The class's metric over the rounds so far, and now."""
    return [*(past.classes.get(line.name, {}).get(line.shown) for past in report.history), line.metrics[line.shown].value]


def _badge(line: ClassReport) -> Html:
    aim = line.target
    if aim is None:
        return Html("")
    kind = {PROVED: "good", ESTIMATE: "good", NOT_YET: "bad"}.get(aim.state or "", "")
    rows = "" if aim.rows_to_prove is None else f" <small>needs {about(aim.rows_to_prove)} rows</small>"
    return Html(f'<span class="{kind}">{WORDS[aim.state]}</span>{rows}')


def _outlook(one: Outlook | None) -> Html:
    if one is None or one.state == REACHED:
        return Html("")
    if one.level:
        return Html(f"levels off <small>at {one.level[0]:.2f}</small>")
    if one.needed is None:
        return Html("not known" if one.state != LABELS else f"over {forecast.LIMIT - 1} × now")
    middle, low, high = one.needed.labels
    if middle is None or high is None:
        return Html(f"≥ {rough(low):,}")
    return Html(f"≈ {rough(middle):,} <small>{rough(low):,}–{rough(high):,}</small>")
