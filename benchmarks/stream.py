"""Races `altool select` against reading the same file once: `python -m benchmarks.stream predictions.parquet`.

Both run as whole processes, in turn; the medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

READ = "import sys, pyarrow.dataset as d; print(sum(b.num_rows for b in d.dataset(sys.argv[1]).to_batches()), file=sys.stderr)"


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MiB of a process."""
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions")
    parser.add_argument("--strategy", default="margin")
    parser.add_argument("--budget", default="1000")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "queries.parquet")
        select = [sys.executable, "-m", "altool", "select", "--strategy", options.strategy, "--budget", options.budget]
        select += ["--predictions", options.predictions, "-o", output, "--overwrite"]
        commands = {"altool select": select, "pyarrow.dataset": [sys.executable, "-c", READ, options.predictions]}
        results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                results[name].append(timed(command))
    for name, runs in results.items():
        wall, processor, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:16} wall {wall:6.2f} s   processor {processor:6.2f} s   peak {peak:6.0f} MiB   (median of {options.runs})")
    ratios = [a[0] / b[0] for a, b in zip(*results.values(), strict=True)]
    print(f"wall ratio, pair by pair: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
