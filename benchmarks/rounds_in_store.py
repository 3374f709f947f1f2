"""Labeling rounds whose tables all lie in object storage, killed at random moments, against an undisturbed twin in a folder.

    python -m benchmarks.rounds_in_store [--sample digits] [--rounds 2] [--kills 5] [--imports 20] [--seed 0]

Each round is `sample_data/round.sh`, with a server of the S3 protocol (moto's) as the store; a bot answers what was asked. The command that
runs is killed (SIGKILL, with the script), then the same call is made again. In the end labels, queries, models and metrics are compared.
Then as many imports as are asked for write into one label log at once.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from altool.labels.consensus import resolve
from altool.tables import label_log
from altool.tables.read import Reader

ROOT = Path(__file__).parents[1]
ALTOOL = f"{sys.executable} -m altool"
ACCESS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
BUCKET = "rounds"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", default="digits", choices=("digits",))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--imports", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch, server(Path(scratch)):
        here, there = str(Path(scratch, "here")), f"s3://{BUCKET}/there"
        for place in (here, there):
            for name in ("items.parquet", "holdout.csv"):
                put(place, name, (ROOT / "sample_data" / options.sample / name).read_bytes())
        numbers = range(options.rounds + 1)
        kills = dict.fromkeys(numbers, 0)
        for _ in range(options.kills):
            kills[draw.randrange(len(kills))] += 1
        killed: list[str] = []
        for number in numbers:
            if number:
                for place in (here, there):
                    answer(place, options.sample, number - 1)
            begun = time.monotonic()
            call(here, number).check_returncode()
            seconds = time.monotonic() - begun
            for _ in range(kills[number]):
                killed.append(f"round {number}: {kill(there, number, draw.uniform(0, seconds))}")
            call(there, number).check_returncode()
            print(f"round {number}: {seconds:.0f} s in a folder", flush=True)
        print("\n".join(["killed while it ran:", *killed]))
        compare(here, there, numbers)
        at_once(Path(scratch), f"s3://{BUCKET}/at-once", options.imports)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[None]:
    """A server of the S3 protocol with an empty bucket; what reaches it is in this process's environment."""
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port = asking.getsockname()[1]
    os.environ |= {**ACCESS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": str(ROOT), "ALTOOL": ALTOOL}
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True).create_dir(BUCKET)
        yield
    finally:
        process.terminate()
        process.wait()


def call(place: str, number: int) -> subprocess.CompletedProcess[str]:
    """One round; what it says is shown where it fails."""
    command = ["sh", str(ROOT / "sample_data" / "round.sh"), place, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr, flush=True)
    return done


def kill(place: str, number: int, seconds: float) -> str:
    """Begin a round, kill it with all its processes after that time; which command it was in."""
    command = ["sh", "-x", str(ROOT / "sample_data" / "round.sh"), place, str(number)]
    begun = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(begun.pid, signal.SIGKILL)
    said = begun.communicate()[1]
    commands = [line.split("-m altool ")[1].split()[0] for line in said.splitlines() if "-m altool " in line]
    return f"{commands[-1] if commands else 'nothing'}, after {seconds:.1f} s"


def answer(place: str, sample: str, number: int) -> None:
    """The bot: looks up in the truth what a round asked."""
    truth = {}
    for name in ("truth.csv", "holdout.csv"):
        with open(ROOT / "sample_data" / sample / name, newline="") as file:
            truth |= {row["altool_id"]: row["label"] for row in csv.DictReader(file)}
    asked = csv.DictReader(get(place, f"todo/{number}.csv").decode().splitlines())
    rows = [f"{row['altool_id']},{truth[row['altool_id']]}" for row in asked if row["altool_id"] in truth]
    put(place, f"answers/{number}.csv", "\n".join(["altool_id,label", *rows, ""]).encode())


def compare(here: str, there: str, numbers: range) -> None:
    """Raises AssertionError unless both places hold the same: bytes where a table is one file, else rows."""
    for number in numbers:
        for name in (f"queries/{number}.parquet", f"todo/{number}.csv"):
            assert get(here, name) == get(there, name), name
        for name in (f"predictions/{number}.parquet", f"metrics/{number}.parquet", f"reports/{number}.html") if number else ():
            assert get(here, name) == get(there, name), name
    logs = [read(f"{place}/labels") for place in (here, there)]
    assert sorted(map(str, logs[0].to_pylist())) == sorted(map(str, logs[1].to_pylist()))
    assert resolve(logs[0]).table.equals(resolve(logs[1]).table)
    labels, files = len(logs[0]), len(fs_of(f"{there}/labels")[0].get_file_info(fs.FileSelector(fs_of(f"{there}/labels")[1])))
    print(f"the same bytes of queries, sheets, predictions, metrics and pages in {len(numbers)} rounds; the same {labels} labels")
    print(f"the log in the store: {files} files")


def at_once(folder: Path, log: str, imports: int) -> None:
    """Imports of sheets that overlap, all begun together, into one log."""
    expected = set()
    for number in range(imports):
        ids = [f"own-{number}-{place}" for place in range(50)] + [f"shared-{place}" for place in range(10 * number, 10 * number + 20)]
        expected |= set(ids)
        (folder / f"{number}.csv").write_text("\n".join(["id,label,annotator", *(f"{id_},cat,ann" for id_ in ids), ""]))
    begun = [
        subprocess.Popen([*ALTOOL.split(), "import-labels", str(folder / f"{number}.csv"), "--labels", log, "--quiet"])
        for number in range(imports)
    ]
    assert [process.wait() for process in begun] == [0] * imports
    found = read(log).column("id").to_pylist()
    assert sorted(found) == sorted(expected), (len(found), len(expected))
    print(f"{imports} imports at once: {len(found)} answers, none lost, none twice")


def read(log: str) -> pa.Table:
    """A label log."""
    reader = Reader()
    source = reader.open(log, "labels")
    reader.match_ids()
    return label_log.read(source)


def fs_of(location: str) -> tuple[fs.FileSystem, str]:
    return fs.FileSystem.from_uri(location) if "://" in location else (fs.LocalFileSystem(), location)


def put(place: str, name: str, content: bytes) -> None:
    filesystem, path = fs_of(f"{place}/{name}")
    if "://" not in place:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)


def get(place: str, name: str) -> bytes:
    filesystem, path = fs_of(f"{place}/{name}")
    with filesystem.open_input_file(path) as file:
        return file.read()


if __name__ == "__main__":
    main()
