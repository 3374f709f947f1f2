"""Names of classes and people: structure is no name, look-alikes are told, new classes are listed, skips are possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import counted, imported, queries

from altool.errors import InputError, UsageError
from altool.labels import label_map
from altool.labels.exchange import NO_TEXT, SEVERAL, choice
from altool.labels.lookalikes import alike, nearest, quoted, trimmed

IDS = [f"r-{number}" for number in range(1, 10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries(tmp_path, IDS)
    return tmp_path


def sheet(folder: Path, *labels: str, annotator: str = "kim") -> str:
    rows = [f'{id_},"{label}",{annotator}' for id_, label in zip(IDS, labels, strict=False)]
    (folder / "sheet.csv").write_text("altool_id,label,annotator\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return "sheet.csv"


@pytest.mark.parametrize(
    ("value", "label", "reason"),
    [
        ("cat", "cat", None),
        (3, "3", None),
        (True, "true", None),
        (None, None, None),
        (["cat"], "cat", None),
        ([], None, None),
        (["cat", "dog"], '["cat", "dog"]', SEVERAL),
        ('["cat"]', "cat", None),
        ("[]", None, None),
        ('["cat","dog"]', '["cat", "dog"]', SEVERAL),
        ("['cat']", "cat", None),
        ({"choices": ["cat"]}, "cat", None),
        ('{"choices": ["cat"]}', "cat", None),
        ('{"choices": ["cat", "dog"]}', '["cat", "dog"]', SEVERAL),
        ("[UNK]", "[UNK]", None),
        ("{x}", "{x}", None),
    ],
)
def test_one_class_in_a_list_is_a_label(value: Any, label: str | None, reason: str | None) -> None:
    assert choice(value) == (label, reason)


@pytest.mark.parametrize(
    "value",
    [
        [["Animal", "Cat"]],
        [{"taxonomy": [["Animal", "Cat"]]}],
        '[{"taxonomy":[["Animal","Cat"]]}]',
        '[{"rating":4}]',
        {"rating": 4},
        '{"rating": 4}',
        "{'rating': 4}",
        "['cat', 'dog']",
        "['cat' 'dog']",
        "[['Animal', 'Cat']]",
        ['["cat"]'],
        ["[]"],
        ["{ }"],
        ["cat", 1],
        [1.5],
        1.5,
        [None],
    ],
)
def test_no_class_is_made_of_structure(value: Any) -> None:
    assert choice(value)[1] == NO_TEXT


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_class_number_is_no_name_where_the_name_stands_beside_it(folder: Path, form: str) -> None:
    rows = [{"altool_id": "r-1", "label": 0, "label_text": "cat"}, {"altool_id": "r-2", "label": 1, "label_text": "dog"}]
    lines = [",".join(map(str, row.values())) for row in rows]
    text = "\n".join(map(json.dumps, rows)) if form == "jsonl" else "\n".join([",".join(rows[0]), *lines]) + "\n"
    (folder / "e").write_text(text)
    with pytest.raises(InputError, match="'label' holds numbers, and 'label_text' the names of the classes"):
        imported(folder, "e")
    imported(folder, "e", columns="label=label_text")
    assert counted(folder) == {"r-1": "cat", "r-2": "dog"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet", "minimal", "label-studio-csv"])
def test_lists_are_alike_in_every_format(folder: Path, form: str) -> None:
    labels: list[list[str]] = [["cat"], [], ["cat", "dog"]]
    rows: list[dict[str, Any]] = [{"altool_id": id_, "label": label} for id_, label in zip(IDS, labels, strict=False)]
    quoted_ = [json.dumps(label).replace('"', '""') for label in labels]
    if form == "csv":
        (folder / "e").write_text("altool_id,label\n" + "".join(f'{id_},"{label}"\n' for id_, label in zip(IDS, quoted_, strict=False)))
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "e")
    elif form == "label-studio-csv":
        lines = [f'{id_},1,kim,"{label}"' for id_, label in zip(IDS, quoted_, strict=False)]
        (folder / "e").write_text("altool_id,annotation_id,annotator,label\n" + "\n".join(lines) + "\n")
    else:
        rows = [{**row, "annotation_id": 1} for row in rows] if form == "minimal" else rows
        (folder / "e").write_text("\n".join(map(json.dumps, rows)) if form == "jsonl" else json.dumps(rows))
    summary = imported(folder, "e")
    assert (summary["imported"], summary["unlabeled"], summary["refused"]) == (1, 1, {"several classes": 1})
    assert counted(folder) == {"r-1": "cat"}


def test_look_alikes_are_shown_with_their_blanks(folder: Path) -> None:
    summary = imported(
        folder,
        sheet(folder, "positive", "positive ", "Positive", "\u00a0negative", "negative", "caf\u00e9", "cafe\u0301", "a\u200bb", "ab"),
    )
    assert summary["imported"] == 9
    assert summary["warnings"][0] == (
        'classes that look alike: "a\\u200bb" like "ab", "cafe\\u0301" like "caf\u00e9", "positive" like "Positive", '
        '"positive " like "Positive", "\\xa0negative" like "negative"; '
        "take them as one with --trim (blanks at the ends) or --label-map OLD=NEW"
    )
    again = imported(folder, "sheet.csv")["warnings"]
    assert again[0].startswith("classes that look alike: ")  # always


def test_a_look_alike_of_a_known_class_is_refused_in_quotes(folder: Path) -> None:
    queries(folder, IDS, ["positive", "negative"])
    summary = imported(folder, sheet(folder, "positive", "positive "))
    assert summary["warnings"][0].startswith(
        f'refused: unknown class, 1 row (classes "positive "; {folder / "sheet.csv"} line 3; ids r-2); '
    )
    assert summary["warnings"][1].startswith('classes that look alike: "positive " like "positive"; ')


def test_trim_takes_blanks_at_the_ends_away(folder: Path) -> None:
    queries(folder, IDS, ["positive", "negative"])
    summary = imported(folder, sheet(folder, "positive", "positive ", "\u00a0negative\u200b"), trim=True)
    assert (summary["imported"], summary["warnings"]) == (3, [])
    assert counted(folder) == {"r-1": "positive", "r-2": "positive", "r-3": "negative"}


def test_people_who_look_alike_are_told(folder: Path) -> None:
    (folder / "e").write_text("altool_id,label,annotator\nr-1,cat,kim\nr-2,cat,Kim\nr-3,cat,kim \n")
    told = [text for text in imported(folder, "e")["warnings"] if text.startswith("annotators")]
    assert told == [
        'annotators who look alike: "kim" like "Kim", "kim " like "Kim"; they count as two people: --trim (blanks at the ends), '
        "or mend the export"
    ]


def test_in_a_first_round_new_classes_are_listed(folder: Path) -> None:
    summary = imported(folder, sheet(folder, "balance", "balance", "Balence", "weather", "translate", "translate", "translaet"))
    assert summary["warnings"] == [
        "no list of classes is given; new classes: Balence (1) looks like balance (2), translaet (1) looks like translate (2), "
        "balance (2), translate (2), weather (1); if one is wrong: --classes A,B or --rename OLD=NEW"
    ]
    assert imported(folder, "sheet.csv")["warnings"] == []  # nothing new
    (folder / "more.csv").write_text("altool_id,label,annotator\nr-8,balanse,kim\n")
    assert imported(folder, "more.csv")["warnings"] == [
        "no list of classes is given; new classes: balanse (1) looks like balance (2); if one is wrong: --classes A,B or --rename OLD=NEW"
    ]


def test_classes_txt_beside_the_log_closes_the_list(folder: Path) -> None:
    (folder / "classes.txt").write_text("balance\nweather\n")
    summary = imported(folder, sheet(folder, "balance", "Balence"))
    assert summary["refused"] == {"unknown class": 1}
    assert imported(folder, "sheet.csv", classes="balance,Balence")["imported"] == 1  # --classes goes before it


def test_nearest_names() -> None:
    counts = {"balance": 5, "cat": 9, "3": 4, "8": 2}
    assert nearest("Balence", counts) == "balance"
    assert nearest("car", counts) == "cat"
    assert nearest("dog", counts) is None
    assert nearest("7", counts) is None
    assert nearest("2021", {"2022": 3}) is None
    assert nearest("balance", {"balanse": 1, "balance": 5}) is None  # the more frequent one is right


def test_what_looks_alike() -> None:
    assert alike({"a b"}, {"a\u00a0b", "A  B"}) == [("a b", "A  B"), ("a\u00a0b", "A  B")]
    assert alike({"cat"}, {"cat", "dog"}) == []
    assert trimmed("\ufeff cat\u3000") == "cat"
    assert quoted('a"\t') == '"a\\"\\t"'


def test_skips_are_possible_in_a_sheet(folder: Path) -> None:
    (folder / "e").write_text(
        "altool_id,label,skip,annotator\nr-1,cat,,kim\nr-2,,x,kim\nr-3,,YES,kim\nr-4,?,,kim\nr-5,Skip,,kim\nr-6,,no,kim\nr-7,cat,1,kim\nr-8,,perhaps,kim\n"
    )
    summary = imported(folder, "e")
    assert (summary["imported"], summary["skipped"], summary["unlabeled"]) == (5, 4, 1)
    assert summary["refused"] == {"a label and a skip": 1, "skip is neither yes nor no": 1}
    assert counted(folder) == {"r-1": "cat", "r-2": None, "r-3": None, "r-4": None, "r-5": None}


def test_a_class_may_be_called_skip(folder: Path) -> None:
    queries(folder, IDS, ["skip", "cat"])
    imported(folder, sheet(folder, "skip", "cat", "?"))
    assert counted(folder) == {"r-1": "skip", "r-2": "cat", "r-3": None}


def test_several_skip_values(folder: Path) -> None:
    imported(folder, sheet(folder, "no idea", "unsure", "cat"), skip_value=["no idea", "unsure"])
    assert counted(folder) == {"r-1": None, "r-2": None, "r-3": "cat"}


@pytest.mark.parametrize(
    "content",
    ['"Home, garden" = "home"\n"a=b" = "ab"\n', '{"Home, garden": "home", "a=b": "ab"}', 'old,new\n"Home, garden",home\na=b,ab\n'],
)
def test_names_with_a_comma_or_equals_are_mapped_by_a_file(folder: Path, content: str) -> None:
    (folder / "names").write_text(content)
    imported(folder, sheet(folder, "Home, garden", "a=b", "cat"), label_map=[str(folder / "names"), "cat=dog"])
    assert counted(folder) == {"r-1": "home", "r-2": "ab", "r-3": "dog"}


def test_label_maps_on_the_command_line() -> None:
    assert label_map.parse(["a=b,c=d", "Home, garden=home"]) == {"a": "b", "c": "d", "Home, garden": "home"}
    for wrong in (["a=b,c"], ["a"], ["a=b", "a=c"], ["=b"]):
        with pytest.raises(UsageError, match=r"expected OLD=NEW|is given twice"):
            label_map.parse(wrong)


@pytest.mark.parametrize("content", ['{"a": 1}', '["a"]', "a,b,c\n", '{"a": '])
def test_a_label_map_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "names").write_text(content)
    with pytest.raises(InputError, match="--label-map"):
        label_map.parse([str(tmp_path / "names")])
