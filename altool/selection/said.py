"""What `select` says of a choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from altool.console import Console
from altool.errors import NothingLeft
from altool.kernels.blocks import alike
from altool.metrics.tiers import HARD, TIERS
from altool.selection.inputs import Past
from altool.selection.options import Options
from altool.strategies.auto import DRAWN
from altool.strategies.registry import Strategy
from altool.tables import check
from altool.tables.read import Source
from altool.text import count as plural
from altool.wrappers.choose import Choice, Request
from altool.wrappers.shortlist import MARGIN
from altool.wrappers.unique import LeftOut

FIRST = {"margin": "least margin", "entropy": "largest entropy", "least-confidence": "least confidence"}  # whom --shortlist-by takes


def report(
    choice: Choice,
    request: Request,
    arrays: Mapping[str, Any],
    candidates: int,
    known: Sequence[str],
    left_out: LeftOut,
    options: Options,
    console: Console,
) -> None:
    """Say what the choice lacks, and why."""
    if options.unique is not None:
        near = {"chosen before them": left_out.batch, "labeled": left_out.labeled}
        parts = [f"{number:,} of rows {which}" for which, number in near.items() if number]
        copies = plural(left_out.batch + left_out.labeled, "near copy", "near copies")
        console.info(f"--unique {options.unique:g}: {copies} left out{': ' * bool(parts)}{', '.join(parts)}")
    if request.strategy.remark is not None:
        given = {**arrays, **request.keywords, "count": min(request.count, candidates), "parallel": request.parallel}
        if text := request.strategy.remark(given):
            console.info(f"{request.strategy.name}: {text}")
    if choice.account is not None:
        for line in choice.account.lines:
            console.info(f"{request.strategy.name}: {line}")
        basis = f" ({choice.account.basis})" if choice.account.basis else ""
        parts = [f"{number:,} {'at random' if reason == DRAWN else f'by {reason}'}" for reason, number in reasons(choice).items()]
        console.info(f"{request.strategy.name}: rows chosen: {', '.join(parts)}{basis}")
    _report_ties(choice, request.strategy, candidates, arrays, console)
    _report_targets(choice, request, candidates, console)
    if request.strategy.tiers:
        _report_tiers(choice, request, arrays, known, console)
    elif 0 < len(choice.places) < request.count and choice.round is None:
        left = plural(len(choice.places), "candidate")
        why = "all others are near copies" if left_out.batch + left_out.labeled else "all are chosen"
        console.info(f"{left} for a budget of {request.count:,}: {why}")


def _report_ties(choice: Choice, strategy: Strategy, candidates: int, arrays: Mapping[str, Any], console: Console) -> None:
    """Say where the strategy was given nothing, or less than usual, to tell the candidates apart by."""
    if choice.tied:
        text = f"{strategy.wrapped.name}: all {candidates:,} candidates {choice.tied}"
        console.warn(f"{text}: nothing tells them apart, so they come in a random order (by --seed), not in that of their ids")
        return
    for name in ("probabilities", "confidence", "features"):
        told_apart = name == "confidence" and "vectors" in arrays
        if candidates > 1 and name in arrays and not told_apart and alike(arrays[name]):
            console.warn(f"{strategy.name}: all {candidates:,} candidates have the same {name}, which cannot tell them apart")
            return


def _report_targets(choice: Choice, request: Request, candidates: int, console: Console) -> None:
    """Say how far the targets could be served."""
    if choice.target_class is None:
        return
    strategy, budget = request.strategy.wrapped, request.count
    target_class, explored = choice.target_class, choice.explored
    if "tier" in choice.marks:
        hard = choice.marks["tier"] == HARD
        target_class, explored, budget = target_class[hard], explored[hard], int(hard.sum())
    size = request.queue_size or 10 * budget
    if strategy.shape == "pick" and size <= budget < candidates:
        console.warn(f"a queue of {size:,} rows for a budget of {budget:,}: only their order can change; raise --queue-size")
    unserved = int(((target_class < 0) & ~(explored & ("explored" in strategy.marks))).sum())
    if unserved:
        rows = f"{unserved:,} of {plural(len(target_class), 'row')}"
        console.info(f"{rows} by the order of {strategy.name} alone: no class has candidates left")


def reasons(choice: Choice) -> dict[str, int]:
    """{reason: how many rows}, most first."""
    return dict(Counter(choice.marks["reason"].tolist()).most_common())


def tier_sizes(choice: Choice) -> dict[str, int]:
    """{tier: how many rows}."""
    sizes = np.bincount(choice.marks["tier"], minlength=len(TIERS))
    return dict(zip(TIERS, sizes.tolist(), strict=True))


def _report_tiers(choice: Choice, request: Request, arrays: Mapping[str, Any], known: Sequence[str], console: Console) -> None:
    """Say what each tier lacks, and why."""
    keywords = request.keywords
    wanted = dict(zip(TIERS, keywords[request.strategy.budgets], strict=True))
    found = tier_sizes(choice)
    if wanted["intermediate"]:
        labels = arrays["labels"] if keywords.get("clarifier_use_auto") else arrays["labels"][~arrays["automatic"]]
        lacking = [name for code, name in enumerate(known) if code not in set(labels.tolist())]
        if lacking:
            bare = f"{plural(len(lacking), 'class', 'classes')} without a label ({check.naming(lacking)})"
            console.info(f"intermediate: {bare}; the others share the budget")
    reasons = {
        "hard": "no other candidates are left",
        "intermediate": "rows that several classes want are asked once, and classes without candidates ask nothing",
        "easy": "too few rows are predicted as some classes; --clarifier-easy global takes any class",
    }
    for tier, budget in wanted.items():
        if found[tier] < budget:
            console.info(f"{tier}: {found[tier]:,} of {budget:,} rows: {reasons[tier]}")


def rehearse(request: Request, past: Past, candidates: int, facts: dict[str, Any], console: Console) -> None:
    """What --dry-run says. Raises NothingLeft where there is no candidate."""
    if not candidates:
        raise NothingLeft(f"nothing left to do: none of the {facts['pool']:,} rows of the pool is a candidate")
    strategy, rows = request.strategy.name, min(request.count, candidates)
    summary = {"command": "select", "strategy": strategy, "round": past.round, "budget": request.count, "candidates": candidates, **facts}
    written = [facts["output"], *facts["exports"].values()]
    text = f"choose {rows:,} of {candidates:,} candidates by {strategy}, round {past.round} -> {', '.join(written)}"
    console.rehearsed(summary, text)


def conclude(
    choice: Choice, request: Request, past: Past, source: Source, facts: Mapping[str, Any], options: Options, console: Console
) -> None:
    """Say what was written. Raises NothingLeft where that is an empty table."""
    count, strategy, asked = len(choice.places), request.strategy.name, choice.round.asked.rows if choice.round is not None else ()
    if not count and len(asked):
        text = f"nothing left to do: round {past.round} is complete with {plural(len(asked), 'row')}; wrote an empty table"
        raise NothingLeft(text, f"train and score, then begin the next round: --round {past.round + 1}")
    if not count:
        limits: dict[str, object] = {"in --exclude": options.exclude, "not in --within": options.within, "not in --queue": options.queue}
        limits["a near copy of a labeled row"] = options.unique
        limits[f"not within {options.within_neighbours} neighbours of a labeled row"] = options.within_neighbours
        reasons = ["labeled", "skipped", "held out", *(reason for reason, given in limits.items() if given)]
        raise NothingLeft(
            f"nothing left to do: none of the {facts['pool']:,} rows of {source.name} is a candidate; wrote an empty table",
            f"every row is {', '.join(reasons[:-1])} or {reasons[-1]}",
        )
    summary = {"command": "select", "strategy": strategy, "round": past.round, "budget": request.count, "selected": count, **facts}
    line = f"selected {count:,} of {facts['candidates']:,} candidates by {strategy}, round {past.round}"
    if options.shortlist is not None:
        line += f", among the {plural(facts['shortlist'], 'row')} of {FIRST[options.shortlist_by or MARGIN]}"
    if choice.round is not None and options.oracle is None:
        summary["asked"] = len(asked)
        line += f": {len(asked):,} of its {min(request.count, facts['candidates']):,} rows are asked"
    console.result(summary, f"{line} -> {facts['output']}")
