"""Races `altool select` against other libraries on the same files: `python -m benchmarks.select --pools POOLS --peers PYTHON`.

POOLS holds the pools T, S, M and L, which are made there where they are missing; PYTHON is one that has the
peers installed (those that it lacks are left out). Whole processes, in turn; the medians of processor seconds (user + system), wall
seconds and peak memory are printed as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
BUDGETS = {"T": 50, "S": 500, "M": 1000, "L": 10_000}
CASES = {  # strategy -> the tables that it is given, its options, and the peers that do the same
    "margin": ("predictions", [], ["modal", "small-text", "scikit-activeml"]),
    "entropy": ("predictions", [], ["modal", "small-text", "scikit-activeml"]),
    "badge": ("predictions features", [], ["eager", "scikit-activeml"]),
    "coreset": ("features", [], ["eager", "scikit-activeml"]),
    "kmeans": ("features", [], ["faiss"]),
    "logdetmi": ("features", ["--similarity", "features"], ["submodlib"]),
    "flqmi": ("features", ["--similarity", "features"], ["submodlib"]),
    "bait": ("predictions features", ["--bait-components", "32"], []),
    "cluster-margin": ("predictions features", [], []),
}
MODULES = {"modal": "modAL", "small-text": "small_text", "scikit-activeml": "skactiveml", "submodlib": "submodlib", "faiss": "faiss"}


def timed(command: list[str], environment: dict[str, str], limit: float) -> tuple[float, float, float] | None:
    """Processor seconds, wall seconds and peak MiB of a process; None if it failed or ran longer than `limit` seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - start > limit:
                process.kill()
                os.wait4(process.pid, 0)
                return None
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            said.seek(0)
            print(said.read().decode()[-300:], file=sys.stderr)
            return None
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024


def race(
    commands: Mapping[str, list[str]], runs: int, environment: dict[str, str], limit: float
) -> dict[str, list[tuple[float, float, float]]]:
    """What `timed` says of each of the commands (Python's arguments), run in turn. Ends the program if one fails."""
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found = timed([sys.executable, *command], environment, limit)
            if not found:
                raise SystemExit(f"{name} failed")
            results[name].append(found)
    return results


def commands(strategy: str, folder: Path, budget: int, work: Path, peers_python: str | None, options: list[str]) -> dict[str, list[str]]:
    """{who: command} of everyone who can do this selection here."""
    tables, own, peers = CASES[strategy]
    altool = [sys.executable, "-m", "altool", "select", "--strategy", strategy, "--budget", str(budget), "--overwrite", *own, *options]
    for table in (*tables.split(), "labels"):
        altool += [f"--{table}", str(folder / f"{table}.parquet")]
    found = {"altool": [*altool, "-o", str(work / "altool.parquet")]}
    for peer in peers:
        python = sys.executable if peer == "eager" else peers_python
        if python and (peer == "eager" or subprocess.run([python, "-c", f"import {MODULES[peer]}"], capture_output=True).returncode == 0):
            found[peer] = [python, "-m", "benchmarks.peers", peer, strategy, str(folder), str(budget), str(work / f"{peer}.npy")]
    return found


def agreement(work: Path, peer: str, folder: Path) -> str:
    """How many of the peer's rows altool chose too."""
    ids = pq.ParquetFile(folder / "features.parquet").read(["id"]).column("id").to_pylist()
    labeled = pq.ParquetFile(folder / "labels.parquet").metadata.num_rows
    theirs = [ids[labeled + row] for row in np.load(work / f"{peer}.npy")]
    ours = pq.read_table(work / "altool.parquet").column("id").to_pylist()
    return "same order" if ours == theirs else f"{len(set(ours) & set(theirs)) / len(ours):.0%} in common"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, required=True)
    parser.add_argument("--pool", choices=BUDGETS, nargs="+", default=["S", "M"])
    parser.add_argument("--strategy", choices=CASES, nargs="+", default=["margin", "entropy", "badge", "coreset"])
    parser.add_argument("--budget", type=int, help="instead of the pool's own")
    parser.add_argument("--rows", type=int, help="only so many unlabeled rows of the pool")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a process is given up")
    parser.add_argument("options", nargs="*", help="after --: further options of altool select")
    options = parser.parse_args()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as a user has it
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    print("| pool | strategy | who | processor s | wall s | peak MiB | processor, altool = 1 | rows |\n|---|---|---|---|---|---|---|---|")
    for pool in options.pool:
        folder = options.pools / pool
        if not (folder / "truth.parquet").exists():
            subprocess.run([sys.executable, "-m", "benchmarks.pools", pool, "--out", str(options.pools)], check=True)
        with tempfile.TemporaryDirectory() as scratch:
            if options.rows:
                folder = cut(folder, options.rows, Path(scratch))
            for strategy in options.strategy:
                found = commands(strategy, folder, options.budget or BUDGETS[pool], Path(scratch), options.peers, options.options)
                runs: dict[str, list[tuple[float, float, float]]] = {who: [] for who in found}
                for number in range(options.runs):
                    for who, command in found.items():
                        if number == 0 or runs[who]:
                            run = timed(command, environment, options.limit)
                            runs[who] += [run] if run else []
                base = 0.0
                for who, results in runs.items():
                    if not results:
                        print(
                            f"| {pool} | {strategy} | {who} | gave up: out of memory, or more than {options.limit:g} s | | | | |",
                            flush=True,
                        )
                        continue
                    processor, wall, peak = (statistics.median(column) for column in zip(*results, strict=True))
                    base = base or processor
                    rows = agreement(Path(scratch), who, folder) if who != "altool" else ""
                    facts = f"{processor:.2f} | {wall:.2f} | {peak:,.0f} | {processor / base:.1f} | {rows} |"
                    print(f"| {pool} | {strategy} | {who} | {facts}", flush=True)
    print(json.dumps({"machine": os.uname().machine, "cores": os.cpu_count(), "python": sys.version.split()[0], "runs": options.runs}))


def cut(folder: Path, rows: int, into: Path) -> Path:
    """A pool of the first rows of another."""
    labeled = pq.ParquetFile(folder / "labels.parquet").metadata.num_rows
    for name in ("features", "predictions"):
        table = pq.read_table(folder / f"{name}.parquet").slice(0, labeled + rows)
        pq.write_table(table, into / f"{name}.parquet", compression="NONE", use_dictionary=False, row_group_size=65_536)
    (into / "labels.parquet").write_bytes((folder / "labels.parquet").read_bytes())
    return into


if __name__ == "__main__":
    main()
