"""The content of a report as plain data."""

from html.parser import HTMLParser

import numpy as np
import pytest

from altool.reporting.content import history, labels, queries, short, tally, visible
from altool.reporting.pages.document import bdi


@pytest.mark.parametrize(
    ("text", "shown"),
    [("cat", "cat"), ("漢字 é", "漢字 é"), ("a\nb", "a\\nb"), ("\x1b[1m", "\\x1b[1m"), ("\u202e", "\\u202e"), ("\0", "\\x00"), ("", "")],
)
def test_visible(text, shown):
    assert visible(text) == shown


def test_short():
    assert short("x" * 40, 10) == "x" * 9 + "…"
    assert short("x" * 10, 10) == "x" * 10


def test_tally_has_a_fixed_order():
    assert list(tally(["holdout", None, "auto", "", "seed"]).items()) == [("seed", 1), ("auto", 1), ("unknown", 2), ("holdout", 1)]


def test_labels():
    log = [("a", "seed", 0), ("a", None, None), ("b", "holdout", 0), (None, "exploit", 2), ("b", "exploit", 2)]
    total, counts = labels(log, 3)
    assert (total.training, total.skipped, total.contested) == (3, 1, 3)
    assert total.by_source == {"seed": 1, "exploit": 1, "unknown": 1, "holdout": 1}
    assert total.by_round == {"0": 1, "2": 1, "": 1}
    assert {name: dict(found) for name, found in counts.items()} == {"a": {"seed": 1, "unknown": 1}, "b": {"holdout": 1, "exploit": 1}}


def entry(round_, class_, metric, value, labels_=None):
    return {"round": round_, "class": class_, "metric": metric, "value": value, "labels": labels_}


def test_history_is_ordered_by_round():
    rows = [entry(2, "a", "f1", 0.5), entry(1, "a", "f1", 0.4), entry(1, None, "macro_f1", 0.4, 30), entry(None, "a", "f1", 0.1)]
    found = history(rows)
    assert [past.round for past in found] == [None, 1, 2]
    assert found[1].labels == 30
    assert found[1].overall == {"macro_f1": 0.4}
    assert found[2].classes == {"a": {"f1": 0.5}}
    assert found[2].labels is None


def test_history_refuses_a_round_that_appears_twice():
    with pytest.raises(ValueError, match="without a round: metric 'macro_f1' of all classes appears twice"):
        history([entry(None, None, "macro_f1", 0.4), entry(None, None, "macro_f1", 0.5)])


def test_queries_count_an_id_of_a_round_once():
    rows = [{"id": 1, "round": 0, "strategy": "direct"}, {"id": 1, "round": 0, "strategy": "direct"}, {"id": 1, "round": 1}]
    asked, suggestions = queries(rows, {1: "a"})
    assert [(group.round, group.strategy, group.asked, group.answered) for group in asked] == [(0, "direct", 1, 1), (1, None, 1, 1)]
    assert suggestions == {}


def test_suggestions_are_ordered_by_count_then_name():
    rows = [{"id": number, "round": 0, "suggested_label": name} for number, name in enumerate("cbabc")]
    assert list(queries(rows, {})[1]["0"].items()) == [("b", 2), ("c", 2), ("a", 1)]


def test_values_are_plain():
    assert not isinstance(tally(np.array(["seed"]))["seed"], np.integer)


class Tags(HTMLParser):
    """The names of all tags and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(name for name, _ in attrs)]


@pytest.mark.parametrize("name", ['" onmouseover="alert(1)" x="', "'><script>alert(1)</script>", "a\x1b[2J\u202e\ud83d"])
def test_a_name_stays_inert_in_the_page(name):
    shown = bdi(name * 30)  # so long that it is an attribute, too
    assert set(Tags(shown).found) == {"bdi", "dir", "title", "wbr"}
    assert shown.encode().decode().isprintable()
