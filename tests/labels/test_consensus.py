"""Who wins must not depend on how the log came to be: not on the order of rows, nor on the files that they lie in."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.labels.consensus import Labels, codes, resolve, tallies
from altool.tables.schema import KINDS

SCHEMA = pa.schema([(name, pa.string() if name == "id" else kind) for name, kind in KINDS["labels"].columns.items()])
START = datetime(2026, 1, 1, tzinfo=UTC)


def row(id: str = "r", label: str | None = "a", **values: Any) -> dict[str, Any]:
    return {"id": id, "label": label, "source": "explore", "status": "labeled" if label else "skipped", **values}


def log(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def outcome(labels: Labels) -> Any:
    return labels.table.to_pylist(), labels.contested, labels.undecided


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    (only,) = resolve(log(*rows)).table.to_pylist()
    return only


def day(number: int) -> datetime:
    return START + timedelta(days=number)


ROWS = st.builds(
    row,
    id=st.sampled_from(["r1", "r2", "é"]),
    label=st.sampled_from(["a", "b", "c", None]),
    source=st.sampled_from(["seed", "explore", "exploit", "auto", "holdout"]),
    round=st.none() | st.integers(0, 2),
    annotator=st.sampled_from([None, "ann", "bob", "eve"]),
    labeled_at=st.none() | st.integers(0, 2).map(day),
    seconds=st.none() | st.just(1.5),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, max_size=12), st.randoms(use_true_random=False), st.data())
def test_the_order_of_rows_and_files_does_not_matter(rows: list[dict[str, Any]], random: Any, data: st.DataObject) -> None:
    expected = outcome(resolve(log(*rows)))
    shuffled = random.sample(rows, len(rows))
    cut = data.draw(st.integers(0, len(rows)))
    assert outcome(resolve(pa.concat_tables([log(*shuffled[:cut]), log(*shuffled[cut:])]))) == expected


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=10), st.data())
def test_a_row_that_is_there_twice_counts_once(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(rows))
    assert outcome(resolve(log(*rows, again))) == outcome(resolve(log(*rows)))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS.filter(lambda r: r["source"] != "auto"), min_size=1, max_size=8), st.lists(ROWS, max_size=8))
def test_auto_labels_never_outvote_people(people: list[dict[str, Any]], machines: list[dict[str, Any]]) -> None:
    alone = {found["id"]: found for found in resolve(log(*people)).table.to_pylist()}
    together = resolve(log(*people, *({**machine, "source": "auto"} for machine in machines))).table.to_pylist()
    for found in together:
        by_people = alone.get(found["id"])
        if by_people and by_people["label"] is not None:
            assert found == by_people


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=12))
def test_holdout_sticks(rows: list[dict[str, Any]]) -> None:
    labels = resolve(log(*rows))
    held = {found["id"] for found in rows if found["source"] == "holdout"}
    assert not held & set(labels.training.column("id").to_pylist())
    assert set(labels.holdout.column("id").to_pylist()) <= held
    assert labels.taken.to_pylist() == sorted({found["id"] for found in rows}, key=str.encode)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
def test_the_majority_of_annotators_wins(votes: list[str]) -> None:
    found = resolve(log(*(row(label=vote, annotator=f"p{number}", round=0) for number, vote in enumerate(votes))))
    tally = Counter(votes)
    best = sorted(name for name, count in tally.items() if count == max(tally.values()))
    assert found.table["label"].to_pylist() == [best[0]]
    assert found.contested == (len(tally) > 1)
    assert found.undecided == (len(best) > 1)


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(5)), st.lists(st.sampled_from("abc"), min_size=5, max_size=5))
def test_the_newest_answer_of_an_annotator_wins(days: list[int], labels: list[str]) -> None:
    rows = [row(label=label, annotator="ann", labeled_at=day(number), round=5 - number) for number, label in zip(days, labels, strict=True)]
    assert answer(*rows)["label"] == labels[days.index(4)]
    rounds = [row(label=label, annotator="ann", round=number) for number, label in zip(days, labels, strict=True)]
    assert answer(*rounds)["label"] == labels[days.index(4)]


def test_one_annotator_who_answers_often_has_one_vote() -> None:
    often = [row(label="a", annotator="ann", round=0, labeled_at=day(number)) for number in range(5)]
    others = [row(label="b", annotator=name, round=0, labeled_at=day(0)) for name in ("bob", "eve")]
    assert answer(*often, *others)["label"] == "b"


def test_equal_votes_go_to_the_newest_then_to_the_smaller_label() -> None:
    assert answer(row(label="a", annotator="ann", round=1), row(label="b", annotator="bob", round=2))["label"] == "b"
    tied = resolve(log(row(label="b", annotator="ann", round=1), row(label="a", annotator="bob", round=1)))
    assert (tied.table["label"].to_pylist(), tied.contested, tied.undecided) == (["a"], 1, 1)


def test_without_all_times_rounds_decide_and_times_within_the_last_round() -> None:
    old = row(label="c", annotator="ann", round=0)
    first, second = (row(label=label, annotator="ann", round=1, labeled_at=day(number)) for number, label in enumerate("ba"))
    assert answer(old, second, first)["label"] == "a"
    first["labeled_at"], second["labeled_at"] = second["labeled_at"], first["labeled_at"]
    assert answer(old, second, first)["label"] == "b"


def test_any_label_outvotes_a_skip() -> None:
    skip, label = row(label=None, annotator="ann", round=3), row(label="a", annotator="bob", round=0)
    assert answer(skip, label)["label"] == "a"
    assert resolve(log(skip, label)).contested == 0
    assert answer({**skip, "annotator": "bob"}, label)["label"] is None  # the same annotator thought better of it
    timed = [row(label=label, annotator="ann", round=3, labeled_at=day(number)) for number, label in enumerate("ab")]
    assert (answer(*timed, skip)["label"], resolve(log(*timed, skip)).undecided) == ("b", 0)
    same_round = resolve(log({**skip, "annotator": "bob", "round": 0}, label))
    assert (same_round.table["label"].to_pylist(), same_round.undecided) == (["a"], 0)


def test_a_skipped_row_has_no_label_even_if_it_holds_one() -> None:
    found = resolve(log({**row(label="a"), "status": "skipped"}))
    assert found.table["label"].to_pylist() == [None]
    assert not found.training.num_rows
    assert found.taken.to_pylist() == ["r"]


def test_a_newer_auto_label_of_the_same_nobody_is_not_a_person_who_changed_mind() -> None:
    assert answer(row(label="a", round=0), row(label="b", round=1, source="auto"))["label"] == "a"


def test_equal_answers_of_which_one_has_a_time() -> None:
    """Which of ann's two goes on to meet bob's decides whether times or rounds tell who was last."""
    rows = [row(annotator="ann", labeled_at=day(1)), row(annotator="ann"), row(annotator="bob", source="seed", labeled_at=day(0), round=0)]
    first = outcome(resolve(log(*rows)))
    assert first == outcome(resolve(log(rows[1], rows[0], rows[2])))
    assert first[0][0]["source"] == "explore"  # ann's, of the later day


def test_an_empty_log() -> None:
    labels = resolve(log())
    assert (labels.table.num_rows, labels.contested, labels.undecided, len(labels.taken)) == (0, 0, 0, 0)


def test_codes_number_labels_by_class() -> None:
    table = pa.table({"label": pa.array(["b", "a", None, "zz"])})
    assert codes(table, ("a", "b")).tolist() == [1, 0, -1, -1]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=12), st.lists(st.tuples(st.sampled_from(["r1", "r2", "é"]), st.integers(0, 2)), max_size=3), st.data())
def test_what_was_retracted_was_never_there(rows: list[dict[str, Any]], retracted: list[tuple[str, int]], data: st.DataObject) -> None:
    """Whatever came first: the auto labels of the id and round alone are gone, and an id that has no others is in the pool again."""
    retractions = [row(key, None, source="auto", round=round_, status="retracted") for key, round_ in retracted]
    left = [found for found in rows if not (found["source"] == "auto" and (found["id"], found.get("round")) in retracted)]
    mixed = data.draw(st.permutations([*rows, *retractions]))
    assert outcome(resolve(log(*mixed))) == outcome(resolve(log(*left)))


def test_the_tallies_of_ids_on_which_people_disagree() -> None:
    found = tallies(
        log(
            row("agree", "a", annotator="kim"),
            row("agree", "a", annotator="lee"),
            row("split", "a", annotator="kim"),
            row("split", "b", annotator="lee", round=1),
            row("newest", "a", annotator="kim", round=0),
            row("newest", "b", annotator="kim", round=1),
            row("three", "a", annotator="kim"),
            row("three", "b", annotator="lee"),
            row("three", "b", annotator="ann"),
            row("skip", "a", annotator="kim"),
            row("skip", None, annotator="lee"),
            row("machine", "a", annotator="kim"),
            row("machine", "b", source="auto"),
            row("alone", "a"),
        )
    )
    assert found == {"split": {"a": 1, "b": 1}, "three": {"a": 1, "b": 2}}


def test_no_rows_have_no_tally() -> None:
    assert tallies(log()) == {}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.sampled_from(["kim", "lee", None]), st.integers(0, 2))))
def test_as_many_ids_have_a_tally_as_are_contested(rows: list[tuple[str, str, str | None, int]]) -> None:
    table = log(*(row(id_, label, annotator=who, round=number) for id_, label, who, number in rows))
    labels, found = resolve(table), tallies(table)
    assert len(found) == labels.contested
    winner = dict(zip(labels.table.column("id").to_pylist(), labels.table.column("label").to_pylist(), strict=True))
    assert all(tally[winner[id_]] == max(tally.values()) for id_, tally in found.items())
