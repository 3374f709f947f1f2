"""What of an export goes into the log: the rules, and that they depend on nothing but log, export and options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from altool.labels.consensus import resolve
from altool.labels.exchange import answers, with_ids
from altool.labels.merge import COLUMNS, Outcome, Rules, merge

LOG = pa.schema([(name, pa.string() if name == "id" else kind) for name, kind in COLUMNS.items()])
QUERIES = pa.schema([("id", pa.string()), ("round", pa.int32()), ("source", pa.string()), ("suggested_label", pa.string())])
START = datetime(2026, 1, 1, tzinfo=UTC)


def export(*rows: dict[str, Any]) -> pa.Table:
    """Rows as a format reader gives them; a time is a number of days."""
    names = ["id", "label", "annotator", "status", "labeled_at", "seconds", "source", "round", "suggested_label"]
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    columns["labeled_at"] = [None if value is None else (START + timedelta(days=value)).isoformat() for value in columns["labeled_at"]]
    columns["round"] = [None if value is None else str(value) for value in columns["round"]]
    found = answers("export", {name: pa.array(values, pa.string()) for name, values in columns.items()}, None)
    return with_ids(found, pa.string())


def log(*rows: dict[str, Any]) -> pa.Table:
    base = {"source": "seed", "round": 0, "status": "labeled"}
    return pa.Table.from_pylist(
        [
            {**base, **row, "labeled_at": None if row.get("labeled_at") is None else START + timedelta(days=row["labeled_at"])}
            for row in rows
        ],
        LOG,
    )


def arrived(rows: pa.Table, number: int) -> pa.Table:
    """Rows as the log has them of its import `number`."""
    return rows.append_column("arrival", pa.array([number] * len(rows), pa.int64()))


def row(id: str = "r1", label: str | None = "cat", **values: Any) -> dict[str, Any]:
    return {"id": id, "label": label, **values}


def run(new: pa.Table, old: pa.Table | None = None, queries: list[dict[str, Any]] | None = None, **rules: Any) -> Outcome:
    table = None if queries is None else pa.Table.from_pylist(queries, QUERIES)
    known = None if table is None else table.column("id").combine_chunks()
    return merge(new, log() if old is None else old, table, known, Rules(**rules))


def kept(outcome: Outcome, *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(found[name] for name in names) for found in outcome.rows.to_pylist())


def test_empty_is_not_done_and_a_skip_is_kept() -> None:
    found = run(
        export(row("r1", ""), row("r2", " "), row("r3", None, status="skipped"), row("r4", "SKIP"), row("r5")), skip_values=("SKIP",)
    )
    assert (found.unlabeled, found.known, found.refused) == (2, 0, {})
    assert [(r["id"], r["label"], r["status"]) for r in found.rows.to_pylist()] == [
        ("r3", None, "skipped"), ("r4", None, "skipped"), ("r5", "cat", "labeled")]  # fmt: skip


def test_a_row_that_is_not_done_may_be_as_it_likes() -> None:
    found = run(export(row("", None), row("r1", None, seconds="n/a"), row("zz", "")), queries=[{"id": "r1"}])
    assert (found.unlabeled, found.refused) == (3, {})


def test_an_accepted_suggestion_is_accepted_under_any_name() -> None:
    found = run(export(row("r1", "pos", suggested_label="pos"), row("r2", "pos", suggested_label="neg")), label_map={"pos": "positive"})
    assert kept(found, "label", "suggested_label") == [("positive", "neg"), ("positive", "positive")]


def test_a_retracted_auto_label_stays_so_in_its_round() -> None:
    """Another round's label of the machine, and any person's, are none of its business."""
    gone = log(row("r1", None, source="auto", round=2, status="retracted"))
    new = export(
        row("r1", source="auto", round=2),
        row("r1", source="auto", round=3),
        row("r1", source="exploit", round=2),
        row("r2", source="auto", round=2),
    )
    found = run(new, gone)
    assert found.retracted == 1
    assert kept(found, "id", "source", "round") == [("r1", "auto", 3), ("r1", "exploit", 2), ("r2", "auto", 2)]
    again = run(new, pa.concat_tables([gone, found.rows]))
    assert (again.retracted, again.known, again.rows.num_rows) == (1, 3, 0)


def test_the_queries_give_round_source_and_suggestion() -> None:
    queries = [
        {"id": "r1", "round": 1, "source": "explore", "suggested_label": "dog"},
        {"id": "r1", "round": 2, "source": "exploit", "suggested_label": "cat"},
        {"id": "r2", "round": None, "source": None},
    ]
    names = ("id", "round", "source", "suggested_label")
    assert kept(run(export(row("r1"), row("r2")), queries=queries), *names) == [("r1", 2, "exploit", "cat"), ("r2", 0, "seed", None)]
    assert kept(run(export(row("r1", round=1)), queries=queries), *names) == [("r1", 1, "explore", "dog")]
    assert kept(run(export(row("r1", round=9)), queries=queries), *names) == [("r1", 9, "exploit", "cat")]
    assert kept(run(export(row("r1", source="holdout", suggested_label="ox")), queries=queries), *names) == [("r1", 2, "holdout", "ox")]
    assert kept(run(export(row("r1", round=1, source="explore")), queries=queries, round=5, source="holdout"), *names) == [
        ("r1", 5, "holdout", "dog")
    ]
    assert kept(run(export(row("r1", round=1, source="auto")), queries=queries, source="holdout"), *names) == [("r1", 1, "auto", "dog")]


def test_without_queries_rows_are_seed_of_round_0_and_counted() -> None:
    found = run(export(row("r1"), row("r2", round=3), row("r3", source="explore")))
    assert kept(found, "id", "round", "source") == [("r1", 0, "seed"), ("r2", 3, "seed"), ("r3", 0, "explore")]
    assert (found.undated, found.assumed, found.queried) == (2, 2, 1)


def test_unknown_ids_and_classes_are_refused_with_what_the_export_says() -> None:
    found = run(
        export(row("r1", "Cat"), row("r2", "ox", annotator="ann"), row("zz", "dog"), row("", "dog")),
        queries=[{"id": "r1"}, {"id": "r2"}],
        classes=frozenset({"cat", "dog"}),
        label_map={"Cat": "cat", "ox": "cow"},
    )
    assert kept(found, "id", "label") == [("r1", "cat")]
    assert sorted(map(repr, found.rejects.to_pylist())) == sorted(
        map(
            repr,
            [
                {"id": "r2", "label": "ox", "annotator": "ann", "reason": "unknown class"},
                {"id": "zz", "label": "dog", "annotator": None, "reason": "unknown id"},
                {"id": "", "label": "dog", "annotator": None, "reason": "no id"},
            ],
        )
    )


def test_a_label_map_may_swap_names() -> None:
    assert kept(run(export(row("r1", "a"), row("r2", "b")), label_map={"a": "b", "b": "a"}), "label") == [("a",), ("b",)]


def test_what_the_log_holds_is_known_even_if_its_query_is_gone() -> None:
    old = log(row("r1", source="exploit", round=1, annotator="ann", labeled_at=3), row("r2", None, status="skipped", round=1))
    new = export(row("r1", annotator="ann", labeled_at=3), row("r2", None, status="skipped"), row("r3"))
    found = run(new, old, [{"id": "r3", "round": 2, "source": "explore"}])
    assert (found.known, kept(found, "id")) == (2, [("r3",)])


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (row(), [row()], "known"),
        (row(round=1), [row()], "known"),  # a sheet that grows from round to round
        (row(), [row(labeled_at=1)], "known"),
        (row(labeled_at=1), [row()], "new"),
        (row(labeled_at=2), [row(labeled_at=1)], "new"),
        (row(labeled_at=1, round=4, seconds="9"), [row(labeled_at=1)], "known"),
        (row(source="holdout"), [row()], "new"),  # said on purpose
        (row(source="seed"), [row()], "known"),
        (row(annotator="ann"), [row()], "new"),
        (row(label="dog"), [row()], "new"),  # a later import corrects an earlier one
        (row(label="dog", round=1), [row()], "new"),
        (row(label="dog", labeled_at=2), [row(labeled_at=1)], "new"),
        (row(label="dog", labeled_at=1), [row(labeled_at=1)], "new"),
        (row(label="dog", labeled_at=1, round=1), [row(labeled_at=1)], "new"),
        (row(label="dog", labeled_at=2), [row()], "new"),
        (row(label="dog", annotator="ann"), [row(annotator="bob")], "new"),
        (row(label="dog"), [row(source="auto")], "new"),
        (row(label="dog"), [row(label=None, status="skipped")], "new"),  # a label goes before a skip
        (row(label=None, status="skipped"), [row()], "new"),
        (row(round=2), [row(), row(label="dog", round=1)], "new"),  # changed back
        (row(), [row(), row(label="dog", round=1)], "known"),
        (row(round=1), [row(), row(label="dog", round=1)], "new"),
        (row(), [row(round=2)], "known"),
        (row(), [row(round=2), row(label="dog", round=3)], "conflict"),
        (row(label="dog"), [row(round=2)], "conflict"),  # nothing says that it is of an older round
        (row(label="dog", round=1), [row(round=2)], "new"),
        (row(), [row(), row(label="dog")], "known"),
    ],
)
def test_against_the_log(new: dict[str, Any], old: list[dict[str, Any]], verdict: str) -> None:
    found = run(export(new), log(*old))
    expected = {"known": (1, 0, {}), "new": (0, 1, {}), "conflict": (0, 0, {"conflict": 1})}[verdict]
    assert (found.known, found.rows.num_rows, found.refused) == expected


def test_conflicts_within_an_export_refuse_both() -> None:
    found = run(export(row("r1"), row("r1", "dog"), row("r1", "dog"), row("r2"), row("r2", "dog", annotator="ann")))
    assert (found.refused, found.known, kept(found, "id")) == ({"conflict": 3}, 0, [("r2",), ("r2",)])


def test_equal_rows_of_an_export_are_one() -> None:
    found = run(export(row(), row(), row()))
    assert (found.rows.num_rows, found.known) == (1, 2)


def test_disagreements_are_counted_in_the_log_as_it_will_be() -> None:
    old = log(row("r1", annotator="ann"), row("r9", annotator="ann"), row("r9", label="dog", annotator="bob"))
    assert run(export(row("r1", "dog", annotator="bob")), old).disagreements == 1
    assert run(export(row("r1", "dog", annotator="ann", round=1)), old).disagreements == 0
    assert run(export(row("r9", annotator="ann")), old).disagreements == 1


def test_integer_ids() -> None:
    new = with_ids(answers("export", {"id": pa.array(["2", "x"]), "label": pa.array(["cat", "cat"])}, None), pa.int64())
    old = log().set_column(0, "id", pa.array([], pa.int64()))
    found = merge(new, old, None, pa.array([2]), Rules())
    assert found.rows["id"].to_pylist() == [2]
    assert found.rejects.to_pylist() == [{"id": "x", "label": "cat", "annotator": None, "reason": "id is no integer"}]


ANSWERS = st.lists(
    st.builds(
        row,
        id=st.sampled_from(["r1", "r2"]),
        label=st.sampled_from(["cat", "dog", "", "ox"]),
        annotator=st.sampled_from(["ann", "bob", None]),
        status=st.sampled_from([None, None, "skipped"]),
        labeled_at=st.sampled_from([None, 0, 1]),
        round=st.sampled_from([None, 0, 1]),
    ),
    min_size=1,
    max_size=8,
)


def facts(outcome: Outcome) -> Any:
    tables = [sorted(repr(tuple(found.values())) for found in table.to_pylist()) for table in (outcome.rows, outcome.rejects)]
    return tables, outcome.known, outcome.unlabeled, outcome.disagreements


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(ANSWERS, ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(old: list[dict[str, Any]], new: list[dict[str, Any]], random: Any) -> None:
    queries = [{"id": "r1", "round": 1, "source": "explore"}, {"id": "r1", "round": 0, "source": "exploit"}]
    held = run(export(*old)).rows
    expected = facts(run(export(*new), held, queries, classes=frozenset({"cat", "dog"})))
    shuffled = [random.sample(part, len(part)) for part in (new, queries)]
    order = random.sample(range(held.num_rows), held.num_rows)
    assert (
        facts(run(export(*shuffled[0]), held.take(pa.array(order, pa.int64())), shuffled[1], classes=frozenset({"cat", "dog"}))) == expected
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(ANSWERS, ANSWERS)
@example(
    [row("r2", annotator="ann", round=1)], [row("r2", "dog", annotator="ann", round=1), row("r2", "dog", annotator="ann", labeled_at=0)]
)
def test_a_second_import_adds_nothing_and_nothing_it_took_is_undecided(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    first = run(export(*old))
    held = arrived(first.rows, 1)
    second = run(export(*new), held)
    after = pa.concat_tables([held, arrived(second.rows, 2)])
    again = run(export(*new), after)
    assert again.rows.num_rows == 0
    assert again.known >= second.known + second.rows.num_rows
    assert again.known + again.rejects.num_rows == second.known + second.rows.num_rows + second.rejects.num_rows
    # People may contradict each other; nobody contradicts himself without a hint which answer is the newer one.
    for annotator in ("ann", "bob", None):
        alone = after.filter(pa.compute.equal(pa.compute.fill_null(after["annotator"], "-"), annotator or "-"))
        assert resolve(alone).undecided == 0


AGAIN = {"id": "r1", "round": 3, "source": "explore", "strategy": "relabel"}
ASKED = pa.schema([*QUERIES, ("strategy", pa.string())])


def run_again(new: pa.Table, queries: list[dict[str, Any]], old: pa.Table) -> Outcome:
    table = pa.Table.from_pylist(queries, ASKED)
    return merge(new, old, table, table.column("id").combine_chunks(), Rules())


@pytest.mark.parametrize(
    ("answer", "queries", "imported"),
    [
        (row(), [AGAIN], 1),  # the same answer to a query that asks again is one
        (row(), [{**AGAIN, "strategy": "margin"}], 0),  # a sheet that is handed in round after round
        (row(round=3), [AGAIN, {**AGAIN, "round": 0, "strategy": "margin"}], 1),
        (row(), [AGAIN, {**AGAIN, "round": 0, "strategy": "margin"}], 0),  # it may be the sheet of the first round
        (row(round=0), [AGAIN], 0),
        (row(label="bee"), [AGAIN], 1),
    ],
)
def test_a_confirmed_label_is_an_answer_where_it_is_certain_that_it_was_asked_again(
    answer: dict[str, Any], queries: list[dict[str, Any]], imported: int
) -> None:
    old = log({"id": "r1", "label": "cat", "source": "explore"})
    outcome = run_again(export(answer), queries, old)
    assert outcome.rows.num_rows == imported
    assert (outcome.known == 0) == bool(imported)
    if imported:
        assert kept(outcome, "round", "source") == [(3, "explore")]
        both = pa.concat_tables([old, outcome.rows.cast(LOG)])
        again = run_again(export(answer), queries, both)
        assert (again.rows.num_rows, again.known) == (0, 1)
