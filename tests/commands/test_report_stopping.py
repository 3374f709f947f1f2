"""`altool report --previous`: what the next labels bring, and whether the predictions still change."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import checked
from conftest import Recorder

from altool.commands.report import Options, run
from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee")
HELD, OPEN = 20, 40  # held-out rows and rows without a label


def predictions(path, wrong, changed, *, trained_on=None, labeled=8, fold=False):
    """Of `labeled` rows, of held-out ones, the first `wrong` of which are predicted wrongly, and of open ones, the first `changed` of which
    are predicted as bee."""
    held = np.arange(HELD) % 2
    likeliest = np.concatenate([np.arange(labeled) % 2, np.where(np.arange(HELD) < wrong, 1 - held, held), np.arange(OPEN) % 2])
    likeliest[labeled + HELD :][:changed] = 1
    ids = [*(f"l{number:03d}" for number in range(labeled)), *(f"h{number:03d}" for number in range(HELD))]
    ids += [f"o{number:03d}" for number in range(OPEN)]
    table = pa.table(
        {"id": ids, "probabilities": pa.array([[0.8, 0.2] if code == 0 else [0.2, 0.8] for code in likeliest], pa.list_(pa.float32(), 2))}
    )
    if fold:
        table = table.slice(0, labeled).append_column("fold", pa.array([0] * labeled, pa.int16()))
    metadata = {"altool.kind": "predictions", "altool.classes": json.dumps(CLASSES)}
    if trained_on:
        metadata["altool.provenance"] = json.dumps({"command": "score", "options": {"trained_on": trained_on}})
    pq.write_table(table.replace_schema_metadata(metadata), path)


def labels(count, path="labels.parquet", held=HELD):
    rows = [(f"l{number:03d}", CLASSES[number % 2], "seed") for number in range(count)]
    rows += [(f"h{number:03d}", CLASSES[number % 2], "holdout") for number in range(held)]
    pq.write_table(pa.table({name: [row[place] for row in rows] for place, name in enumerate(("id", "label", "source"))}), path)


def report(**options):
    console = Recorder()
    run(checked(Options, **{"predictions": "now.parquet", "labels": "labels.parquet", **options}), console)
    return console.said


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Rounds 0 to 5 with 10, 20, …, 320 labels: one held-out row of 20 more is right from round 0 to 1, then none. Of 40 open rows, two
    fewer than in the round before are predicted otherwise."""
    monkeypatch.chdir(tmp_path)
    for number, count in enumerate([10, 20, 40, 80, 160, 320]):
        labels(count)
        predictions(f"p{number}.parquet", wrong=2 if number else 3, changed=4 if number == 0 else 2, trained_on=count, labeled=count)
        before = {"previous": [f"p{number - 1}.parquet"]} if number else {}
        report(
            predictions=f"p{number}.parquet",
            round=number,
            metrics_output=f"m{number}.parquet",
            history=[f"m{earlier}.parquet" for earlier in range(number)],
            **before,
        )
    Path("now.parquet").write_bytes(Path("p5.parquet").read_bytes())
    return tmp_path


def test_stop_by_slope_and_agreement(altool, project):
    found = report(round=5, history=[f"m{number}.parquet" for number in range(5)], previous=["p4.parquet"])["stopping"]
    assert found["metric"] == "accuracy"
    assert found["gain"]["slope"] == pytest.approx(0, abs=1e-12)  # five rounds at 0.9
    assert (found["gain"]["rounds"], found["gain"]["labels"]) == (5, [20, 320])
    assert found["gain"]["next_round"] == pytest.approx({"labels": 160, "value": 0, "low": 0, "high": 0}, abs=1e-12)
    assert found["agreement"] == {"kappa": 1, "rows": OPEN, "labels": 160}
    # round 1 against round 0: 4 rows as bee instead of 2, of which one was bee anyway, so one of 40 differs; 22 and 21 are bee
    chance = (22 * 21 + 18 * 19) / 40**2
    assert found["agreements"] == [pytest.approx((39 / 40 - chance) / (1 - chance)), 1, 1, 1, 1]
    assert found["stop"] is True
    history = [part for number in range(5) for part in ("--history", f"m{number}.parquet")]
    done = altool("report", "--predictions", "now.parquet", "--labels", "labels.parquet", "--previous", "p4.parquet", *history)
    text = " ".join(done.text.split())
    assert "the next 100 labels bring 0.0 points of accuracy [0.0, 0.0] (the line through the last 5 rounds, 20 to 320 labels" in text
    assert "± 2 standard errors); a round of 160, as large as the last, 0.0 [0.0, 0.0]" in text
    assert "agreement with the predictions at 160 labels: kappa 1.00 over 40 rows without a label" in text
    assert (
        "stop: accuracy rises by 0.0 points a doubling of the labels, less than 3, and the mean kappa of the last 3 rounds is 1.00" in text
    )
    assert "predictions still change" not in text


def test_the_metrics_table_keeps_the_agreement(project):
    rows = [row for row in pq.read_table("m1.parquet").to_pylist() if row["metric"] == "agreement"]
    assert [(row["class"], row["support"], row["labels"], row["round"]) for row in rows] == [(None, OPEN, 20, 1)]
    assert not [row for row in pq.read_table("m0.parquet").to_pylist() if row["metric"] == "agreement"]


def test_the_last_comparable_of_several_is_taken(project):
    found = report(round=5, previous=["p4.parquet", "p0.parquet", "p5.parquet", "p2.parquet"])["stopping"]
    assert found["agreement"]["labels"] == 160  # 320 are too near


def test_nothing_comparable_is_said(project, capsys):
    found = report(round=5, previous=["p5.parquet"])["stopping"]
    assert (found["agreement"], found["agreements"], found["stop"]) == (None, [], False)
    assert "give the predictions of a round with 228 at most" in capsys.readouterr().err


def test_the_rounds_before_by_history_where_the_table_does_not_say(project):
    predictions("foreign.parquet", wrong=3, changed=30)
    found = report(round=5, history=["m4.parquet"], previous=["foreign.parquet"])["stopping"]
    assert found["agreement"]["labels"] == 160
    with pytest.raises(InputError, match="the number of labels that its model had is unknown"):
        report(round=5, previous=["foreign.parquet"])


def test_without_a_holdout_only_changes_are_told(altool, project):
    labels(20, held=0)
    predictions("oof.parquet", wrong=0, changed=0, labeled=20, fold=True)
    predictions("pool.parquet", wrong=0, changed=30, labeled=20)
    options = {"previous": ["p0.parquet"], "pool_predictions": "pool.parquet"}
    found = report(predictions="oof.parquet", **options)["stopping"]
    assert (found["gain"], found["stop"], found["agreement"]["rows"]) == (None, False, OPEN + HELD)
    arguments = ["--previous", "p0.parquet", "--pool-predictions", "pool.parquet"]
    text = " ".join(altool("report", "--predictions", "oof.parquet", "--labels", "labels.parquet", *arguments).text.split())
    assert "over 60 rows without a label; predictions still change" in text
    assert "points" not in text
    with pytest.raises(InputError, match="no row without a label is in it and in"):
        report(predictions="oof.parquet", previous=["p0.parquet"])


def test_pool_predictions_alone_do_nothing(project):
    with pytest.raises(UsageError, match="--pool-predictions has no effect without --previous"):
        report(pool_predictions="p4.parquet")


def test_rounds_on_another_holdout_do_not_count(project):
    labels(320, held=HELD - 2)
    found = report(round=5, history=[f"m{number}.parquet" for number in range(5)])["stopping"]
    assert found["gain"] is None


def test_the_metric_follows_the_targets(project):
    for metric, expected in (("f1", "macro_f1"), ("recall", "macro_recall"), ("precision", "accuracy")):
        Path("targets.toml").write_text(f'[default]\nmetric = "{metric}"\ntarget = 0.8\n')
        assert report(round=5, targets="targets.toml")["stopping"]["metric"] == expected
