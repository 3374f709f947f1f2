"""`altool report --history`: how many more labels each class needs to its target, and what they cost."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.reporting.forecast import rough

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee", "cow")
HELD = 200  # rows of each class
LABELS = [60, 120, 240, 480, 960]
# What is found of the 200 rows of each class in each round: 0.95 - 4 / sqrt(n) for ants; bees do not change; cows are met.
FOUND = {"ant": [87, 117, 138, 153, 164], "bee": [140] * 5, "cow": [200] * 5}


def predictions(number, *, fold=False):
    """Every held-out row, those of a class that are missed predicted as cow (cows: as they are)."""
    ids, rows = [], []
    for code, name in enumerate(CLASSES):
        for row in range(HELD):
            ids.append(f"{name}{row:03d}")
            rows.append(code if row < FOUND[name][number] else 2)
    likeliest = np.eye(3, dtype=np.float32)[rows] * 0.7 + 0.1
    table = pa.table({"id": ids, "probabilities": pa.array(likeliest.tolist(), pa.list_(pa.float32(), 3))})
    if fold:
        table = table.append_column("fold", pa.array([0] * len(ids), pa.int16()))
    metadata = {"altool.kind": "predictions", "altool.classes": json.dumps(CLASSES)}
    pq.write_table(table.replace_schema_metadata(metadata), f"p{number}.parquet")


def labels(number, *, source="holdout", seconds=None):
    rows = [(f"{name}{row:03d}", name, source, 0, None) for name in CLASSES for row in range(HELD)]
    for place in range(LABELS[number]):
        rows.append((f"x{place:04d}", CLASSES[place % 3], "seed" if place < LABELS[0] else "exploit", number, seconds))
    names = ("id", "label", "source", "round", "seconds")
    types = (pa.string(), pa.string(), pa.string(), pa.int32(), pa.float32())
    table = pa.table({name: pa.array([row[place] for row in rows], types[place]) for place, name in enumerate(names)})
    pq.write_table(table, f"l{number}.parquet")


@pytest.fixture
def project(tmp_path, monkeypatch, altool):
    """Rounds 0 to 4, measured on one holdout; targets of recall."""
    monkeypatch.chdir(tmp_path)
    Path("targets.toml").write_text('[default]\nmetric = "recall"\ntarget = 0.88\n')
    for number in range(5):
        predictions(number)
        labels(number)
        report(altool, number, "--metrics-output", f"m{number}.parquet")
    return tmp_path


def report(altool, number, *more, history=True):
    earlier = [part for before in range(number) for part in ("--history", f"m{before}.parquet")] if history else []
    names = ("--predictions", f"p{number}.parquet", "--labels", f"l{number}.parquet", "--targets", "targets.toml", "--round", number)
    return altool("report", *map(str, names), *earlier, *more)


def rows(number):
    found = [row for row in pq.read_table(f"m{number}.parquet").to_pylist() if row["metric"] == "recall"]
    return {row["class"]: row for row in found}


def test_each_class_is_told_what_it_needs(project, altool):
    found = rows(4)
    assert {name: row["forecast"] for name, row in found.items()} == {"ant": "labels", "bee": "levels off", "cow": "reached"}
    ant = found["ant"]
    needed = (4 / (0.95 - 0.88)) ** 2 - 960
    assert ant["labels_to_target_low"] <= needed <= ant["labels_to_target_high"]
    assert ant["labels_to_target_low"] < ant["labels_to_target"] < ant["labels_to_target_high"]
    assert [found["bee"][name] for name in found["bee"] if name.startswith("labels_to_target")] == [None] * 3
    assert [found["cow"][name] for name in found["cow"] if name.startswith("labels_to_target")] == [0] * 3
    others = [row for row in pq.read_table("m4.parquet").to_pylist() if row["metric"] != "recall"]
    assert {row["forecast"] for row in others} == {None}


def test_the_first_three_rounds_cannot_tell(project):
    for number in range(3):
        assert {name: row["forecast"] for name, row in rows(number).items()} == {
            "ant": "cannot tell",
            "bee": "cannot tell",
            "cow": "reached",
        }


def test_the_terminal_has_a_table_and_a_sum(project, altool):
    done = report(altool, 4)
    text = " ".join(done.text.split())
    ant = rows(4)["ant"]
    value, low, high = (rough(ant[f"labels_to_target{end}"]) for end in ("", "_low", "_high"))
    assert f"ant {value:,} {low:,}–{high:,}" in text
    assert re.search(r"bee levels off at 0\.7\d 0\.\d\d–0\.\d\d", text)
    assert (
        f"forecast: {value:,} more labels [{low:,}, {high:,}] for the target of 1 of 2 open classes; 1 not reachable with this model"
        in text
    )
    assert "a round of 480, as large as the last," in text


def test_seconds_make_it_a_time(project, altool):
    """900 of the 960 labels took 6 seconds each; the seed set is free."""
    labels(4, seconds=6.0)
    found = json.loads(report(altool, 4, "--json").stdout)
    ant = found["forecast"]["classes"][0]
    assert (ant["class"], ant["state"]) == ("ant", "labels")
    assert ant["needed"]["cost"] == pytest.approx([6 * number for number in ant["needed"]["labels"]])
    assert found["forecast"]["together"] == ant["needed"]
    assert found["forecast"]["unit"] == "seconds"
    hours = f"{ant['needed']['cost'][0] / 3600:.1f} h"
    text = " ".join(report(altool, 4).text.split())
    assert f"] ({hours} [" in text
    priced = json.loads(report(altool, 4, "--json", "--cost-verify", "1", "--cost-answer", "2").stdout)["forecast"]
    assert (priced["unit"], priced["classes"][0]["needed"]["cost"][0]) == ("cost", pytest.approx(2 * ant["needed"]["labels"][0]))


def test_the_page_has_a_section(project, altool):
    report(altool, 4, "-o", "page.html")
    text = Path("page.html").read_text()
    assert "<summary>Forecast</summary>" in text
    assert "levels off at 0.7" in text
    report(altool, 1, "-o", "early.html")
    assert "<summary>Forecast</summary>" not in Path("early.html").read_text()


def test_few_rounds_or_no_holdout_are_said(project, altool):
    assert "forecast: cannot tell yet, 2 of at least 4 rounds on this holdout" in report(altool, 1).text
    assert "forecast" not in report(altool, 4, history=False).text
    labels(4, source="explore")
    predictions(4, fold=True)
    assert "forecast: cannot tell without a holdout" in report(altool, 4).text
    pq.write_table(pq.read_table("l3.parquet").slice(1), "l4.parquet")  # another holdout, of 599 rows
    predictions(4)
    assert "forecast: cannot tell yet, 1 of at least 4 rounds on this holdout" in report(altool, 4).text
