"""`altool report --targets`: which targets are proved, and what would prove the rest."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import checked
from conftest import Recorder

from altool.commands.report import Options, run
from altool.errors import InputError, TargetsNotMet

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee", "cat")
ESTIMATE = '[default]\nmetric = "recall"\ntarget = 0.9\n'


def project(held, *, bee=2, source="holdout", fold=False):
    """`held` rows of each class, of which no ant, 2 bees and 20 cats are predicted wrongly, and one row that was trained on."""
    wrong = {"ant": 0, "bee": bee, "cat": 20}
    ids, label, likeliest = ["seed"], ["ant"], [0]
    for code, name in enumerate(CLASSES):
        ids += [f"{name}{number:03d}" for number in range(held)]
        label += [name] * held
        likeliest += [(code + (number < wrong[name])) % 3 for number in range(held)]
    sources = ["seed", *[source] * (len(ids) - 1)]
    pq.write_table(pa.table({"id": ids, "label": label, "source": sources}), "labels.parquet")
    rows = pa.array((0.1 + 0.7 * np.eye(3)[likeliest]).tolist(), pa.list_(pa.float32(), 3))
    table = pa.table({"id": ids, "probabilities": rows})
    if fold:
        table = table.append_column("fold", pa.array([0] * len(ids), pa.int16()))
    metadata = {"altool.kind": "predictions", "altool.classes": json.dumps(CLASSES)}
    pq.write_table(table.replace_schema_metadata(metadata), "now.parquet")


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project(80)
    Path("targets.toml").write_text(ESTIMATE)


def report(**options):
    console = Recorder()
    run(checked(Options, **{"predictions": "now.parquet", "labels": "labels.parquet", "targets": "targets.toml", **options}), console)
    return console.said


def states(summary):
    return [line["target"]["state"] for line in summary["classes"]]


ARGUMENTS = ("report", "--predictions", "now.parquet", "--labels", "labels.parquet", "--targets", "targets.toml")


def test_three_states_everywhere(altool, case):
    done = altool(*ARGUMENTS, "-o", "r.html", "--metrics-output", "m.parquet")
    assert "2 of 3 targets met, 1 proved -> r.html, m.parquet\n" in done.said
    found = report()
    assert states(found) == ["proved", "estimate", "not_yet"]
    needed = found["classes"][1]["target"]["rows_to_prove"]
    assert 150 < needed < 200
    words = " ".join(done.text.split())
    assert "proved: at 95 % confidence over all looks at the holdout, this is look 1 held-out" in words
    assert f"held-out rows to prove: class bee about {-(-needed // 10) * 10} (now 80)" in words
    assert [line.split()[-1] for line in done.text.splitlines() if line.strip().startswith(CLASSES)][:3] == ["no", "est.", "proved"]
    page = Path("r.html").read_text()
    assert "2 of 3 classes meet their targets (1 proved, 1 by estimate)." in page
    assert f'<span class="good">met by estimate</span> <small>needs {-(-needed // 10) * 10} rows</small></td>' in page
    assert '<span class="good">proved</span></td>' in page
    rows = {(row["class"], row["metric"]): row for row in pq.read_table("m.parquet").to_pylist()}
    assert [rows[name, "recall"]["state"] for name in CLASSES] == ["proved", "estimate", "not_yet"]
    assert [rows[name, "recall"]["rows_to_prove"] for name in CLASSES] == [None, needed, None]
    assert {rows[name, "f1"]["state"] for name in CLASSES} == {None}
    assert found["targets"] == {"counted": 3, "met": 2, "missed": ["cat"], "proved": 1, "unproved": ["bee", "cat"]}
    assert found["proof"]["look"] == {"number": 1, "grown": False, "confidence": 0.95}


def test_check_targets(altool, case):
    Path("targets.toml").write_text(ESTIMATE + "[class.cat]\npriority = 0\n")
    altool(*ARGUMENTS, "--check-targets")
    altool(*ARGUMENTS, "--check-targets", "--quiet")
    altool(*ARGUMENTS, "--check-targets", "estimate")
    done = altool(*ARGUMENTS, "--check-targets", "proved", code=5)
    assert "error: 1 of 2 classes without proof of the target (bee)\n" in done.said
    assert "hint: label more rows of these classes, or hold out as many more random rows as the report says (rows_to_prove)\n" in done.said
    done = altool(*ARGUMENTS, "--check-targets", "prove", code=2)
    assert done.said == "error: --check-targets: expected estimate or proved, found 'prove'\nhint: did you mean proved?\n"
    Path("targets.toml").write_text(ESTIMATE + "[class.cat]\npriority = 0\n[class.bee]\npriority = 0\n")
    altool(*ARGUMENTS, "--check-targets=proved")
    Path("targets.toml").write_text(ESTIMATE)
    assert "error: 1 of 3 classes below target (cat)\n" in altool(*ARGUMENTS, "--check-targets", code=5).said


def test_as_many_rows_as_it_says_prove_it(case):
    """Of a holdout that has grown to them, with the same share right: 39 of 40."""
    report(round=0, metrics_output="m0.parquet")
    needed = report(round=0)["classes"][1]["target"]["rows_to_prove"]
    for held, state in ((needed // 40 * 40, "estimate"), (-(-needed // 40) * 40, "proved")):
        project(held, bee=held // 40)
        found = report(round=1, history=["m0.parquet"])
        assert found["classes"][1]["metrics"]["recall"]["value"] == 0.975
        assert states(found)[1] == state
        assert found["proof"]["look"] == {"number": 2, "grown": True, "confidence": 0.95}


def test_the_number_of_the_look(case):
    assert report(round=0)["proof"]["look"]["number"] == 1
    assert report(round=4)["proof"]["look"] == {"number": 5, "grown": True, "confidence": 0.95}  # no history: it may have grown
    for number in range(3):
        report(round=number, metrics_output=f"m{number}.parquet", history=[f"m{before}.parquet" for before in range(number)])
    history = [f"m{number}.parquet" for number in range(3)]
    assert report(round=3, history=history)["proof"]["look"] == {"number": 4, "grown": False, "confidence": 0.95}
    assert report(round=7, history=history)["proof"]["look"]["number"] == 8  # the rounds between count, too
    project(81)
    assert report(round=3, history=history)["proof"]["look"] == {"number": 4, "grown": True, "confidence": 0.95}


def test_more_looks_prove_less(case):
    project(60)
    assert states(report(round=0)) == ["proved", "estimate", "not_yet"]
    report(round=0, metrics_output="m0.parquet")
    assert states(report(round=9, history=["m0.parquet"])) == ["estimate", "estimate", "not_yet"]


def test_out_of_fold_proves_nothing(altool, case):
    project(80, source="explore", fold=True)
    found = report()
    assert states(found) == ["estimate", "estimate", "not_yet"]
    assert [line["target"]["rows_to_prove"] for line in found["classes"]] == [None] * 3
    assert found["proof"]["look"] is None
    Path("targets.toml").write_text(ESTIMATE + "[class.cat]\npriority = 0\n")
    done = altool(*ARGUMENTS, "--check-targets", "proved", code=5)
    reason = "out-of-fold rows train the models of the other folds; hold out random rows (import-labels --source holdout)"
    assert f"hint: {reason}\n" in done.said
    assert f"no target is proved: {reason}" in " ".join(done.text.split())
    assert states(report(evaluate_on="all"))[0] == "estimate"


def test_what_no_number_of_rows_proves(altool, case):
    Path("targets.toml").write_text('[default]\nmetric = "recall"\ntarget = 0.975\n[class.cat]\npriority = 0\n')  # 78 of 80
    assert report()["classes"][1]["target"]["state"] == "estimate"
    text = " ".join(altool(*ARGUMENTS).text.split())
    assert "not to be proved at this estimate: bee (no more than the target, at each threshold fixed in advance)" in text


def test_confidence(case):
    Path("targets.toml").write_text("confidence = 0.5\n" + ESTIMATE)
    found = report(metrics_output="m.parquet")
    assert found["proof"]["look"]["confidence"] == 0.5
    assert states(found) == ["proved", "proved", "not_yet"]
    origin = json.loads(pq.read_schema("m.parquet").metadata[b"altool.provenance"])
    assert origin["options"]["confidence"] == 0.5
    with pytest.raises(TargetsNotMet, match=r"1 of 3 classes without proof of the target \(cat\)"):
        report(check_targets="proved")


@pytest.mark.parametrize("text", ["0", "1", "95", "true", '"high"', "nan"])
def test_a_confidence_that_is_none(case, text):
    Path("targets.toml").write_text(f"confidence = {text}\n" + ESTIMATE)
    with pytest.raises(InputError, match=r"targets targets.toml, confidence: expected a number above 0 and below 1, found"):
        report()


def test_a_narrow_terminal_keeps_the_names(altool, case):
    """With earlier rounds the table is too wide for 80 columns: precision and recall give way."""
    report(round=0, metrics_output="m0.parquet")
    for columns, shown in (("80", False), ("100", True)):
        lines = altool(*ARGUMENTS, "--round", 1, "--history", "m0.parquet", COLUMNS=columns).text.splitlines()
        assert ("prec." in lines[2]) == shown
        assert [line.split()[0] for line in lines[4:7]] == list(CLASSES[::-1])  # the worst first
        assert all(len(line) <= int(columns) for line in lines)
