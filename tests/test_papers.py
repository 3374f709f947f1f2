"""papers/: every plan is one, every table and figure of the papers has its plan, and the manual's page is what they say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import scripts

from altool.simulation import plan as plans
from altool.simulation import plan_file
from altool.simulation.options import Options

ROOT = Path(__file__).parents[1]
LONGEST = 660  # processor seconds of a small form: minutes on two cores


page = scripts.load(ROOT / "papers" / "page.py")
PLANS = page.plans()
SLOW = pytest.mark.slow  # networks import torch
FORMS = [pytest.param(path, False, marks=[SLOW] if "resnet18" in str(plan) else []) for path, plan in PLANS.items() if "run" in plan]
FORMS += [pytest.param(path, True) for path, plan in PLANS.items() if "small" in plan]


def test_the_page_is_what_the_plans_say() -> None:
    assert page.PAGE.read_text("utf-8") == page.page(), "docs/papers.md is out of date: python papers/page.py"


@pytest.mark.parametrize(("path", "small"), FORMS)
def test_both_forms_of_a_plan_are_plans(path: str, small: bool) -> None:
    options = Options(output="out", plan=str(ROOT / "papers" / path), small=small)
    settings, rows = plan_file.read(options)
    plan = plans.make(settings, rows)
    assert plan.repeats > 1 or not small
    if targets := settings.get("targets"):
        assert Path(targets).is_file()


def test_every_table_and_figure_has_one_plan() -> None:
    named = [(plan["about"]["paper"], what) for plan in PLANS.values() for what in page.shows(plan["about"])]
    assert not [what for what, times in Counter(named).items() if times > 1]
    whole = {(paper, re.match(r"(?:Table|Figure) \d+", what)[0]) for paper, what in named if not what.startswith(page.BEYOND)}  # type: ignore[index]
    assert whole == {(paper, what) for paper, every in page.SHOWN.items() for what in every}


@pytest.mark.parametrize("path", PLANS)
def test_a_plan_says_what_it_is_about(path: str) -> None:
    about = PLANS[path]["about"]
    known = ("paper", "shows", "reports", "saw", "repeats", "seconds", "verdict", "differs", "compare", "commands")
    assert set(about) <= set(known)
    assert about["verdict"] in page.VERDICTS
    assert {"reports", "differs"} <= set(about)
    if about["verdict"] != "not tried":
        assert {"saw", "repeats", "seconds"} <= set(about)
        assert about["seconds"] <= LONGEST
        assert "run" in PLANS[path] or about["commands"]


def test_the_audit_counts_what_it_found() -> None:
    items = page.audit()
    assert len({item["id"] for item in items}) == len(items) == 113
    assert Counter(item["before"] for item in items) == {"works": 62, "partly": 29, "missing": 18, "wrong": 2, "no-CPU": 2}
    assert {item["now"] for item in items} <= set(page.MARKS)


def test_what_works_has_a_test_that_holds_it() -> None:
    for item in page.audit():
        assert "test" in item or item["now"] != "works", item["id"]
        for test in filter(None, item.get("test", "").split(", ")):
            path, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{item['id']}: {test}"
