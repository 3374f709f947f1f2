"""Every declared option: each value that it cannot have is refused, in one and the same words by a command and by a plan."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool import catalogue, cli
from altool.conformance.options import check_declarations, invalid
from altool.errors import UsageError
from altool.models.registry import REGISTRY, called, own_of_command, own_of_plan, prefix, vaal_called, vaal_of
from altool.options import LARGEST, Option, check, flag, of_run
from altool.simulation import plan
from altool.simulation.options import of_plans, of_runs
from altool.strategies import registry

TESTS = Path(__file__).parent
LENGTH = {"seed_size": 5, "rounds": 1, "budget": 5}
OF_STRATEGIES = [(name, option) for name in registry.names() for option in registry.load(name).options]


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(UsageError) as caught:
        work()
    return caught.value.message


@pytest.mark.parametrize("command", catalogue.COMMANDS)
def test_the_declarations_of_every_command(command: str) -> None:
    own, panels = catalogue.options_of(catalogue.module_of(command))
    check_declarations(command, own)
    for heading, options in panels.items():
        check_declarations(f"{command}, {heading}", options)
    assert all(option.panel or option.argument for option in own), [option.name for option in own if not option.panel]


@pytest.mark.parametrize(("name", "option"), OF_STRATEGIES, ids=lambda part: part if isinstance(part, str) else part.name)
def test_an_option_of_a_strategy(name: str, option: Option) -> None:
    """Before anything is read: `select` and a plan refuse the same values in the same words."""
    others = {other.name: {"clarifier_budgets": "3,2,1"}.get(other.name, "ant") for other in registry.load(name).options if other.required}
    for wrong, value in invalid(option).items():
        own = {**others, option.name: value}
        by_command = refusal(lambda own=own: registry.prepare(name, own, flag, f"--strategy {name}"))
        run = {"strategy": name, "name": "r", "queue": "q", **own}
        by_plan = refusal(lambda run=run: plan.make(LENGTH, [run]))
        assert by_command.removeprefix(flag(option.name)) == by_plan.removeprefix(f'run "r", {option.name}'), wrong
        assert by_command.startswith(f"{flag(option.name)}: expected ")


@pytest.mark.parametrize("key", of_runs())
def test_an_option_of_a_run(key: str) -> None:
    option = of_runs()[key]
    for value in invalid(option).values():
        said = refusal(lambda value=value: plan.make(LENGTH, [{"strategy": "margin", "name": "r", key: value}]))
        assert said.startswith(f'run "r", {key}: expected ' if key != "queue" else 'run "r", queue')


@pytest.mark.parametrize("key", plan.SHARED)
def test_an_option_of_a_plan(key: str) -> None:
    for value in invalid(of_plans()[key]).values():
        said = refusal(lambda value=value: plan.make({**LENGTH, key: value}, [{"strategy": "margin"}]))
        assert said.startswith(f"plan, {key}: expected ")


@pytest.mark.parametrize(
    ("run", "said"),
    [  # all of these were taken in silence, or were a fault in altool
        ({"balance": "class_weight"}, "balance: expected none, class-weight or prior, found 'class_weight'"),
        ({"balance": "foo"}, "balance: expected none, class-weight or prior, found 'foo'"),
        ({"strategy": "direct", "parallel": 0}, "parallel: expected a whole number of at least 1, found 0"),
        ({"strategy": "galaxy", "parallel": -3}, "parallel: expected a whole number of at least 1, found -3"),
        ({"strategy": "coreset", "partitions": -2}, "partitions: expected a whole number of at least 1, found -2"),
        ({"strategy": "coreset", "partitions": 0}, "partitions: expected a whole number of at least 1, found 0"),
        ({"strategy": "flqmi", "eta": -1.0}, "eta: expected a number of at least 0, found -1.0"),
        ({"strategy": "flcg", "nu": -3.0}, "nu: expected a number of at least 0, found -3.0"),
        ({"strategy": "vaal", "classifier": "mlp", "subset_factor": -5}, "subset_factor: expected a whole number of at least 0, found -5"),
        ({"strategy": "direct", "direct_min_per_class": -1}, "direct_min_per_class: expected a whole number of at least 1, found -1"),
        ({"logistic_iterations": 0}, "logistic_iterations: expected a whole number of at least 1, found 0"),
        ({"strategy": "bait", "bait_lambda": 0}, "bait_lambda: expected a number above 0, found 0"),
        ({"logistic_c": -1.0}, "logistic_c: expected auto or a number above 0, found -1.0"),
        ({"strategy": "gccg", "ridge": 0}, "ridge: expected a number of at least 1e-09, found 0"),
        ({"strategy": "e3g", "e3g_epsilon_min": 1.5}, "e3g_epsilon_min: expected a number from 0 to 1, found 1.5"),
        ({"classifier": "mlp", "mlp_epochs": 0}, "mlp_epochs: expected a whole number of at least 1, found 0"),
        ({"strategy": "margin", "kernal": "cosine"}, "kernal has no effect with margin"),
        ({"classifer": "svm"}, "classifer has no effect with margin"),
    ],
)
def test_what_plans_let_through(run: dict[str, Any], said: str) -> None:
    found = refusal(lambda: plan.make(LENGTH, [{"strategy": "margin", "name": "deep", **run}]))
    assert found == f'run "deep", {said}'


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.integers()))
def test_a_number_is_taken_only_within_its_bounds(value: Any) -> None:
    share, size = Option("share", float, low=0, high=1), Option("size", int, low=1)
    for option, right in (
        (share, isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1),
        (size, isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST),
    ):
        try:
            found = option.take(value, option.flag)
        except UsageError as error:
            assert not right
            assert error.message.startswith(f"--{option.name}: expected a ")  # noqa: PT017
        else:
            assert right
            assert found == value
            assert type(found) is option.kind


@given(st.text())
def test_a_text_of_the_command_line_is_read_or_refused(text: str) -> None:
    option = Option("c", float, above=0, words=("auto",))
    try:
        found = option.take(option.read(text), "--c")
    except UsageError as error:
        assert "expected auto or a number above 0, found " in error.message  # noqa: PT017
    else:
        assert found == "auto" or (math.isfinite(found) and found == float(text) > 0)


def test_what_is_meant_may_be_a_setting_of_the_run() -> None:
    with pytest.raises(UsageError) as caught:
        plan.make(LENGTH, [{"strategy": "margin", "classifer": "svm"}])
    assert caught.value.hint == "did you mean classifier? margin takes no options of its own"


def test_what_is_not_taken_is_named() -> None:
    options = (Option("eta", float, 1.0), Option("ridge", float, 1.0))
    with pytest.raises(UsageError) as caught:
        check(options, {"etta": 1}, of_run("a"), "flqmi")
    assert caught.value.message == 'run "a", etta has no effect with flqmi'
    assert caught.value.hint == "did you mean eta? flqmi takes eta, ridge"


def test_a_flag_that_two_declare_differently_is_a_fault_of_the_declaration() -> None:
    with pytest.raises(ValueError, match="--depth is declared twice, as int and as float"):
        cli.merged([Option("depth", int), Option("depth", float)])


# Where the options of strategies are tested beside a strategy's own file: what the similarity measures and those of random subsets share.
SHARED_TESTS = [
    *("similar.py", "random_subset.py", "wrappers/test_choose.py"),
    *("commands/test_select_picks.py", "commands/test_select_clarifier.py"),
]


@pytest.mark.parametrize(("name", "option"), OF_STRATEGIES, ids=lambda part: part if isinstance(part, str) else part.name)
def test_a_parameter_has_a_test(name: str, option: Option) -> None:
    """A strategy's option that no test gives a value to fails the suite."""
    files = [TESTS / "strategies" / f"test_{name.replace('-', '_')}.py", *(TESTS / file for file in SHARED_TESTS)]
    own = re.compile(rf"\b{option.name}\b|{re.escape(option.flag)}\b")
    assert any(own.search(file.read_text("utf-8")) for file in files), f"no test of {name} gives a value to {option.name}"


@pytest.mark.parametrize("name", REGISTRY.names())
def test_a_parameter_of_a_classifier_has_a_test(name: str) -> None:
    files = [file.read_text("utf-8") for folder in ("classifiers", "models", "commands") for file in (TESTS / folder).glob("test_*.py")]
    for own, option in called(REGISTRY.load(name)).items():
        given = re.compile(rf"\b{own}\b\s*[=\"']|{re.escape(option.flag)}\b")
        assert any(given.search(text) for text in files), f"no test gives a value to {own} of {name}"


@pytest.mark.parametrize("name", REGISTRY.names())
def test_an_option_of_a_classifier(name: str) -> None:
    """`train` and a plan refuse the same values in the same words."""
    record = REGISTRY.load(name)
    for own, option in called(record).items():
        for wrong, value in invalid(option).items():
            key = f"{prefix(name)}{own}"
            by_command = refusal(lambda given={option.name: value}: own_of_command(record, given))
            by_plan = refusal(lambda given={key: value}: own_of_plan(record, given, of_run("r")))
            assert by_command.removeprefix(option.flag) == by_plan.removeprefix(f'run "r", {key}'), (own, wrong)
            assert by_command.startswith(f"{option.flag}: expected ")


def test_an_option_of_vaal() -> None:
    for own, option in vaal_called().items():
        for value in invalid(option).values():
            said = refusal(lambda given={option.name: value}: vaal_of(given, of_run("r"), "VAAL"))
            assert said.startswith(f'run "r", {option.name}: expected '), own
