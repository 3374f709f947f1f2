"""Kills `altool simulate` with networks at random moments, and compares what it writes with an undisturbed run.

    python -m benchmarks.killed_simulations [--kills 10] [--rounds 4] [--epochs 3] [--jobs 2] [--seed 0] [--folder FOLDER]

The digits of sample_data, a ResNet-18 with a small stem: one run that begins each round anew, one that goes on from the round before, and
one with TA-VAAL. Each call is killed with all its processes (SIGKILL); the next one goes on, until one is let through.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}  # nothing else: as env -i
DIGITS = ROOT / "sample_data" / "digits"
PLAN = """
items = "{items}"
labels = "all.csv"
seed_size = 20
rounds = {rounds}
budget = 10
pool_share = 0.3
classifier = "resnet18"
resnet18_weights = "none"
resnet18_stem = "small"
resnet18_image_size = 8
resnet18_epochs = {epochs}
resnet18_augment = "flip,crop"
vaal_epochs = 2
vaal_width = 8

[[run]]
strategy = "badge"

[[run]]
name = "warm"
strategy = "margin"
warm_start = true

[[run]]
strategy = "ta-vaal"
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in {"kills": 10, "rounds": 4, "epochs": 3, "jobs": 2, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plan.toml").write_text(PLAN.format(items=DIGITS / "items.parquet", rounds=options.rounds, epochs=options.epochs))
        with open(folder / "all.csv", "w", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(["id", "label"])
            for name in ("truth.csv", "holdout.csv"):
                with open(DIGITS / name, newline="") as rows:
                    sheet.writerows([row["altool_id"], row["label"]] for row in csv.DictReader(rows))
        begun = time.monotonic()
        subprocess.run(call("plain", options.jobs), cwd=folder, env=ENVIRONMENT, check=True)
        seconds = time.monotonic() - begun
        print(f"undisturbed: {seconds:.0f} s", flush=True)
        for number in range(options.kills):
            behind = kill(folder, options.jobs, draw.uniform(0, seconds))
            print(f"kill {number + 1}: {behind} files of finished rounds to go on from", flush=True)
        begun = time.monotonic()
        subprocess.run(call("killed", options.jobs), cwd=folder, env=ENVIRONMENT, check=True)
        print(f"let through: {time.monotonic() - begun:.0f} s", flush=True)
        compare(folder / "plain", folder / "killed")
        print(f"{options.kills} kills: the same bytes", flush=True)


def call(output: str, jobs: int) -> list[str]:
    return [sys.executable, "-m", "altool", "simulate", "--plan", "plan.toml", "-o", output, "--jobs", str(jobs), "--quiet"]


def kill(folder: Path, jobs: int, seconds: float) -> int:
    """Kill a call after so many seconds, or the next one where it ends before; returns how many files of finished rounds it has left. Where
    the runs are whole, one of them is taken away."""
    while True:
        for run in sorted((folder / "killed" / "runs").glob("*-000"))[:1] if whole(folder) else ():
            for path in run.iterdir():
                path.unlink()
            run.rmdir()
        process = subprocess.Popen(call("killed", jobs), cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return kept(folder)
        seconds /= 2


def whole(folder: Path) -> bool:
    """Are all runs there?"""
    return len(list((folder / "killed" / "runs").glob("*-000/history.parquet"))) == PLAN.count("[[run]]")


def kept(folder: Path) -> int:
    """How many files of finished rounds there are, each of one or more."""
    files = (folder / "killed" / "runs").glob(".*.partial/rounds-*.checkpoint")
    return sum(1 for path in files if re.search(r"-\d{6}\.checkpoint$", path.name))


def compare(plain: Path, killed: Path) -> None:
    """Raises AssertionError unless both hold the same bytes, but for the times."""
    here, there = ({path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (plain, killed))
    assert here == there, here ^ there
    for path in here:
        assert path.name == "times.parquet" or (plain / path).read_bytes() == (killed / path).read_bytes(), path


if __name__ == "__main__":
    main()
