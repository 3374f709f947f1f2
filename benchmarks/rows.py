"""What each stage costs per row, and from that the tables of docs/scale.md: `python -m benchmarks.rows measure WORK`, then `page`.

`measure` runs every stage as a whole process on tables of two sizes, which it makes in the folder WORK, each `--runs` times, and fits
lines through what they take: seconds of a processor (user + system, the least), the largest process's peak memory (the median), and bytes
of the tables that it is given and writes, each as so much at the start and so much per row. They lie in benchmarks/rows.json. `page`
writes what follows from them for 1 million, 100 million and 10 billion rows between the marks of docs/scale.md. `measure WORK --stage
NAME` measures that one anew; repeatable.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROOT = Path(__file__).parents[1]
FIGURES, PAGE = ROOT / "benchmarks" / "rows.json", ROOT / "docs" / "scale.md"
START, END = "<!-- made by python -m benchmarks.rows page -->", "<!-- end -->"
CLASSES, WIDTH, PICTURE, KNOWN = 100, 512, 256, 2_000
GROUP = 16_384
MIB, GIB = 1 << 20, 1 << 30


# What is measured


@dataclass(frozen=True)
class Stage:
    """One command at one size.

    `given` are the tables that it reads, names of WORK's; `per` what its costs grow with; `before` are commands that are run first, which
    are not measured. `sharded`: any number of processes work on its rows. `streams`: it holds no more of a larger table, so that the memory
    at the larger size is that at any. `words` is how the page calls it.
    """

    name: str
    words: str
    command: Sequence[str]
    sizes: tuple[int, int]
    given: tuple[str, ...]
    per: str = "row"
    before: tuple[Sequence[str], ...] = ()
    sharded: bool = False
    streams: bool = False


ALTOOL = ("-m", "altool")
MORE = (200_000, 1_000_000)  # rows of a stage that takes a microsecond for each
PICTURES, ROWS, ANSWERS = (40, 120), (100_000, 300_000), (2_000, 10_000)
SELECT = (*ALTOOL, "select", "--predictions", "{predictions}", "--labels", "{known}", "--budget", "1000", "-o", "{out}")
SCORE = (*ALTOOL, "score", "--features", "{features}", "-o", "{out}")
STAGES = (
    Stage(
        "embed-pixels",
        "`embed`, pixels",
        (*ALTOOL, "embed", "--items", "{pictures}", "--backbone", "pixels", "--workers", "0", "-o", "{out}"),
        (2_000, 6_000),
        ("pictures",),
        sharded=True,
        streams=True,
    ),
    Stage(
        "embed-resnet18",
        "`embed`, resnet18",
        (*ALTOOL, "embed", "--items", "{pictures}", "--backbone", "resnet18", "--weights", "none", "--workers", "0", "-o", "{out}"),
        PICTURES,
        ("pictures",),
        sharded=True,
        streams=True,
    ),
    Stage(
        "embed-texts",
        "`embed`, texts (hashing)",
        (*ALTOOL, "embed", "--items", "{texts}", "--backbone", "hashing", "--projection", "random", "-o", "{out}"),
        (10_000, 30_000),
        ("texts",),
        sharded=True,
        streams=True,
    ),
    Stage(
        "train-labels",
        "`train`, logistic: the fit",
        (*ALTOOL, "train", "--features", "{features}", "--labels", "{truth}", "-o", "{out}"),
        ANSWERS,
        ("features", "truth"),
        per="label",
    ),
    Stage(
        "train-rows",
        "`train`, logistic: the pool's features",
        (*ALTOOL, "train", "--features", "{features}", "--labels", "{known}", "-o", "{out}"),
        ROWS,
        ("features",),
    ),
    Stage("score-logistic", "`score`, logistic", (*SCORE, "--model", "{logistic}"), ROWS, ("features",), sharded=True, streams=True),
    Stage("score-mlp", "`score`, mlp", (*SCORE, "--model", "{mlp}"), ROWS, ("features",), sharded=True, streams=True),
    Stage(
        "score-resnet18",
        "`score`, resnet18",
        (*ALTOOL, "score", "--items", "{pictures}", "--model", "{resnet18}", "--workers", "0", "-o", "{out}"),
        PICTURES,
        ("pictures",),
        sharded=True,
        streams=True,
    ),
    Stage(
        "merge",
        "`merge`, of scores",
        (*ALTOOL, "merge", "{out}"),
        ROWS,
        ("predictions",),
        before=tuple((*SCORE[:-1], "{out}/", "--model", "{logistic}", "--shard", f"{part}/4") for part in range(4)),
    ),
    Stage("select-margin", "`select`, margin", (*SELECT, "--strategy", "margin"), MORE, ("predictions",), sharded=True, streams=True),
    Stage(
        "select-badge",
        "`select`, badge, `--shortlist 50000`",
        (*SELECT, "--strategy", "badge", "--features", "{features}", "--shortlist", "50000"),
        ROWS,
        ("predictions", "features"),
        sharded=True,
        streams=True,
    ),
    Stage(
        "select-coreset",
        "`select`, coreset, `--partitions 4`",
        (*SELECT, "--strategy", "coreset", "--features", "{features}", "--partitions", "4"),
        ROWS,
        ("features", "predictions"),
    ),
    Stage(
        "index",
        "`index`",
        (*ALTOOL, "index", "--features", "{features}", "-o", "{out}"),
        (5_000, 20_000),
        ("features",),
    ),
    Stage(
        "import-labels",
        "`import-labels`",
        (*ALTOOL, "import-labels", "{answers}", "--labels", "{out}", "--queries", "{queries}"),
        ANSWERS,
        ("answers", "queries"),
        per="label",
    ),
    Stage(
        "log",
        "reading the label log, file by file",
        (*ALTOOL, "select", "--strategy", "random", "--budget", "10", "--predictions", "{predictions}", "--labels", "{log}", "-o", "{out}"),
        (500, 2_000),
        ("log",),
        per="import",
    ),
    Stage(
        "report",
        "`report`",
        (*ALTOOL, "report", "--predictions", "{predictions}", "--labels", "{held}", "-o", "{out}.html"),
        (10_000, 40_000),
        ("predictions", "held"),
        per="label",
    ),
)


# The tables


def matrix(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def picture(draw: np.random.Generator) -> bytes:
    """A JPEG of a smooth picture, about 12 kB."""
    small = draw.integers(0, 256, (16, 16, 3), np.uint8)
    large = np.asarray(Image.fromarray(small).resize((PICTURE, PICTURE), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = (large + draw.integers(-12, 13, large.shape)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=80)
    return file.getvalue()


def columns(name: str, ids: list[str], draw: np.random.Generator) -> dict[str, object]:
    """The columns of so many rows of a table, beside their ids."""
    rows, names = len(ids), [f"class-{number:03d}" for number in range(CLASSES)]
    class_ = np.array([int(id_[4:]) for id_ in ids]) % CLASSES
    if name == "features":
        centres = np.random.default_rng(1).standard_normal((CLASSES, WIDTH), np.float32)
        return {"features": matrix((centres[class_] * 0.3 + draw.standard_normal((rows, WIDTH), np.float32)).astype(np.float16))}
    if name == "predictions":
        likely = draw.random((rows, CLASSES), np.float32) ** 8
        return {"probabilities": matrix(likely / likely.sum(axis=1, keepdims=True))}
    if name in ("truth", "known", "held"):
        return {
            "label": [names[number] for number in class_],
            "source": ["holdout" if name == "held" else "seed"] * rows,
            "round": pa.array(np.zeros(rows, np.int32)),
        }
    if name == "answers":
        return {"label": [names[number] for number in class_]}
    if name == "pictures":
        kinds = [picture(draw) for _ in range(100)]
        return {"image": [kinds[number % 100] for number in range(rows)]}
    if name == "texts":
        words = draw.integers(0, 30_000, (rows, 24))
        return {"text": [" ".join(f"w{word}" for word in line) for line in words]}
    if name == "queries":
        return {
            "rank": pa.array(np.arange(1, rows + 1, dtype=np.int32)),
            "score": -np.arange(1.0, rows + 1),
            "strategy": ["margin"] * rows,
            "round": pa.array(np.ones(rows, np.int32)),
            "source": ["exploit"] * rows,
        }
    raise ValueError(name)


def table(folder: Path, name: str, rows: int) -> Path:
    """A table of that name and size in the folder, made if it is not there."""
    path = folder / f"{name}-{rows}.{'csv' if name == 'answers' else 'parquet'}"
    if path.exists():
        return path
    if name == "log":
        return log(path, rows)
    draw = np.random.default_rng(0)
    part, writer = path.with_suffix(".part"), None
    for start in range(0, rows, GROUP):
        ids = [f"row-{number:010d}" for number in range(start, min(rows, start + GROUP))]
        found = pa.table({"id": ids, **columns(name, ids, draw)})
        if name == "answers":
            lines = [f"{id_},{label}\n" for id_, label in zip(ids, found.column("label").to_pylist(), strict=True)]
            with part.open("a") as file:
                file.writelines(["id,label\n", *lines] if not start else lines)
            continue
        if name == "predictions":
            classes = json.dumps([f"class-{number:03d}" for number in range(CLASSES)])
            found = found.replace_schema_metadata({"altool.kind": "predictions", "altool.classes": classes})
        large = name in ("features", "predictions", "pictures")
        writer = writer or pq.ParquetWriter(part, found.schema, compression="none" if large else "zstd", use_dictionary=not large)
        writer.write_table(found, row_group_size=GROUP)
    if writer:
        writer.close()
    part.rename(path)
    return path


def log(path: Path, imports: int) -> Path:
    """A label log of so many imports of one answer each, to half as many rows."""
    part = path.with_suffix(".part")
    part.mkdir()
    for number in range(imports):
        round_, row = divmod(number, imports // 2)
        found = {"id": [f"row-{row:010d}"], "label": ["class-001"], "source": ["exploit"], "round": pa.array([round_], pa.int32())}
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        pq.write_table(pa.table(found), part / f"round-{round_:04d}-{digest[:20]}.parquet")
    part.rename(path)
    return path


def model(folder: Path, name: str) -> Path:
    """A model of KNOWN labels (resnet18: of 20 pictures), made if it is not there."""
    path = folder / f"model-{name}"
    if not path.exists():
        given, rows, own = ("--features", table(folder, "features", KNOWN)), KNOWN, ("--quiet",)
        if name == "mlp":
            own = ("--quiet", "--epochs", "5")
        if name == "resnet18":
            given, rows, own = ("--items", table(folder, "pictures", PICTURES[0])), 20, ("--quiet", "--epochs", "1", "--weights", "none")
        given = (*given, "--labels", table(folder, "known", rows), "-o", path)
        subprocess.run([sys.executable, *ALTOOL, "train", "--classifier", name, *map(str, given), *own], check=True, cwd=ROOT)
    return path


def filled(folder: Path, part: str, size: int) -> str:
    """What stands in a command for {name}."""
    if part.startswith("{out}"):
        return str(folder / "out") + part[5:]
    if not (part.startswith("{") and part.endswith("}")):
        return part
    name = part[1:-1]
    if name in ("logistic", "mlp", "resnet18"):
        return str(model(folder, name))
    return str(table(folder, name, KNOWN if name == "known" else size))


def weight(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


# Measuring


@dataclass(frozen=True)
class Line:
    """`start` + `each` per row."""

    start: float
    each: float

    def at(self, rows: float) -> float:
        return self.start + self.each * rows


def line(sizes: Sequence[int], values: Sequence[float]) -> Line:
    """Through two points; it falls nowhere, and is not below 0 at the start."""
    each = max((values[1] - values[0]) / (sizes[1] - sizes[0]), 0.0)
    start = values[0] - each * sizes[0]
    return Line(start, each) if start > 0 else Line(0.0, values[1] / sizes[1])


def prepare(stage: Stage, folder: Path) -> None:
    """Make the tables and models of a stage."""
    for size in stage.sizes:
        for command in (stage.command, *stage.before):
            for part in command:
                filled(folder, part, size)


def measured(stage: Stage, folder: Path, runs: int) -> dict[str, object]:
    """The lines of a stage, and what was found, which they go through."""
    from benchmarks.select import timed  # the page is made without it

    # In a process of its own: the peak of what a large process starts is not below that of the large one.
    own = multiprocessing.get_context("spawn").Process(target=prepare, args=(stage, folder))
    own.start()
    own.join()
    found: dict[str, list[float]] = {"processor": [], "wall": [], "peak": [], "read": [], "written": []}
    for size in stage.sizes:
        results = []
        for _ in range(runs):
            for old in folder.glob("out*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            for before in stage.before:
                command = [sys.executable, *(filled(folder, part, size) for part in before), "--quiet"]
                subprocess.run(command, check=True, cwd=ROOT)
            kept = [path for path in folder.glob("out*") if stage.before]
            earlier = sum(map(weight, kept))
            result = timed([sys.executable, *(filled(folder, part, size) for part in stage.command), "--quiet"], dict(os.environ), 1200)
            if result is None:
                raise SystemExit(f"{stage.name} failed at {size:,}")
            results.append(result)
            print(f"{stage.name}, {size:,}: {result[0]:.2f} s of a processor, {result[2]:,.0f} MiB", flush=True)
        processors, walls, peaks = zip(*results, strict=True)  # what else the machine does only adds to processor seconds
        processor, wall, peak = min(processors), statistics.median(walls), statistics.median(peaks)
        read = earlier or sum(weight(table(folder, name, size)) for name in stage.given)
        written = sum(map(weight, folder.glob("out*")))
        for name, value in (("processor", processor), ("wall", wall), ("peak", peak * MIB), ("read", read), ("written", written)):
            found[name].append(value)
    lines = {name: asdict(line(stage.sizes, values)) for name, values in found.items() if name != "wall"}
    if stage.streams:
        lines["peak"] = asdict(Line(max(found["peak"]), 0.0))
    return {"sizes": list(stage.sizes), "found": found, **lines}


def measure(folder: Path, names: Sequence[str], runs: int) -> None:
    """Measure the stages of these names (none: all of them), and keep the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"stages": {}}
    figures["machine"] = f"{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}, pyarrow {pa.__version__}"
    for stage in STAGES:
        if not names or stage.name in names:
            figures["stages"][stage.name] = measured(stage, folder, runs)
            FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
            PAGE.write_text(page(PAGE.read_text("utf-8"), figures, Price()), "utf-8")


# The page


@dataclass(frozen=True)
class Price:
    """What the page assumes, in dollars."""

    core_hour: float = 0.04  # with CORE_MEMORY of memory
    gigabyte_month: float = 0.023
    thousand_gets: float = 0.0004
    thousand_puts: float = 0.005


CORE_MEMORY = 4 * GIB
REQUEST = 8 * MIB  # bytes of one read, and of one part of an upload
IMPORT = 10  # labels of one
POOLS = {"1 M": (10**6, 10**4, 8), "100 M": (10**8, 10**5, 64), "10 G": (10**10, 10**6, 1024)}  # rows, labels, cores


@dataclass(frozen=True)
class Cost:
    """Of a stage at a size: processor seconds in all, bytes of the largest process, read and written, and dollars."""

    seconds: float
    memory: float
    read: float
    written: float
    dollars: float


def cost(stage: Stage, figures: Mapping[str, Mapping[str, float]], rows: int, labels: int, workers: int, price: Price) -> Cost:
    """What follows from the lines: a stage whose rows are divided is done by so many processes, each with its own start."""
    lines = {name: Line(**figures[name]) for name in ("processor", "peak", "read", "written")}
    size = {"row": rows, "label": labels, "import": labels // IMPORT}[stage.per]
    processes = workers if stage.sharded else 1
    seconds = processes * lines["processor"].start + lines["processor"].each * size
    memory = lines["peak"].at(ceil(size / processes))
    read, written = lines["read"].at(size), lines["written"].at(size)
    cores = max(1.0, memory / CORE_MEMORY)
    requests = read / REQUEST / 1000 * price.thousand_gets + written / REQUEST / 1000 * price.thousand_puts
    return Cost(seconds, memory, read, written, seconds / 3600 * cores * price.core_hour + requests)


def sized(value: float) -> str:
    """A number of bytes."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{rounded(value / factor)} {unit}"
    return f"{value:.0f} B"


def rounded(value: float) -> str:
    """To two digits."""
    if value == 0:
        return "0"
    digits = 1 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def lasting(seconds: float) -> str:
    """A time, in the unit that one says it in."""
    for unit, factor in (("years", 3600 * 24 * 365), ("days", 3600 * 24), ("h", 3600), ("min", 60)):
        if seconds >= 2 * factor:
            return f"{rounded(seconds / factor)} {unit}"
    return f"{rounded(seconds)} s"


def money(dollars: float) -> str:
    return "below 0.01 $" if dollars < 0.01 else f"{rounded(dollars)} $"


def rendered(figures: Mapping[str, object], price: Price) -> list[str]:
    """The lines of the page's tables."""
    stages: Mapping[str, Mapping[str, Mapping[str, float]]] = figures["stages"]  # type: ignore[assignment]
    known = [stage for stage in STAGES if stage.name in stages]
    lines = ["## Per row, measured", "", f"On {figures['machine']}.", ""]
    lines += ["| stage | measured at | reads | writes | processor | memory of a process |", "|---|---|---|---|---|---|"]
    for stage in known:
        own = {name: Line(**stages[stage.name][name]) for name in ("processor", "peak", "read", "written")}
        sizes = " and ".join(f"{size:,}" for size in stage.sizes) + f" {stage.per}s"
        each = own["processor"].each
        time = f"{rounded(each * 1e3)} ms" if each >= 1e-3 else f"{rounded(each * 1e6)} µs"
        grows = f"{sized(own['peak'].each)} {'an' if stage.per[0] in 'aeiou' else 'a'} {stage.per}"
        lines.append(
            f"| {stage.words} | {sizes} | {sized(own['read'].each)} | {sized(own['written'].each)} "
            f"| {time}, and {rounded(own['processor'].start)} s | {sized(own['peak'].start)} and {grows} |"
        )
    for title, (rows, labels, workers) in POOLS.items():
        lines += ["", f"## {title} rows", "", f"{rows:,} rows, {labels:,} labels.", ""]
        lines += [
            f"| stage | reads | writes | cores' time | on {workers:,} cores | largest process | cost |",
            "|---|---|---|---|---|---|---|",
        ]
        for stage in known:
            found = cost(stage, stages[stage.name], rows, labels, workers, price)
            share = lasting(found.seconds / workers) if stage.sharded else "one process"
            lines.append(
                f"| {stage.words} | {sized(found.read)} | {sized(found.written)} | {lasting(found.seconds)} | {share} "
                f"| {sized(found.memory)} | {money(found.dollars)} |"
            )
        total = sum(Line(**stages[name]["written"]).at(rows) for name in ("embed-resnet18", "score-logistic") if name in stages)
        month = money(total / 1e9 * price.gigabyte_month)
        lines += ["", f"Features and predictions in object storage: {sized(total)}, {month} a month."]
    return lines


def page(text: str, figures: Mapping[str, object], price: Price) -> str:
    """The page with its tables made anew."""
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE}: expected the marks {START} and {END}")
    return "\n".join([before + START, "", *rendered(figures, price), "", END + after])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("work", type=Path)
    measuring.add_argument("--stage", action="append", default=[], choices=[stage.name for stage in STAGES])
    measuring.add_argument("--runs", type=int, default=3)
    measuring.set_defaults(run=lambda given: measure(given.work.resolve(), given.stage, given.runs))
    writing = commands.add_parser("page")
    writing.set_defaults(run=lambda _: PAGE.write_text(page(PAGE.read_text("utf-8"), json.loads(FIGURES.read_text()), Price()), "utf-8"))
    given = parser.parse_args()
    run: Callable[[argparse.Namespace], object] = given.run
    run(given)


if __name__ == "__main__":
    main()
