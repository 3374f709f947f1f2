import csv
import io
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import InputError
from altool.formats.csv import write as write_csv
from altool.labels.exchange import Task
from altool.labels.opening import open_exports
from altool.tables import write
from altool.tables.read import Reader, plan
from altool.tables.targets import Target, read_targets


def targets(path: Path, content: str) -> dict[str, Target]:
    path.write_text(content)
    return read_targets(Reader(), str(path)).resolve(["a", "b"])


def test_toml_and_table_say_the_same(tmp_path: Path) -> None:
    toml = '[default]\nmetric = "recall_at_precision"\ntarget = 0.95\nat_precision = 0.9\n[class."b"]\npriority = 0\n'
    table = "class,metric,target,at_precision,priority\na,recall_at_precision,0.95,0.9,\nb,recall_at_precision,0.95,0.9,0\n"
    expected = {"a": Target("recall_at_precision", 0.95, 0.9, 1), "b": Target("recall_at_precision", 0.95, 0.9, 0)}
    assert targets(tmp_path / "t.toml", toml) == expected
    assert targets(tmp_path / "t.csv", table) == expected


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[default]\nmetric = "auc"\ntarget = 0.9', "unknown metric 'auc'"),
        ('[default]\nmetric = "f1"\ntarget = 95', "expected a number from 0 to 1, found 95"),
        ('[default]\nmetric = "f1"\ntarget = nan', "found nan"),
        ('[default]\nmetric = "recall_at_precision"\ntarget = 0.9', "needs one"),
        ('[default]\nmetric = "f1"\ntarget = 0.9\ngoal = 1', "unknown key 'goal'"),
        ('[default]\nmetric = "f1"\ntarget = [0.9]', r"t.toml, \[default\], column 'target': expected a number from 0 to 1, found \[0.9\]"),
        ('[default]\nmetric = ["f1"]\ntarget = 0.9', r"column 'metric': unknown metric \['f1'\]"),
        ("[default]\nmetric = {a = 1}\ntarget = 0.9", "column 'metric': unknown metric {'a': 1}"),
        (
            '[class."a"]\nmetric = "f1"\ntarget = 1979-05-27',
            "class 'a', column 'target': expected a number from 0 to 1, found datetime.date",
        ),
        (
            '[default]\nmetric = "f1"\ntarget = 0.9\npriority = inf',
            "column 'priority': expected a number from 0 to 1,000,000,000, found inf",
        ),
        ('[default]\nmetric = "f1"\ntarget = 0.9\npriority = ' + "9" * 400, "found 999"),
        ('class = []\n[default]\nmetric = "f1"\ntarget = 0.9', "expected"),
        ("default = 5", "expected"),
        ("a = " + "[" * 50_000, "nested more than 100 deep"),
        ("oops", "not TOML"),
        ("target = 0.9", "expected"),
    ],
)
def test_what_is_no_target(tmp_path: Path, toml: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        targets(tmp_path / "t.toml", toml)


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207c\u208a\u2212"
BLANKS = (
    "\t\n\r\x0b\x0c\x1f\x85 \xa0\xad\u034f\u115f\u1680\u180e\u2003\u200b\u200e\u2028\u2029\u202e\u2060\u2800\u3000\u3164\ufe0f\ufeff\uffa0"
)
WRITABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from(SIGNS + BLANKS + "'\"\r\n,;"))


@given(WRITABLE)
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    guarded = write.cell(text)
    assert guarded in (text, "'" + text)
    assert guarded.startswith("'") or not guarded.strip(BLANKS).startswith(tuple(SIGNS))
    assert write.unguarded(guarded) == text


@pytest.mark.parametrize("sign", SIGNS)
def test_a_formula_is_guarded_behind_any_blank(sign: str) -> None:
    for blank in ("", *BLANKS, " \u200b\n", "'"):
        assert write.cell(f"{blank}{sign}1+1") == f"'{blank}{sign}1+1"
        assert write.unguarded(f"'{blank}{sign}1+1") == f"{blank}{sign}1+1"
    assert write.cell(f"a{sign}1") == f"a{sign}1"


@pytest.mark.parametrize("text", ["a\0b", "\ud83d", "=\udfff"])
def test_what_csv_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="which CSV cannot"):
        write.cell(text)


@pytest.mark.slow
@given(st.lists(WRITABLE.filter(bool), min_size=1, max_size=5, unique=True))
def test_what_is_written_as_csv_is_read_back(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = f"{folder}/q.csv"
        table = pa.table({"id": pa.array(texts), "suggested_label": pa.array(texts[::-1])})
        write.write_table(table, "queries", location, origin={})
        found = Reader().open(location, "queries").read(["id", "suggested_label"])
        sheet = write_csv([Task(text, 1, 0, text=text, suggested_label=text) for text in texts], ())[""]
        Path(location).write_bytes(sheet)
        export = open_exports(location)[0]
    assert found.to_pydict() == table.to_pydict()
    assert export.table is not None
    assert [export.table.column(name).to_pylist() for name in ("altool_id", "text", "suggestion")] == [texts] * 3


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=1, max_size=5))
def test_csv_is_rfc_4180(texts: list[str]) -> None:
    stream = io.BytesIO()
    write._write(pa.table({"label": pa.array(texts), "id": range(len(texts))}), stream, "csv")
    rows = list(csv.reader(io.StringIO(stream.getvalue().decode(), newline="")))
    assert [write.unguarded(row[0]) for row in rows[1:]] == texts


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with write.replacing(tmp_path / "t") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    (tmp_path / "t").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert (tmp_path / "t").read_text() == "old"


def test_the_plan_of_reading(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [f"{row:08d}" for row in range(10)], "image": [b"x" * 100_000] * 10}), tmp_path / "t", row_group_size=4)
    source = Reader().open(str(tmp_path / "t"), "items")
    pieces = plan(source.fragments, [["id"]])
    assert [(piece.group, piece.batch_rows) for piece in pieces] == [(0, 65_536), (1, 65_536), (2, 65_536)]
    assert source.num_rows == 10
