"""`altool simulate` from the shell."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, known_truth, write

from altool import seeds

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 240
SIMULATE = ("simulate", "--features", "f.parquet", "--labels", "truth.parquet", "--seed-size", 10, "--rounds", 2, "--budget", 8)
SIMULATE_3 = (*SIMULATE, "--strategy", "random", "--strategy", "margin", "--strategy", "coreset", "--repeats", 2)


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    return known_truth(tmp_path, ROWS, signal=2)


def tree(folder: Path) -> dict[str, bytes]:
    """All files but those of the times, which no two runs share."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "times.parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def picks(folder: Path, run: str, round_: int) -> list[str]:
    table = pq.read_table(folder / "runs" / run / "picks.parquet")
    return [row["id"] for row in table.to_pylist() if row["round"] == round_]


def test_what_it_writes(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    result = altool(*SIMULATE_3, "-o", "out", "--json")
    assert json.loads(result.text)["simulated"] == 6
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == [
        f"{name}-00{repeat}" for name in ("coreset", "margin", "random") for repeat in (0, 1)
    ]
    assert not list((tmp_path / "out").glob(".*"))
    for repeat in (0, 1):  # the seed set is the same for all, and another in the next repeat
        first = picks(tmp_path / "out", f"random-00{repeat}", 0)
        assert len(set(first)) == 10
        assert all(picks(tmp_path / "out", f"{name}-00{repeat}", 0) == first for name in ("margin", "coreset"))
    assert picks(tmp_path / "out", "random-000", 0) != picks(tmp_path / "out", "random-001", 0)
    asked = pq.read_table(tmp_path / "out" / "runs" / "margin-000" / "picks.parquet").to_pylist()
    assert len({row["id"] for row in asked}) == 10 + 2 * 8
    assert not any(int(row["id"][-4:]) % 4 == 0 for row in asked)  # held out
    assert all(row["label"] == row["truth"] == CLASSES[truth[int(row["id"][-4:])]] for row in asked)
    rows = pq.read_table(tmp_path / "out" / "runs" / "margin-001" / "history.parquet").to_pylist()
    assert {row["round"]: row["total"] for row in rows} == {0: 10, 1: 18, 2: 26}
    assert {(row["run"], row["repeat"], row["seconds"]) for row in rows} == {("margin", 1, None)}
    assert {row["support"] for row in rows if row["class"] is None} == {ROWS // 4}
    for number in (0, 1, 2):
        assert sum(row["labels"] for row in rows if row["round"] == number and row["metric"] == "f1") == 10 + 8 * number
    assert sum(row["pool"] for row in rows if row["round"] == 0 and row["metric"] == "f1") == ROWS * 3 // 4
    times = pq.read_table(tmp_path / "out" / "runs" / "margin-001" / "times.parquet").to_pylist()
    assert [(row["run"], row["repeat"], row["round"]) for row in times] == [("margin", 1, number) for number in range(3)]
    assert all(row["fit_seconds"] > 0 and row["measure_seconds"] > 0 for row in times)
    assert [row["choose_seconds"] is None for row in times] == [False, False, True]


def test_a_round_is_what_the_commands_do(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    altool(*SIMULATE, "--strategy", "margin", "--strategy", "badge", "-o", "out", "--jobs", 1)
    seed = seeds.integer(0, "simulate", 0)
    given = picks(tmp_path / "out", "margin-000", 0)
    held = [f"row-{row:04d}" for row in range(0, ROWS, 4)]
    log = {"id": [*given, *held], "label": [CLASSES[truth[int(id_[-4:])]] for id_ in (*given, *held)]}
    log |= {"source": ["seed"] * len(given) + ["holdout"] * len(held), "round": [0] * (len(given) + len(held))}
    write(pa.table(log), tmp_path / "l.parquet")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    for strategy, tables in (("margin", ()), ("badge", ("--features", "f.parquet"))):
        common = ("select", "--strategy", strategy, "--budget", 8, "--seed", seed, "--labels", "l.parquet", "--predictions", "p.parquet")
        altool(*common, *tables, "-o", f"{strategy}.parquet")
        assert pq.read_table(tmp_path / f"{strategy}.parquet").column("id").to_pylist() == picks(tmp_path / "out", f"{strategy}-000", 1)
    altool("report", "--predictions", "p.parquet", "--labels", "l.parquet", "--metrics-output", "m.parquet", "--quiet")
    measured = {(row["class"], row["metric"]): row["value"] for row in pq.read_table(tmp_path / "m.parquet").to_pylist()}
    rows = pq.read_table(tmp_path / "out" / "runs" / "margin-000" / "history.parquet").to_pylist()
    assert {(row["class"], row["metric"]): row["value"] for row in rows if row["round"] == 0} == pytest.approx(measured)


def test_jobs_and_kills_do_not_matter(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    altool(*SIMULATE_3, "-o", "whole", "--jobs", 1)
    command = [*SIMULATE_3, "-o", "killed", "--jobs"]
    chance = random.Random(1)
    for jobs in ("2", "1", "2"):
        run = program.Running([*command, jobs], tmp_path)
        time.sleep(chance.uniform(0.3, 2.0))
        run.kill()
        for history in (tmp_path / "killed").glob("runs/*-*/history.parquet"):
            pq.read_table(history)  # whole
    altool(*SIMULATE_3, "-o", "killed", "--jobs", 2)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.parquet")}
    assert "6 of 6 runs exist already" in altool(*SIMULATE_3, "-o", "killed").said
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.parquet")} == before


def test_another_plan_in_the_same_folder(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    altool(*SIMULATE, "--strategy", "random", "-o", "out")
    altool(*SIMULATE, "--strategy", "random", "--strategy", "margin", "--repeats", 2, "-o", "out")  # more runs: the first is kept
    said = altool(*SIMULATE, "--strategy", "random", "--skip", 0.5, "-o", "out", code=3).said
    assert "it holds a run of other settings" in said
    altool(*SIMULATE, "--strategy", "random", "--skip", 0.5, "-o", "out", "--overwrite")


def test_a_plan(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    write(pa.table({"id": [f"row-{row:04d}" for row in range(1, 200)], "rank": list(range(199))}), tmp_path / "queue.parquet")
    (tmp_path / "noise.csv").write_text("class,answer,share\nant,bee,0.5\n")
    (tmp_path / "plan.toml").write_text(
        """
        features = "f.parquet"
        labels = "truth.parquet"
        seed_size = 20
        rounds = 1
        budget = 5
        seconds = [2, 6, 5]
        imbalance = "ant=0.5"

        [[run]]
        strategy = "margin"
        diversify = true
        suggest = true

        [[run]]
        name = "ours"
        strategy = "queue"
        queue = "queue.parquet"
        label_noise = "noise.csv"
        annotators = 3
        skip = 0.1

        [[run]]
        strategy = "gcmi"
        query-classes = "ant"
        balance = "class-weight"
        """
    )
    altool("simulate", "--plan", "plan.toml", "--rounds", 2, "-o", "out")
    names = {path.name for path in (tmp_path / "out" / "runs").iterdir()}
    assert names == {"margin-diversify-suggest-000", "ours-000", "gcmi-000"}
    rows = {name: pq.read_table(tmp_path / "out" / "runs" / name / "history.parquet").to_pylist() for name in names}
    assert [row["seconds"] for row in rows["gcmi-000"] if row["metric"] == "accuracy" and row["class"] is None] == [100, 125, 150]
    assert rows["ours-000"][-1]["seconds"] == 30 * 3 * 5
    assert {row["asked"] for row in rows["ours-000"]} == {20, 25, 30}
    assert rows["ours-000"][-1]["total"] <= 30
    times = {row["seconds"] for row in rows["margin-diversify-suggest-000"]}
    assert 100 in times
    assert all(120 <= time <= 160 for time in times - {100})
    for row in rows["margin-diversify-suggest-000"]:  # the seed set took time, but costs nothing
        assert row["seconds"] == 100 + 2 * row["verified"] + 6 * row["corrected"] + 5 * row["scratch"]
        assert row["verified"] + row["corrected"] + row["scratch"] == row["asked"] - 20
    queued = picks(tmp_path / "out", "ours-000", 1)
    seeds_ = picks(tmp_path / "out", "ours-000", 0)
    ours = {row["id"] for row in pq.read_table(tmp_path / "out" / "runs" / "ours-000" / "picks.parquet").to_pylist()}
    assert queued == sorted(queued)
    assert not set(queued) & set(seeds_)
    assert len(ours) == 30
    wrong = [
        row for row in pq.read_table(tmp_path / "out" / "runs" / "ours-000" / "picks.parquet").to_pylist() if row["label"] != row["truth"]
    ]
    assert all(row["label"] is None or (row["truth"], row["label"]) == ("ant", "bee") for row in wrong)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to simulate"),
        (("--strategy", "margins"), "run \"margins\", strategy: 'margins' is unknown"),
        (("--strategy", "queue"), 'queue needs run "queue", queue'),
        (("--strategy", "bald", "--classifier", "mlp"), "bald needs mc-dropout"),
        (("--strategy", "learning-loss", "--classifier", "mlp"), "learning-loss needs a loss ranker"),
        (("--strategy", "ta-vaal"), "ta-vaal needs a loss ranker"),
        (("--strategy", "coreset", "--diversify"), "diversify re-orders strategies that sort"),
        (("--strategy", "random", "--strategy", "random"), "two runs are called 'random'"),
        (("--strategy", "random", "--classifier", "oak"), "classifier: 'oak' is unknown"),
        (("--strategy", "random", "--rare-classes", "ant"), "--rare-classes needs --imbalance"),
        (("--strategy", "random", "--holdout-share", "0.3"), "--holdout-share has no effect here"),
        (
            ("--strategy", "random", "--seconds", "2,6"),
            "--seconds: expected VERIFIED,CORRECTED,SCRATCH, three",
        ),
        (
            ("--strategy", "random", "--label-noise", "1.5"),
            "--label-noise: expected a number from 0 to 1 or",
        ),
        (("--strategy", "random", "--merge-classes", "rest"), "is not NEW=A,B"),
        (("--plan", "kernel.toml"), "kernel: expected shifted or cosine, found 'round'"),
        (("--plan", "queue.toml"), 'run "margin", queue has no effect with margin'),
        (("--plan", "samples.toml"), 'run "margin", mc_dropout takes samples of a classifier with dropout'),
        (("--plan", "depth.toml"), 'run "vaal", vaal_depth has no effect with VAAL'),
        (("--plan", "stray.toml"), 'run "margin", vaal_epochs has no effect with margin and classifier logistic'),
    ],
)
def test_refused(altool: Altool, tmp_path: Path, truth: np.ndarray, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "kernel.toml").write_text('[[run]]\nstrategy = "gcmi"\nkernel = "round"\n')
    (tmp_path / "samples.toml").write_text('mc-dropout = 5\n[[run]]\nstrategy = "margin"\n')
    (tmp_path / "depth.toml").write_text('vaal-depth = 5\n[[run]]\nstrategy = "vaal"\n')
    (tmp_path / "stray.toml").write_text('[[run]]\nstrategy = "margin"\nvaal_epochs = 5\n')
    (tmp_path / "queue.toml").write_text('[[run]]\nstrategy = "margin"\nqueue = "q.parquet"\n')
    assert said in altool(*SIMULATE, *arguments, "-o", "out", code=2).said
    assert not (tmp_path / "out").exists()


def test_inputs_of_a_plan(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """A queue is for the runs that follow one; paths are the plan's, and no path is in a table; classes must be there."""
    plan = tmp_path / "plans" / "plan.toml"
    plan.parent.mkdir()
    plan.write_text('queue = "q.parquet"\nlabel_noise = "noise.csv"\n[[run]]\nstrategy = "queue"\n[[run]]\nstrategy = "random"\n')
    (plan.parent / "noise.csv").write_text("class,answer,share\nant,bee,0.5\n")
    ranked = pa.table({"id": [f"row-{row:04d}" for row in range(0, ROWS, 3)], "rank": list(range(ROWS // 3))})
    write(ranked, plan.parent / "q.parquet")
    altool(*SIMULATE, "--plan", "plans/plan.toml", "-o", "out")
    assert all(int(name[-4:]) % 3 == 0 for name in picks(tmp_path / "out", "queue-000", 1))
    assert not all(int(name[-4:]) % 3 == 0 for name in picks(tmp_path / "out", "random-000", 1))
    assert b"q.parquet" not in (tmp_path / "out" / "runs" / "queue-000" / "picks.parquet").read_bytes()
    plan.write_text('[[run]]\nstrategy = "gcmi"\nquery_classes = "ant,dog"\n')
    assert "query_classes: unknown class dog" in altool(*SIMULATE, "--plan", "plans/plan.toml", "-o", "o2", code=3).said


def test_target_aware_runs_beside_plain_ones(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    (tmp_path / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.99\n[class."ant"]\npriority = 0\n')
    runs = ("--strategy", "margin", "--strategy", "e3g", "--strategy", "coreset", "--target-aware", "both", "--targets", "targets.toml")
    altool(*SIMULATE, *runs, "-o", "out")
    folders = {path.name: pq.read_table(path / "picks.parquet").to_pylist() for path in (tmp_path / "out" / "runs").iterdir()}
    assert set(folders) == {f"{name}{aware}-000" for name in ("margin", "e3g", "coreset") for aware in ("", "-target-aware")}
    for name, rows in folders.items():
        asked = [row for row in rows if row["round"] > 0]
        assert len({row["id"] for row in rows}) == 10 + 2 * 8
        if "aware" in name:
            assert {row["target_class"] for row in asked if row["source"] == "exploit"} <= {"bee", "cat", None}
            assert any(row["target_class"] for row in asked)
        else:
            assert {row["target_class"] for row in asked} == {None}
        sources = {row["source"] for row in asked}
        assert sources <= {"explore", "exploit"} if name.startswith("e3g") else sources == {"exploit"}
    assert "target-aware runs need --targets" in altool(*SIMULATE, *runs[:-2], "-o", "o2", code=2).said


def test_targets_measure_every_run(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """Of all runs the shortfall, and the gap of every class that counts, at the precision that its target names."""
    section = '[class."cat"]\nmetric = "recall_at_precision"\nat_precision = 0.5\n[class."ant"]\npriority = 0\n'
    (tmp_path / "targets.toml").write_text(f'[default]\nmetric = "f1"\ntarget = 0.9\n{section}')
    targets = ("--targets", "targets.toml", "--target-aware")
    altool(*SIMULATE, "--strategy", "margin", *targets, "both", "-o", "out")
    assert "shortfall" not in altool(*SIMULATE, "--strategy", "margin", "-o", "plain").said
    for run in ("margin", "margin-target-aware"):
        table = pq.read_table(tmp_path / "out" / "runs" / f"{run}-000" / "history.parquet").to_pylist()
        for number in range(3):
            rows = {(row["class"], row["metric"]): row for row in table if row["round"] == number}
            gaps = {key: (row["target"], row["gap"]) for key, row in rows.items() if row["gap"] is not None}
            assert gaps == {key: (0.9, pytest.approx(0.9 - rows[key]["value"])) for key in (("bee", "f1"), ("cat", "recall_at_precision"))}
            assert rows[None, "shortfall"]["value"] == pytest.approx(sum(max(gap, 0) for _, gap in gaps.values()) / 2)
    assert (tmp_path / "out" / "runs" / "margin-000" / "picks.parquet").read_bytes() != b""
    plain = pq.read_table(tmp_path / "plain" / "runs" / "margin-000" / "history.parquet")
    assert "shortfall" not in plain.column("metric").to_pylist()
    assert picks(tmp_path / "plain", "margin-000", 2) == picks(tmp_path / "out", "margin-000", 2)
    found = json.loads(altool("compare", "out", "--metric", "shortfall", "--json").text)
    areas = [run["area"]["all"]["value"] for run in found["runs"]]
    assert areas == sorted(areas)
    assert "less is better" in altool("compare", "out", "--metric", "shortfall").text
    said = altool("compare", "plain", "--metric", "shortfall", code=3).said
    assert "expected 'shortfall'" in said
    assert "hint: simulate, or report, with --targets" in said


def test_a_share_of_the_pool_for_estimates_alone(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """The same rows for all runs of a repeat, others in the next one; a share of each class, and nobody is asked for them."""
    (tmp_path / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')
    (tmp_path / "plan.toml").write_text(
        'targets = "targets.toml"\nvalidation_share = 0.5\nrepeats = 2\nrounds = 20\n[[run]]\nstrategy = "random"\n'
        + "".join(
            f'[[run]]\nname = "{name}"\nstrategy = "margin"\ntarget_aware = true\nweights_from = "{name}"\n'
            for name in ("auto", "holdout", "explored", "labeled", "equal")
        )
    )
    whole = (*SIMULATE[:5], *SIMULATE[5:7], "--budget", 8, "--plan", "plan.toml", "-o")
    altool(*whole, "out")
    sizes = np.bincount(truth[np.arange(ROWS) % 4 > 0], minlength=3)  # a quarter is held out to measure on
    asked = {}
    for run in ("random", "auto", "holdout", "explored", "labeled", "equal"):
        for repeat in (0, 1):
            table = pq.read_table(tmp_path / "out" / "runs" / f"{run}-00{repeat}" / "picks.parquet").to_pylist()
            assert np.array_equal(
                np.unique([CLASSES.index(row["truth"]) for row in table], return_counts=True)[1], sizes - np.round(sizes * 0.5)
            )
            asked[run, repeat] = {row["id"] for row in table}
    for repeat in (0, 1):
        assert all(asked[run, repeat] == asked["random", repeat] for run in ("auto", "holdout", "explored", "labeled", "equal"))
    assert asked["random", 0] != asked["random", 1]
    said = altool(*SIMULATE, "--strategy", "random", "--validation-share", 0.99, "-o", "o2", code=3).said
    assert "the pool has 3 rows that may be asked for, fewer than the seed set of 10" in said
    aware = ("--strategy", "margin", "--targets", "targets.toml", "--target-aware")
    said = altool(*SIMULATE, *aware, "on", "--weights-from", "holdout", "-o", "o2", code=2).said
    assert 'run "margin + target-aware", weights_from: holdout needs validation rows' in said
    said = altool(*SIMULATE, *aware, "off", "--weights-from", "equal", "-o", "o2", code=2).said
    assert "--weights-from has no effect without target-aware runs" in said
    (tmp_path / "p2.toml").write_text('[[run]]\nstrategy = "margin"\nweights_from = "equal"\n')
    said = altool(*SIMULATE, "--plan", "p2.toml", "-o", "o2", code=2).said
    assert 'run "margin", weights_from has no effect without target_aware = true' in said


def test_a_queue_for_each_repeat(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    for repeat in (0, 1):
        order = np.random.default_rng(repeat).permutation(ROWS)
        write(pa.table({"id": [f"row-{row:04d}" for row in order], "rank": list(range(ROWS))}), tmp_path / f"queue-{repeat}.parquet")
    altool(*SIMULATE, "--strategy", "queue", "--queue", "queue-{repeat}.parquet", "--repeats", 2, "-o", "out")
    for repeat in (0, 1):
        order = pq.read_table(tmp_path / f"queue-{repeat}.parquet").column("id").to_pylist()
        asked = picks(tmp_path / "out", f"queue-00{repeat}", 1)
        assert asked == sorted(asked, key=order.index)
        assert order.index(asked[-1]) < 40


def test_texts(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    draw = np.random.default_rng(4)
    words = [
        " ".join(f"{CLASSES[code]}{draw.integers(6)}" if draw.random() < 0.5 else f"w{draw.integers(30)}" for _ in range(8))
        for code in truth
    ]
    write(pa.table({"id": [f"row-{row:04d}" for row in range(ROWS)], "text": words}), tmp_path / "t.parquet")
    texts = ("simulate", "--items", "t.parquet", *SIMULATE[3:], "--classifier", "fasttext", "--strategy", "badge", "--strategy", "margin")
    (tmp_path / "plan.toml").write_text("fasttext_dim = 8\nfasttext_epochs = 20\n")
    altool(*texts, "--plan", "plan.toml", "-o", "out", "--jobs", 2)
    altool(*texts, "--plan", "plan.toml", "-o", "alone", "--jobs", 1)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")
    rows = pq.read_table(tmp_path / "out" / "runs" / "badge-000" / "history.parquet").to_pylist()
    assert max(row["value"] for row in rows if row["class"] is None and row["metric"] == "accuracy") > 0.5
    wrong = ("simulate", "--features", "f.parquet", *SIMULATE[3:], "--classifier", "fasttext", "--strategy", "margin")
    assert "reads texts" in altool(*wrong, "-o", "o2", code=2).said


def test_merged_and_thinned_classes(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    write(pq.read_table(tmp_path / "truth.parquet").select(["id", "label"]), tmp_path / "truth.parquet")  # no row is held out
    arguments = ("--strategy", "random", "--merge-classes", "rest=ant,bee", "--imbalance", "2", "--rare-classes", "cat")
    altool(*SIMULATE, *arguments, "--holdout-share", 0.5, "-o", "out")
    rows = pq.read_table(tmp_path / "out" / "runs" / "random-000" / "history.parquet").to_pylist()
    sizes = {row["class"]: (row["pool"], row["support"]) for row in rows if row["class"]}
    counts = np.bincount(truth)
    cats = counts[2] - round(counts[2] / 2)
    assert set(sizes) == {"rest", "cat"}
    assert sizes["cat"] == (round(cats / 2), round(counts[2] / 2))


def test_rounds_without_anything_to_tell_rows_apart_are_counted(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """Of equal features every model says the same of all rows."""
    write(features(np.ones((len(truth), 2), np.float32)), tmp_path / "f.parquet")
    plan = ("--seed-size", 6, "--rounds", 2, "--budget", 4, "--repeats", 2, "--jobs", 1, "-o", "flat")
    said = altool("simulate", "--features", "f.parquet", "--labels", "truth.parquet", "--strategy", "margin", *plan).said
    assert (
        "warning: run margin: in 4 rounds (all repeats) all candidates have the same score, so they were taken in a random order\n" in said
    )


def test_a_queue_of_another_pool_is_refused(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    write(pa.table({"id": ["x"], "rank": pa.array([1], pa.int32())}), tmp_path / "q.parquet")
    said = altool(*SIMULATE, "--strategy", "queue", "--queue", "q.parquet", "-o", "out", code=3).said
    assert "queries q.parquet: none of its rows is among the" in said


def test_a_world_for_each_repeat(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """A repeat depends neither on how many there are, nor on the other runs, nor on the processes."""
    write(pq.read_table(tmp_path / "truth.parquet").select(["id", "label"]), tmp_path / "truth.parquet")  # no row is held out
    world = ("--imbalance", 3, "--pool-share", 0.7, "--resample")
    altool(*SIMULATE_3, *world, "-o", "whole", "--jobs", 2)
    altool(*SIMULATE, *world, "--strategy", "margin", "--repeats", 3, "-o", "alone", "--jobs", 1)
    assert tree(tmp_path / "whole" / "runs" / "margin-001") == tree(tmp_path / "alone" / "runs" / "margin-001")
    held = []
    for repeat in range(3):
        rows = pq.read_table(tmp_path / "alone" / "runs" / f"margin-00{repeat}" / "history.parquet").to_pylist()
        held.append(tuple(row["pool"] for row in rows if row["round"] == 0 and row["metric"] == "f1"))
    assert len(set(held)) > 1  # other classes are rare


def test_resample_without_anything_to_draw(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    said = altool(*SIMULATE, "--strategy", "random", "--resample", "-o", "out", code=2).said
    assert "--resample has no effect here: every repeat has all rows" in said
    said = altool(*SIMULATE, "--strategy", "random", "--resample", "--pool-share", 0.5, "-o", "out").said
    assert said.splitlines()[0] == "random, repeat 0; 1 of 1 run"


def test_the_whole_pool_is_measured_at_thresholds_that_the_commands_find(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    """TAAL's measure of texts: thresholds by folds over the labels, `decided` by them, recall in the whole pool."""
    write(pq.read_table(tmp_path / "truth.parquet").select(["id", "label"]), tmp_path / "truth.parquet")  # no row is held out
    (tmp_path / "targets.toml").write_text(
        '[default]\nmetric = "recall_at_precision"\ntarget = 0.9\nat_precision = 0.6\n[class."ant"]\npriority = 0\n'
    )
    (tmp_path / "plan.toml").write_text(
        'measure = "pool"\ndecided = true\nfolds = 3\nrounds = 1\n[[run]]\nstrategy = "margin"\nsubset_factor = 2\n'
    )
    plan = ("--plan", "plan.toml", "--targets", "targets.toml", "--at-precision", 0.6)
    found = json.loads(altool(*SIMULATE[:7], "--budget", 8, *plan, "-o", "out", "--jobs", 1, "--json").text)
    assert (found["pool"], found["held_out"]) == (ROWS, 0)
    counts = np.bincount(truth)
    assert found["class_sizes"]["rows"] == dict(zip(CLASSES, counts.tolist(), strict=True))
    assert found["class_sizes"]["ir"] == pytest.approx(counts.std() / counts.mean())

    given = picks(tmp_path / "out", "margin-000", 0)
    log = {"id": given, "label": [CLASSES[truth[int(id_[-4:])]] for id_ in given], "source": ["seed"] * len(given)}
    write(pa.table(log), tmp_path / "l.parquet")
    seed = seeds.integer(0, "simulate", 0)
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "--folds", 3, "--oof", "o.parquet", "--seed", seed, "-o", "model")
    report = ("report", "--predictions", "o.parquet", "--labels", "l.parquet", "--targets", "targets.toml", "--quiet")
    altool(*report, "--metrics-output", "m.parquet")
    altool("score", "--model", "model", "--features", "f.parquet", "--thresholds", "m.parquet", "-o", "p.parquet")
    decided = {row["id"]: row["decided"] for row in pq.read_table(tmp_path / "p.parquet").to_pylist()}
    recall = {name: np.mean([name in decided[f"row-{row:04d}"] for row in range(ROWS) if CLASSES[truth[row]] == name]) for name in CLASSES}
    assert 0 < recall["bee"] + recall["cat"] < 2
    rows = [row for row in pq.read_table(tmp_path / "out" / "runs" / "margin-000" / "history.parquet").to_pylist() if row["round"] == 0]
    assert {row["class"]: row["value"] for row in rows if row["metric"] == "decided_recall"} == pytest.approx(recall)
    (whole,) = (row for row in rows if row["metric"] == "macro_decided_recall")
    assert (whole["value"], whole["support"]) == (pytest.approx((recall["bee"] + recall["cat"]) / 2), ROWS)  # ant is of no interest


def test_what_cannot_be_measured(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    arguments = (*SIMULATE, "--strategy", "random", "-o", "out")
    said = altool(*arguments, "--measure", "pool", code=2).said
    assert "--measure pool: 60 held-out rows given, expected none: all rows are measured on" in said
    assert "--imbalance: the largest ir of these classes is" in altool(*arguments, "--imbalance", "ir=5", code=2).said
    write(pq.read_table(tmp_path / "truth.parquet").select(["id", "label"]), tmp_path / "truth.parquet")
    said = altool(*arguments, "--measure", "pool", "--holdout-share", 0.3, code=2).said
    assert "--holdout-share has no effect with --measure pool" in said
    assert "--resample has no effect here: every repeat has all" in altool(*arguments, "--measure", "pool", "--resample", code=2).said
