"""What altool does on a GPU, beside the processor, in one table and within ten minutes: `sh benchmarks/gpu.sh [--device cuda] [--small]`.

It runs the tests marked gpu, races a ResNet-18's training and scoring against a plain loop (training.py), and chooses from the pool L by
badge, coreset, auto and logdetmi with `--device` and without: the same rows up to near ties. badge draws by chance: where float32 sums
differ in their last bit it may draw another row, and from there on it is another draw of the same law, so what counts is the gap.
Results are written as they come, and a step that would take too long is left out, with a word. `--device cpu` computes with torch on the
processor in place of a GPU, `--small` takes the pool T and few pictures: that tries every line without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

ROOT = Path(__file__).parents[1]
BUDGETS = {"badge": 10_000, "coreset": 10_000, "auto": 10_000, "logdetmi": 1_000}
TABLES = {
    "badge": ("features", "predictions", "labels"),
    "coreset": ("features", "labels"),
    "auto": ("features", "predictions", "labels"),
    "logdetmi": ("features", "labels"),
}
OWN = {"logdetmi": ("--similarity", "features")}
BLOCK = 8192  # rows at once in the measures


class Page:
    """The page of results, written again after every line."""

    def __init__(self, path: Path, minutes: float) -> None:
        self.path, self.seconds, self.lines = path, 60 * minutes, list[str]()
        self.end = time.monotonic() + self.seconds

    def add(self, *lines: str) -> None:
        self.lines += lines
        self.path.write_text("\n".join([*self.lines, ""]), "utf-8")
        print("\n".join(lines), flush=True)

    def run(self, command: Sequence[str], share: float, **environment: str) -> tuple[int | None, str, float]:
        """The exit status (None: not within that share of all the time, or within what is left), the output, and the seconds."""
        start, most = time.monotonic(), min(share * self.seconds, self.end - time.monotonic())
        if most < 5:
            return None, "no time is left", 0.0
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=said, stderr=subprocess.STDOUT)
            try:
                status: int | None = process.wait(most)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
                status = None
            said.seek(0)
            return status, said.read().decode(errors="replace"), time.monotonic() - start


def failure(status: int | None, output: str, seconds: float) -> str:
    """Why a step has no result."""
    last = output.strip().splitlines()[-1:] or [""]
    return f"not within {seconds:.0f} s" if status is None and seconds else f"failed: {last[0][:300]}"


def tests(page: Page, device: str, small: bool) -> None:
    """The tests marked gpu."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", "1" if small else "4", "tests/test_gpu.py"]
    status, output, seconds = page.run(command, 0.4, ALTOOL_TEST_DEVICE=device)
    counts = re.findall(r"(\d+) (passed|failed|errors?|skipped)", output)
    said = ", ".join(" ".join(pair) for pair in counts)
    page.add("", f"Tests marked gpu: {said if status is not None else failure(status, output, seconds)}, {seconds:.0f} s")
    page.add(*(f"- {line}" for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))))


def networks(page: Page, device: str, small: bool) -> None:
    """A ResNet-18 against a plain loop."""
    sizes = ("--rows", "64", "--size", "16", "--epochs", "1", "--repeats", "1", "--minibatch", "32", "--threads", "1")
    if not small:
        sizes = ("--rows", "50000", "--size", "32", "--epochs", "3", "--repeats", "2", "--minibatch", "256")
    status, output, seconds = page.run([sys.executable, "-m", "benchmarks.training", "--device", device, *sizes], 0.3)
    rates = {
        name: (rate, busy) for name, rate, busy in re.findall(r"^([\w ]+?) +(\d+) images/s(?:, GPU busy (\d+) %)?", output, re.MULTILINE)
    }
    ratios = dict(re.findall(r"^(\w+): ([\d.]+) times", output, re.MULTILINE))
    page.add("", f"ResNet-18, {sizes[1]} pictures of {sizes[3]} pixels" + ("" if ratios else f": {failure(status, output, seconds)}"))
    if ratios:
        page.add("", "| | altool, images/s | GPU busy | plain loop, images/s | GPU busy | times as fast |", "|---|---|---|---|---|---|")
    for name, ratio in ratios.items():
        own, plain = rates[name], rates[f"plain {name}"]
        busy = [f"{share} %" if share else "" for _, share in (own, plain)]
        page.add(f"| {name} | {int(own[0]):,} | {busy[0]} | {int(plain[0]):,} | {busy[1]} | {ratio} |")


def choose(kind: str, arguments: list[str]) -> None:
    """`altool select ARGUMENTS` in this process, where `kind` is torch with torch on the processor in place of a GPU; prints, as JSON, the
    seconds of the choice alone and the largest number of bytes that lay on the GPU."""
    from altool import cli
    from altool.commands import select
    from altool.console import Console
    from altool.engines import device as devices

    if kind == "torch":
        devices.of_choices = lambda name: torch.device("cpu")  # type: ignore[assignment]
        devices._free = lambda device: 1 << 60  # type: ignore[assignment]
    inner, taken = select.choose, [0.0]

    def timed(*given: Any) -> Any:
        start = time.perf_counter()
        found = inner(*given)
        taken[0] = time.perf_counter() - start
        return found

    select.choose = timed
    cli.app(["select", *arguments], prog_name="altool", standalone_mode=False, obj=Console())
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    print(json.dumps({"choice": taken[0], "peak": peak}))


def choices(page: Page, device: str, small: bool, folder: Path) -> None:
    """The strategies with `--device` and without."""
    page.add(
        "", f"`altool select --device {device}` from the pool {folder.name}" + (", with torch on the processor" if device == "cpu" else "")
    )
    page.add(
        "", "| strategy | chosen | processor: choice, whole s | device: choice, whole s | GPU memory | rows in common | first other | gap |"
    )
    page.add("|---|---|---|---|---|---|---|---|")
    pool: Pool | None = None
    for strategy, budget in BUDGETS.items():
        budget = budget // 50 if small else budget
        picks, facts = {}, {}
        for kind in ("numpy", "torch" if device == "cpu" else "gpu"):
            output = folder / f"{strategy}-{kind}.parquet"
            command = [sys.executable, "-m", "benchmarks.gpu", "--choose", kind, "--strategy", strategy, "--budget", str(budget)]
            command += [
                "--device",
                "cpu" if kind == "numpy" else device,
                "--quiet",
                "--overwrite",
                "-o",
                str(output),
                *OWN.get(strategy, ()),
            ]
            for table in TABLES[strategy]:
                command += [f"--{table}", str(folder / f"{table}.parquet")]
            status, said, seconds = page.run(command, 0.15)
            if status != 0:
                page.add(f"| {strategy} | {budget:,} | {kind}: {failure(status, said, seconds)} | | | | | |")
                break
            facts[kind] = json.loads(said.strip().splitlines()[-1]) | {"whole": seconds}
            picks[kind] = pq.read_table(output).column("id").to_pylist()
        if len(picks) < 2:
            continue
        (ours, theirs), (here, there) = picks.values(), facts.values()
        same = len(set(ours) & set(theirs)) / budget
        first = next((place for place, pair in enumerate(zip(ours, theirs, strict=True), 1) if pair[0] != pair[1]), None)
        gap = "0"
        if first is not None:
            pool = pool or Pool(folder, device)
            values = [MEASURES[strategy](pool, pool.places(rows)) for rows in (ours, theirs)]
            gap = f"{values[1] / values[0] - 1:+.2e}"
        timed = [f"{part['choice']:.2f}, {part['whole']:.1f}" for part in (here, there)]
        memory = f"{there['peak'] / 2**30:.1f} GiB" if there["peak"] else ""
        page.add(f"| {strategy} | {budget:,} | {timed[0]} | {timed[1]} | {memory} | {same:.1%} | {first or 'none'} | {gap} |")
    page.add(
        "", "Gap: by how much the device's choice differs from the processor's in what the strategy is after: badge the sum of squared"
    )
    page.add("distances to the nearest choice, coreset the largest such distance, auto the mean one, logdetmi the measure.")


class Pool:
    """The pool's arrays, where the device is."""

    def __init__(self, folder: Path, device: str) -> None:
        self.labels = pq.read_table(folder / "labels.parquet").column("label").to_pylist()
        self.features, self.probabilities = (
            torch.from_numpy(matrix(folder / f"{name}.parquet", column)).to(device)
            for name, column in (("features", "features"), ("predictions", "probabilities"))
        )

    def places(self, ids: Sequence[str]) -> torch.Tensor:
        """Where these rows lie: after the labeled ones, by the number in their names."""
        return torch.tensor([len(self.labels) + int(id_.rpartition("-")[2]) for id_ in ids], device=self.features.device)

    def known(self, places: torch.Tensor) -> torch.Tensor:
        """The labeled rows and these."""
        return torch.cat([torch.arange(len(self.labels), device=places.device), places])

    def nearest(self, vectors: Callable[[Any], torch.Tensor], others: torch.Tensor) -> torch.Tensor:
        """The squared distance of each row's vector to the nearest of the rows `others`."""
        centres, found = vectors(others), []
        for start in range(0, len(self.features), BLOCK):
            block = vectors(slice(start, start + BLOCK))
            found.append(torch.cdist(block, centres).amin(1).square())
        return torch.cat(found)


def matrix(path: Path, column: str) -> np.ndarray:
    values = pq.read_table(path, columns=[column]).column(column).combine_chunks()
    return values.values.to_numpy(zero_copy_only=False).reshape(len(values), -1).copy()


def badge(pool: Pool, picks: torch.Tensor) -> float:
    """The sum of the squared distances of gradients: |g - g'|^2 from products of the factors, in pieces of the choice."""
    total = 0.0
    for start in range(0, len(pool.features), BLOCK):
        (h, a), (other_h, other_a) = (gradient(pool, at) for at in (slice(start, start + BLOCK), picks))
        own, other = h.square().sum(1) * a.square().sum(1), other_h.square().sum(1) * other_a.square().sum(1)
        total += float((own[:, None] + other - 2 * (h @ other_h.T) * (a @ other_a.T)).amin(1).clip(0).double().sum())
    return total


def gradient(pool: Pool, at: Any) -> tuple[torch.Tensor, torch.Tensor]:
    likely = pool.probabilities[at]
    return pool.features[at], torch.nn.functional.one_hot(likely.argmax(1), likely.shape[1]) - likely


def coreset(pool: Pool, picks: torch.Tensor) -> float:
    return float(pool.nearest(lambda at: pool.features[at], pool.known(picks)).max().sqrt())


def auto(pool: Pool, picks: torch.Tensor) -> float:
    middle = pool.features.mean(0)
    return float(pool.nearest(lambda at: torch.nn.functional.normalize(pool.features[at] - middle), pool.known(picks)).sqrt().mean())


def logdetmi(pool: Pool, picks: torch.Tensor) -> float:
    names, counts = np.unique(pool.labels, return_counts=True)
    queries = torch.from_numpy(np.flatnonzero(np.array(pool.labels) != names[counts.argmax()])).to(picks.device)
    unit = torch.nn.functional.normalize(pool.features[torch.cat([picks, queries])].double())
    table = (1 + unit @ unit.T) / 2
    table.diagonal().add_(1)
    ours, theirs = slice(len(picks)), slice(len(picks), None)
    rest = table[ours, ours] - table[ours, theirs] @ torch.linalg.solve(table[theirs, theirs], table[theirs, ours])
    return float(torch.logdet(table[ours, ours]) - torch.logdet(rest))


MEASURES = {"badge": badge, "coreset": coreset, "auto": auto, "logdetmi": logdetmi}


def main() -> None:
    if sys.argv[1:2] == ["--choose"]:
        choose(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pools", type=Path, help="where the pool lies, or is made; else in a folder of its own")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "."), "gpu.md"))
    parser.add_argument("--minutes", type=float, default=9.5, help="for all of it")
    given = parser.parse_args()
    page = Page(given.out.absolute(), given.minutes)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device: give --device cpu --small to try the script")
    facts = [f"{os.cpu_count()} cores", f"Python {platform.python_version()}", f"torch {torch.__version__}", f"numpy {np.__version__}"]
    if given.device.startswith("cuda"):
        gpu = torch.cuda.get_device_properties(given.device)
        facts = [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB", *facts]
    page.add(f"# altool on {'a GPU' if given.device.startswith('cuda') else 'the processor, to try the script'}", "", ", ".join(facts))
    name = "T" if given.small else "L"
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.pools or Path(scratch)).absolute() / name
        making = None
        if not (folder / "labels.parquet").exists():  # while the tests run
            making = subprocess.Popen([sys.executable, "-m", "benchmarks.pools", name, "--out", str(folder.parent)], cwd=ROOT)
        tests(page, given.device, given.small)
        networks(page, given.device, given.small)
        if making and making.wait():
            page.add("", f"The pool {name} could not be made.")
        else:
            choices(page, given.device, given.small, folder)
    page.add("", f"All of it: {page.seconds - (page.end - time.monotonic()):.0f} s")


if __name__ == "__main__":
    main()
