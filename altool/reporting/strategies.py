"""The strategies as `altool strategies` and `altool select --list-strategies` show them."""

from __future__ import annotations

from typing import Any

from altool import help as page
from altool.console import Console
from altool.options import flag
from altool.strategies import registry
from altool.strategies.inputs import INPUTS
from altool.strategies.registry import Strategy

SHAPES = {
    "score": "gives every candidate a score: the whole pool can be sorted",
    "pick": "picks one row after another, so that a batch is spread",
    "ask": "asks for a few labels at a time and decides by the answers what to ask next",
}


def print_strategies(console: Console) -> None:
    """Every strategy with the tables it needs, its options and its paper; with --json as facts."""
    strategies = registry.REGISTRY.every(lambda error: console.warn(error.message)).values()
    if console.json_output:
        console.result({"strategies": [facts(strategy) for strategy in strategies]}, "")
        return
    from rich.table import Table

    table = Table("strategy", "needs", "what it asks for first", "paper")
    for strategy in strategies:
        needs = [*strategy.tables, *options_of(strategy)]
        table.add_row(strategy.name, ", ".join(needs) or "nothing", strategy.summary, strategy.paper)
    console.print(table)


def print_strategy(name: str, console: Console) -> None:
    """One strategy: what it does, its tables, its options, its paper and an example. Raises UsageError for an unknown name."""
    strategy = registry.load(name)
    if console.json_output:
        console.result(facts(strategy), "")
        return
    from rich.text import Text

    also = dict.fromkeys(INPUTS[name].table for name in strategy.optional)
    rows = [
        ("asks for", strategy.summary),
        ("how", SHAPES[strategy.shape]),
        ("needs", ", ".join(map(flag, strategy.tables)) or "nothing"),
        ("uses", ", ".join(flag(table) for table in also if table and table not in strategy.tables) or "nothing else"),
        ("paper", strategy.paper),
        ("example", example(strategy)),
    ]
    console.print(page.panel(strategy.name, rows))
    if strategy.options:
        console.print(page.panel("Its options", page.lines(strategy.options)))
    console.print(Text("Options of select itself: altool select --help"))


def facts(strategy: Strategy) -> dict[str, Any]:
    """What JSON says of a strategy."""
    return {
        "name": strategy.name,
        "shape": strategy.shape,
        "tables": list(strategy.tables),
        "options": options_of(strategy),
        "cold_start": strategy.cold_start,
        "summary": strategy.summary,
        "paper": strategy.paper,
    }


def options_of(strategy: Strategy) -> list[str]:
    """The flags of its own options; --previous, for one that compares rounds."""
    return [*(["--previous"] if strategy.across else []), *(option.flag for option in strategy.options)]


def example(strategy: Strategy) -> str:
    """A command that selects by it."""
    files = {
        "predictions": "predictions.parquet",
        "features": "features.parquet",
        "labels": "labels",
        "queue": "ranked.parquet",
        "model": "model",
    }
    tables = [*strategy.tables, *(["labels"] if "labels" not in strategy.tables else [])]
    if not strategy.tables:
        tables.insert(0, "features")
    own = [f"{option.flag} {EXAMPLES.get(option.name, 'A,B')}" for option in strategy.options if option.required]
    asks = ["--round 1"] if strategy.shape == "ask" else []
    budget = [] if strategy.budgets else ["--budget 100"]
    words = [
        f"--strategy {strategy.name}",
        *budget,
        *(f"--{table} {files.get(table, f'{table}.parquet')}" for table in tables),
        *own,
        *asks,
        "-o queries.parquet",
    ]
    return f"altool select {' '.join(words)}"


EXAMPLES = {"clarifier_budgets": "60,30,10", "query_classes": "A,B"}
