"""Kills `altool round` at random moments, and compares the project with that of undisturbed calls on the same answers.

    python -m benchmarks.killed_rounds [--sample digits] [--kills 100] [--rounds 3] [--seed 0] [--folder FOLDER]

The answers come half filled, mistyped, skipped, corrected, withdrawn and late, and items are added in between. Every call of the disturbed
project is killed a few times (SIGKILL, with all its processes or alone), sometimes runs twice at once, and is then let through.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
CALL = [sys.executable, "-m", "altool"]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}  # nothing else: as env -i
LOCKED = 75


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", default="digits", choices=("digits", "titles"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        plain = begin(folder / "plain", options.sample)
        times = [undisturbed(plain)]
        for step in range(3 * options.rounds):
            answer(plain, options.sample, *divmod(step, 3))
            times.append(undisturbed(plain))
        kills = repeats = locked = 0
        while kills < options.kills:
            disturbed = begin(folder / f"disturbed-{repeats}", options.sample)
            for step in range(-1, 3 * options.rounds):
                if step >= 0:
                    answer(disturbed, options.sample, *divmod(step, 3))
                number, met = disturb(disturbed, draw, times[step + 1])
                kills, locked = kills + number, locked + met
            compare(plain, disturbed)
            shutil.rmtree(disturbed)
            repeats += 1
            print(f"{options.sample}: {kills} kills in {repeats} projects, {locked} calls told of a lock: all as undisturbed", flush=True)


def begin(folder: Path, sample: str) -> Path:
    """A new project on a sample."""
    folder.mkdir(parents=True)
    for name in ("items.parquet", "holdout.csv", "targets.toml", "classes.txt"):
        shutil.copy(ROOT / "sample_data" / sample / name, folder)
    subprocess.run([*CALL, "init", "items.parquet", "--budget", "40", "--quiet"], cwd=folder, env=ENVIRONMENT, check=True)
    settings = (folder / "altool.toml").read_text()
    settings = settings.replace("[import-labels]\n", "[import-labels]\nwithdraw = true\n").replace(
        'export = ["html", "csv"]', 'export = ["csv"]'
    )
    (folder / "altool.toml").write_text(settings)
    return folder


def answer(folder: Path, sample: str, number: int, part: int) -> None:
    """What people do of a round, in three parts."""
    truth = {}
    for name in ("truth.csv", "holdout.csv"):
        with open(ROOT / "sample_data" / sample / name, newline="") as file:
            truth |= {row["altool_id"]: row["label"] for row in csv.DictReader(file)}
    with open(folder / f"rounds/{number:03d}/todo.csv", newline="") as file:
        ids = [row["altool_id"] for row in csv.DictReader(file)]
    known = [one for one in ids if one in truth]
    labels = {one: truth.get(one, truth[known[0]]) for one in ids}
    other = next(label for label in truth.values() if label not in (labels[ids[3]], labels[ids[4]]))
    first = {one: labels[one] for one in ids[:20]} | {ids[1]: labels[ids[1]] + "x", ids[2]: "skip", ids[3]: other}
    mended = first | {ids[1]: labels[ids[1]], ids[3]: labels[ids[3]], ids[4]: ""}  # a typo, a mistake, and one taken back
    if part == 0:
        sheet(folder, f"{number:03d}.csv", first, 10 * number)
    elif part == 1:
        sheet(folder, f"{number:03d}.csv", mended, 10 * number + 1)
        if number:  # and a label of the round before, corrected long after
            with open(folder / f"answers/{number - 1:03d}.csv", newline="") as file:
                before = {row["altool_id"]: row["label"] for row in csv.DictReader(file)}
            changed = next(one for one in list(before)[5:] if before[one])
            sheet(folder, f"{number - 1:03d}.csv", before | {changed: other}, 10 * number + 2)
    else:
        sheet(folder, f"{number:03d}-late.csv", {ids[4]: other} | {one: labels[one] for one in ids[20:]}, 10 * number + 3)
        items = pq.read_table(folder / "items.parquet")
        more = items.slice(7 * number, 5)
        more = more.set_column(0, "id", pa.array([f"new-{number}-{place}" for place in range(5)]))
        pq.write_table(pa.concat_tables([items, more]), folder / "items.new")
        os.replace(folder / "items.new", folder / "items.parquet")
        os.utime(folder / "items.parquet", (10**9 + 10 * number, 10**9 + 10 * number))


def sheet(folder: Path, name: str, labels: dict[str, str], moment: int) -> None:
    """Put a sheet into the answers whole, as of a fixed time."""
    lines = ["altool_id,label", *(f"{one},{label}" for one, label in labels.items())]
    (folder / "sheet.new").write_text("\n".join(lines) + "\n")
    os.utime(folder / "sheet.new", (10**9 + moment,) * 2)
    os.replace(folder / "sheet.new", folder / "answers" / name)


def undisturbed(folder: Path) -> float:
    """Call altool round; returns the seconds that it took."""
    begun = time.monotonic()
    done = subprocess.run([*CALL, "round", str(folder), "--quiet"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4, 10), done.stderr
    return time.monotonic() - begun


def disturb(folder: Path, draw: random.Random, seconds: float) -> tuple[int, int]:
    """Call altool round and kill it, a few times, then let it through. Returns how often it was killed, and how often a call was locked."""
    kills = locked = 0
    for _ in range(draw.randint(3, 6)):
        calls = [start(folder) for _ in range(1 + (draw.random() < 0.25))]
        time.sleep(draw.uniform(0, 1.1 * seconds))
        for call in calls:
            if call.poll() is None:
                kills += 1
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(call.pid, signal.SIGKILL) if draw.random() < 0.5 else call.kill()
            locked += call.wait() == LOCKED
    while True:
        done = subprocess.run([*CALL, "round", str(folder), "--quiet"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode != LOCKED:
            assert done.returncode in (0, 4, 10), done.stderr
            return kills, locked
        locked += 1  # a command of the killed call is still at work
        time.sleep(0.2)


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*CALL, "round", str(folder), "--quiet"],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def compare(plain: Path, disturbed: Path) -> None:
    """Raises AssertionError unless log, models, predictions, queries and sheets have the same bytes, and nothing was asked twice."""
    kinds = ("labels/*.parquet", "rounds/*/queries*.parquet", "rounds/*/todo.csv", "rounds/*/model/weights.safetensors")
    kinds += ("rounds/*/predictions.parquet", "rounds/*/metrics.parquet", "features.parquet")
    for kind in kinds:
        here, there = ({path.relative_to(root) for path in root.glob(kind)} for root in (plain, disturbed))
        assert here == there, (kind, here ^ there)
        for path in here:
            assert (plain / path).read_bytes() == (disturbed / path).read_bytes(), path
    asked: list[str] = []
    for path in sorted(disturbed.glob("rounds/*/queries*.parquet")):
        asked += pq.read_table(path).column("id").to_pylist()
    assert len(asked) == len(set(asked))
    told = [
        (one["event"], one["round"]) for one in map(json.loads, (disturbed / "log.jsonl").open()) if one["event"] in ("asked", "closed")
    ]
    assert len(told) == len(set(told))


if __name__ == "__main__":
    main()
