"""How many rows, where time or tiers say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from altool.console import Console
from altool.errors import InputError
from altool.metrics import cost
from altool.metrics.tiers import EASY, TIERS
from altool.selection.inputs import Past
from altool.selection.options import Options
from altool.text import count

if TYPE_CHECKING:
    from altool.labels.costs import Cost


def _measured(options: Options, past: Past, needed: int) -> tuple[Cost | None, np.ndarray]:
    """What the log cost, and float64 (3,) the seconds of an answer of each kind, times the answers that a row gets.

    cost.UNMEASURED where nothing says that answers of the kind `needed` take time; InputError if --budget-seconds needs that.
    """
    from altool.labels.costs import of_log  # here alone: few budgets go by what was measured

    found = of_log(past.rows, past.labels, past.asked) if past.rows is not None and past.labels is not None else None
    prices = np.array([np.nan if value is None else value for value in found.prices.values()]) if found else np.full(3, np.nan)
    if found and prices[needed] > 0:  # then all are known
        return found, prices * max(1.0, found.per_row)
    if options.budget_seconds is not None:
        text = f"labels {options.labels}, column 'seconds': no answer has any"
        if np.isfinite(prices).any():  # of people who only accepted suggestions, or out of a tool that writes 0
            only = "only answers that verified a suggestion have any" if np.isnan(prices[needed]) else "the median answer has 0"
            text = f"{text} ({only})"
        raise InputError(text, "import exports that have seconds (Label Studio's have), or give --budget")
    return found, cost.UNMEASURED


def affordable(options: Options, past: Past, console: Console) -> int:
    """How many rows --budget-seconds pays for. Raises InputError where nothing was measured, or not even one."""
    found, prices = _measured(options, past, cost.SCRATCH)
    price, how = float(prices[cost.SCRATCH]), "from scratch"
    if options.suggest and found:
        suggested, accepted = found.suggestions()
        price = float(cost.per_suggestion(prices, np.array(accepted / suggested if suggested else 0.0)))
        how = f"{accepted:,} of {suggested:,} suggestions were accepted" if suggested else "no suggestion was answered yet"
    if not price:
        text = f"labels {options.labels}, column 'seconds': the median answer to a suggestion has 0 ({how})"
        raise InputError(text, "give --budget")
    budget = cost.affordable(options.budget_seconds or 0.0, price)
    told = f"--budget-seconds {options.budget_seconds:g} at {price:.4g} seconds a row ({how})"
    if not budget:
        raise InputError(f"{told} pays for no row", "give more seconds, or --budget")
    console.info(f"{told} pays for {count(budget, 'row')}")
    return budget


def tier_budgets(options: Options, past: Past, console: Console) -> tuple[int, int, int]:
    """--clarifier-budgets auto, for --budget rows in all or for --budget-seconds. Raises InputError where they pay for no row."""
    found, prices = _measured(options, past, cost.CORRECTED)
    if prices is cost.UNMEASURED:
        times = f"{cost.UNMEASURED[cost.SCRATCH]:g} times what it takes to verify one"
        console.info(f"no answer from scratch has seconds: an answer is taken to cost {times}")
    seen = np.array([found.suggestions(tier) if found else (0, 0) for tier in TIERS])
    tiers = cost.tiers(
        prices,
        seen[:, 0],
        seen[:, 1],
        rows=options.budget,
        seconds=options.budget_seconds or 0.0,
        audit=options.audit or 0,
    )
    if not tiers[0] + tiers[1]:
        given = f"--budget {options.budget}" if options.budget is not None else f"--budget-seconds {options.budget_seconds:g}"
        raise InputError(f"{given} pays for no row of the hard and intermediate tiers", "give more, or a smaller --audit")
    if not seen[2, 0]:
        console.info("no easy row was ever audited, so few are labeled automatically: give --audit N and the earlier --queries")
    if found and tiers[EASY] and (loss := found.easy_loss):
        console.warn(loss)
    parts = [f"{name} {size:,} ({yes} of {n} accepted)" for name, size, (n, yes) in zip(TIERS, tiers, seen.tolist(), strict=True)]
    console.info(f"tiers: {', '.join(parts)}")
    return tiers
