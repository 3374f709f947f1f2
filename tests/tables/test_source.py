"""A table's files, each by its own metadata: class orders, types, folder values, and whose columns count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import probabilities, write

from altool.errors import InputError
from altool.tables.read import Meaning, Reader, Source
from altool.tables.values import clock

NAMES = ("ant", "bee", "cat")


def table(matrix: np.ndarray, ids: list[Any], names: tuple[str, ...] | None) -> pa.Table:
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).reshape(-1)), matrix.shape[1])
    made = pa.table({"id": ids, "probabilities": column})
    return made if names is None else made.replace_schema_metadata({"altool.classes": json.dumps(names)})


def opened(location: Path, kind: str = "predictions", **options: Any) -> Source:
    reader = Reader(**options)
    source = reader.open(str(location), kind)
    reader.match_ids()
    return source


def by_name(source: Source) -> dict[str, dict[str, float]]:
    rows = source.read().to_pylist()
    return {row["id"]: dict(zip(source.classes, row["probabilities"], strict=True)) for row in rows}


def test_each_file_has_its_own_order_of_classes(tmp_path: Path) -> None:
    matrix = probabilities(6)
    order = [2, 0, 1]
    write(table(matrix[:3], ["a", "b", "c"], NAMES), tmp_path / "t/1.parquet")
    write(table(matrix[3:5][:, order], ["d", "e"], tuple(NAMES[place] for place in order)), tmp_path / "t/2.parquet")
    wide = {f"p:{NAMES[place]}": matrix[5:, place] for place in (1, 2, 0)}
    write(pa.table({"id": ["f"], **wide}), tmp_path / "t/3.parquet")
    expected = {name: dict(zip(NAMES, row.tolist(), strict=True)) for name, row in zip("abcdef", matrix, strict=True)}
    assert by_name(opened(tmp_path / "t")) == expected
    assert by_name(opened(tmp_path / "t", classes="cat,ant,bee")) == expected


def test_ids_of_labels_may_be_those_of_a_sheet(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("id,altool_id,label\n7,a,ant\n")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/1.csv").write_text("altool_id,label\na,ant\n")
    (tmp_path / "mixed/2.csv").write_text("id,label\nb,bee\n")
    assert opened(tmp_path / "sheet.csv", "labels").read(["id"]).column("id").to_pylist() == ["a"]
    assert opened(tmp_path / "sheet.csv", "labels", columns="id=id").read(["id"]).column("id").to_pylist() == ["7"]
    assert opened(tmp_path / "mixed", "labels").read(["id"]).column("id").to_pylist() == ["a", "b"]
    assert opened(tmp_path / "sheet.csv", "ids").read(["id"]).column("id").to_pylist() == ["7"]
    write(pa.table({"altool_id": [3, 4], "label": ["ant", "bee"]}), tmp_path / "numbers.parquet")
    assert opened(tmp_path / "numbers.parquet", "labels").id_type == pa.int64()
    (tmp_path / "twice.csv").write_text("altool_id,altool_id,label\na,b,ant\n")
    with pytest.raises(InputError, match=r"two columns of .*twice.csv are called 'altool_id'"):
        opened(tmp_path / "twice.csv", "labels")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (("ant", "bee", "dog"), r"2.parquet has other classes than .*1.parquet \(it has dog and lacks cat\)"),
        (("ant", "bee"), r"2.parquet has other classes than .*1.parquet \(it lacks cat\)"),
        (None, "the classes of the probabilities are unnamed in .*2.parquet, and named in other files"),
    ],
)
def test_files_of_other_classes_are_refused(tmp_path: Path, second: tuple[str, ...] | None, message: str) -> None:
    write(table(probabilities(2), ["a", "b"], NAMES), tmp_path / "t/1.parquet")
    write(table(probabilities(2, len(second or NAMES)), ["c", "d"], second), tmp_path / "t/2.parquet")
    with pytest.raises(InputError, match=message):
        opened(tmp_path / "t").read()


def test_classes_of_the_command_line_name_the_files_that_name_none(tmp_path: Path) -> None:
    matrix = probabilities(2)
    write(table(matrix[:1], ["a"], None), tmp_path / "t/1.parquet")
    write(table(matrix[1:], ["b"], NAMES), tmp_path / "t/2.parquet")
    found = by_name(opened(tmp_path / "t", classes=",".join(NAMES)))
    assert [list(found[name].values()) for name in "ab"] == matrix.tolist()


@pytest.mark.parametrize("text", ["no json", '{"a": 1}', "[1, 2, 3]", "[]", "[" * 10_000, '["a", "\\ud800", "c"]'])
def test_metadata_of_any_shape_is_refused(tmp_path: Path, text: str) -> None:
    made = table(probabilities(2), ["a", "b"], None).replace_schema_metadata({"altool.classes": text})
    write(made, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t.parquet: its metadata altool.classes"):
        _ = opened(tmp_path / "t.parquet").classes


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write(table(probabilities(2), ["a", "b"], None).replace_schema_metadata({"altool.kind": b"\xff"}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="its metadata is not UTF-8"):
        opened(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    "ids",
    [
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint32()), pa.array(["a", "b"], pa.string_view())),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.string_view()),
    ],
)
def test_ids_of_any_kind_of_text(tmp_path: Path, ids: pa.Array) -> None:
    made = pa.table({"id": ids, "text": ["x", "y"]})
    with pa.OSFile(str(tmp_path / "t"), "wb") as stream, pa.ipc.new_file(stream, made.schema) as writer:
        writer.write_table(made)
    assert opened(tmp_path / "t", "items").read(["id"]).column("id").to_pylist() == ["a", "b"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.uint64(), pa.int64()])
def test_ids_of_any_kind_of_integer(tmp_path: Path, kind: pa.DataType) -> None:
    write(pa.table({"id": pa.array([1, 2], kind), "text": ["x", "y"]}), tmp_path / "t")
    assert opened(tmp_path / "t", "items").read(["id"]).column("id").to_pylist() == [1, 2]


def test_an_integer_beyond_64_bits_is_no_id(tmp_path: Path) -> None:
    write(pa.table({"id": pa.array([1, 2**63], pa.uint64()), "text": ["x", "y"]}), tmp_path / "t")
    with pytest.raises(InputError, match="holds uint64, not int64"):
        opened(tmp_path / "t", "items").read()


def test_texts_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    for column in ("id", "label", "annotator"):
        raw = pa.array([b"a", b"\xff"], pa.binary())
        bad = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
        columns = {"id": pa.array(["a", "b"]), "label": pa.array(["x", "y"]), "annotator": pa.array(["k", "k"])}
        write(pa.table({**columns, column: bad}), tmp_path / "t")
        with pytest.raises(InputError, match=f"column '{column}': .* holds texts that are not UTF-8"):
            opened(tmp_path / "t", "labels").read()


def test_folder_values_and_files_may_agree(tmp_path: Path) -> None:
    for number in (0, 1):
        write(pa.table({"id": [f"r{number}"], "label": ["x"], "round": pa.array([number])}), tmp_path / f"t/round=0{number}/a.parquet")
    assert sorted(opened(tmp_path / "t", "labels").read().column("round").to_pylist()) == [0, 1]
    write(pa.table({"id": ["z"], "label": ["x"], "round": [7]}), tmp_path / "t/round=8/a.parquet")
    with pytest.raises(InputError, match="holds 7, its folder's name gives '8'"):
        opened(tmp_path / "t", "labels").read()


def test_ids_of_folder_names_stay_text_unless_the_other_tables_have_integers(tmp_path: Path) -> None:
    for name in ("0001", "2"):
        write(pa.table({"text": ["x"]}), tmp_path / f"t/id={name}/a.parquet")
    assert sorted(opened(tmp_path / "t", "items").read().column("id").to_pylist()) == ["0001", "2"]
    reader = Reader()
    source = reader.open(str(tmp_path / "t"), "items")
    write(pa.table({"id": [1, 2], "label": ["x", "y"]}), tmp_path / "l.parquet")
    reader.open(str(tmp_path / "l.parquet"), "labels")
    reader.match_ids()
    with pytest.raises(InputError, match=r"with an id that is not an integer, as the other tables' ids are \(ids 0001\)"):
        source.read()


def test_a_foreign_column_counts_only_where_it_is_named(tmp_path: Path) -> None:
    made = table(probabilities(2), ["a", "b"], NAMES).append_column("fold", pa.array([3, 4]))
    write(made, tmp_path / "t.parquet")
    assert "fold" not in opened(tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet", columns="fold=fold").read().column("fold").to_pylist() == [3, 4]
    own = made.replace_schema_metadata({**made.schema.metadata, b"altool.kind": b"predictions"})
    write(own, tmp_path / "t.parquet")
    assert "fold" in opened(tmp_path / "t.parquet")
    assert "fold" not in opened(tmp_path / "t.parquet", columns="fold=")


def test_a_part_without_rows_has_no_say(tmp_path: Path) -> None:
    write(pa.table({"id": pa.nulls(0), "probabilities": pa.nulls(0)}), tmp_path / "t/0.parquet")
    write(table(probabilities(2), ["a", "b"], NAMES), tmp_path / "t/1.parquet")
    assert opened(tmp_path / "t").classes == NAMES


def test_what_a_file_lacks_is_said_at_once(tmp_path: Path) -> None:
    write(pa.table({"name": ["a"], **{f"column-{number}": [0] for number in range(5000)}}), tmp_path / "t/1.parquet")
    with pytest.raises(InputError) as caught:
        opened(tmp_path / "t", "labels")
    path = tmp_path / "t/1.parquet"
    assert caught.value.message.startswith(f"labels {tmp_path / 't'}: {path} has no columns 'id', 'label' (it has name, column-0, ")
    assert caught.value.message.endswith(" and 4,981 more)")


@pytest.mark.parametrize("column", ["id", "label"])
def test_two_columns_of_one_name(tmp_path: Path, column: str) -> None:
    made = pa.Table.from_arrays([pa.array(["a"]), pa.array(["x"]), pa.array(["b"])], ["id", "label", column])
    write(made, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=f"two columns of .*t.parquet are called '{column}'"):
        opened(tmp_path / "t.parquet", "labels")


def test_two_payload_columns_of_one_name_do_not_matter(tmp_path: Path) -> None:
    write(pa.Table.from_arrays([pa.array(["a"]), pa.array(["x"]), pa.array([1]), pa.array([2])], ["id", "label", "n", "n"]), tmp_path / "t")
    assert opened(tmp_path / "t", "labels").read().num_rows == 1


def test_labels_that_are_numbers(tmp_path: Path) -> None:
    for values, expected in (
        ([1.0, None, 0.0], ["1", None, "0"]),
        ([1, None, 0], ["1", None, "0"]),
        ([True, None, False], ["true", None, "false"]),
    ):
        write(pa.table({"id": ["a", "b", "c"], "label": values}), tmp_path / "t")
        assert opened(tmp_path / "t", "labels").read().column("label").to_pylist() == expected
    write(pa.table({"id": ["a", "b"], "label": [1.0, 1.5]}), tmp_path / "t")
    with pytest.raises(InputError, match=r"1 row with a fraction, which is not a class \(ids b\)"):
        opened(tmp_path / "t", "labels").read()


def test_a_number_below_0_is_a_label_only_where_it_is_said(tmp_path: Path) -> None:
    write(pa.table({"id": ["a", "b", "c"], "label": [0, -1, -100]}), tmp_path / "t")
    with pytest.raises(InputError, match=r"column 'label': 2 rows with a number below 0 \(ids b, c\)") as caught:
        opened(tmp_path / "t", "labels").read()
    assert "--unlabeled-value -1" in caught.value.hint
    assert opened(tmp_path / "t", "labels", classes="0,-1,-100").read().num_rows == 3
    assert opened(tmp_path / "t", "labels", meaning=Meaning(unlabeled=("-1", "-100"))).read().num_rows == 3


def test_class_numbers_of_a_hugging_face_table_are_names(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    made = pa.table({"id": ["a", "b", "c"], "label": [1, 0, -1]}).replace_schema_metadata({"huggingface": json.dumps(info)})
    write(made, tmp_path / "t")
    assert opened(tmp_path / "t", "labels").read().column("label").to_pylist() == ["dog", "cat", None]
    write(made.set_column(1, "label", pa.array([1, 2, 0])), tmp_path / "t")
    with pytest.raises(InputError, match="class number 2 has no name among the 2"):
        opened(tmp_path / "t", "labels").read()


def test_times_by_one_rule(tmp_path: Path) -> None:
    write(pa.table({"id": ["a"], "label": ["x"], "labeled_at": [1714557600]}), tmp_path / "t")
    with pytest.raises(InputError, match=r"column 'labeled_at': 1 row without a time that has an offset \(ids a\)") as caught:
        opened(tmp_path / "t", "labels").read()
    assert "--time-unit s" in caught.value.hint
    assert "labeled_at" not in opened(tmp_path / "t", "labels", columns="labeled_at=").read().column_names
    (row,) = opened(tmp_path / "t", "labels", meaning=Meaning(clock(None, "s"))).read().to_pylist()
    assert row["labeled_at"].isoformat() == "2024-05-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([[0.3], [0.9]], "--score COLUMN --classes NEG,POS"),
        ([[-0.1, -2.4], [-1.2, -0.3]], "as logarithms are"),
        ([[-0.1, 2.4], [1.2, -0.3]], "as logits are"),
        ([[40.0, 60.0], [99.5, 0.6]], "as percents do"),
        ([[3.0, 1.0], [0.0, 5.0]], "as votes are"),
        ([[0.33, 0.64], [0.5, 0.51]], "they seem to be rounded"),
        ([[0.9, 0.8], [0.1, 0.2]], "altool chooses for one label per row"),
    ],
)
def test_numbers_that_are_no_probabilities_are_named(tmp_path: Path, rows: list[list[float]], hint: str) -> None:
    from altool.tables.derive import derive

    write(table(np.array(rows, np.float32), ["a", "b"], None), tmp_path / "t")
    with pytest.raises(InputError) as caught:
        derive(opened(tmp_path / "t"), ["probabilities"], lambda values: None)
    assert hint in caught.value.hint


def test_the_rounding_of_fasttext_is_taken(tmp_path: Path) -> None:
    from altool.tables.derive import derive

    for classes in (2, 5000):
        matrix = np.full((1, classes), 1e-5, np.float32)
        matrix[0, 0] = 1.0000096
        write(table(matrix, ["a"], None), tmp_path / "t")
        derive(opened(tmp_path / "t"), ["probabilities"], lambda values: None)


def test_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;p:ant;p:bee\na;0,25;0,75\nb;1;0\n")
    assert opened(tmp_path / "t.csv").read().column("probabilities").to_pylist() == [[0.25, 0.75], [1, 0]]
    (tmp_path / "t.csv").write_text("id;p:ant;p:bee\na;0,25;0,75\nb;0.5;0,5\n")
    with pytest.raises(InputError, match=r"column 'p:ant': 1 row with a value that is not a number \(ids a\)"):
        opened(tmp_path / "t.csv").read()


def test_queries_in_csv_are_altools_by_their_columns(tmp_path: Path) -> None:
    header = "id,rank,score,strategy,round,source,tier"
    (tmp_path / "q.csv").write_text(f"{header}\na,1,0.5,clarifier,0,exploit,hard\n")
    assert opened(tmp_path / "q.csv", "queries").read().column("tier").to_pylist() == ["hard"]
    (tmp_path / "q.csv").write_text("id,rank,tier\na,1,gold\n")
    assert "tier" not in opened(tmp_path / "q.csv", "queries")


def test_a_column_that_means_something_else_may_be_left_out(tmp_path: Path) -> None:
    write(pa.table({"id": ["a"], "label": ["x"], "round": ["first"]}), tmp_path / "t")
    with pytest.raises(InputError, match=r"column 'round': 1 row with a value that is not an integer \(ids a\)") as caught:
        opened(tmp_path / "t", "labels").read()
    assert caught.value.hint.endswith("is left out by --columns round=")
    assert opened(tmp_path / "t", "labels", columns="round=").read().num_rows == 1
