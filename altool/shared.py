"""The options that several commands have, each declared once."""

from __future__ import annotations

import re
from typing import Any

from altool.options import Option


def _shard(value: Any) -> tuple[int, int]:
    """(I, N) of I/N. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", value) if isinstance(value, str) else None
    if found is None or not int(found[1]) < int(found[2]):
        raise ValueError("I/N, I from 0 to N - 1, as 0/4")
    return int(found[1]), int(found[2])


def numbers_of(shard: Any) -> tuple[int, int]:
    """I and N of the value of a SHARD that is given, which its declaration has made of them, whatever the type of its field."""
    number, of = shard
    return number, of


TABLES = "Tables"  # the panels, in the order of the help
READING = "How tables are read"
RUN = "The run"

ITEMS = Option(metavar="TABLE", panel=TABLES, help="Items: a table, a folder of images, or tars.")
FEATURES = Option(metavar="TABLE", panel=TABLES, help="Features: id and one vector per row.")
LABELS = Option(metavar="TABLE", panel=TABLES, help="The label log (a folder), or a table of labels.")
PREDICTIONS = Option(metavar="TABLE", panel=TABLES, help="Predictions: id and one probability per class.")
TARGETS = Option(metavar="TABLE", panel=TABLES, help="Targets per class: TOML or a table.")
OUTPUT = Option(metavar="PATH", panel=TABLES, flags=("-o", "--output"), help="Where to write; - is standard output.")

FORMAT = Option(
    metavar="NAME",
    panel=RUN,
    choices=("parquet", "arrow", "csv", "jsonl"),
    help="What is written: parquet, arrow, csv or jsonl.",
    shown="by the ending, else parquet",
)
COLUMNS = Option(metavar="NAME=OTHER,…", panel=READING, help="Other names of columns, as id=item_id.")
CLASSES = Option(metavar="A,B,…", panel=READING, help="The classes in probability order, or a file of them.")
IDS = Option(metavar="TABLE", panel=READING, flags=("--ids", "--id"), help="Ids of a table without, by row; row numbers them.")
PROB_PREFIX = Option(metavar="PREFIX", panel=READING, help="Predictions: a column per class, PREFIX and class.")
PROB_COLUMNS = Option(metavar="A,B,…", panel=READING, help="Predictions: a column per class, named as it.")
SCORE = Option(metavar="COLUMN", panel=READING, help="Predictions: score of the second of two --classes.")
LONG = Option(metavar="label=A,score=B", panel=READING, help="Predictions: one row per id and class.")
PROBABILITIES = Option(
    metavar="SCALE",
    panel=READING,
    choices=("logits", "unnormalised"),
    help="What the numbers of predictions are: logits or unnormalised.",
    shown="probabilities",
)
FEATURE_PREFIX = Option(metavar="PREFIX", panel=READING, help="Features: a column per number, PREFIX and place.")
SCALE = Option(metavar="NUMBER|COLUMN", panel=READING, help="Features: what their numbers are multiplied by.")
TIME_ZONE = Option(metavar="ZONE", panel=READING, help="Zone of times without an offset: UTC, +02:00, Europe/Berlin.")
TIME_UNIT = Option(metavar="UNIT", panel=READING, help="Unit of times that are numbers: s, ms, us or ns.")
UNLABELED_VALUE = Option(metavar="VALUE", panel=READING, help="A label that means there is none, as -1; repeatable.")
ALLOW_OUTSIDE = Option(default=False, panel=READING, help="Read paths that lead out of the table's folder.")

ROUND = Option(metavar="N", panel=RUN, low=0, high=2**31 - 1, help="The round's number.", shown="the labels' last + 1")
SEED = Option(metavar="N", panel=RUN, default=0, low=0, help="The same seed gives the same bytes.")
DEVICE = Option(metavar="NAME", panel=RUN, default="auto", help="auto, cpu, cuda, cuda:N or mps.")
THREADS = Option(metavar="N", panel=RUN, default=0, low=0, help="Threads; 0 is one per core. Results do not change.")
WORKERS = Option(
    metavar="N", panel=RUN, low=0, help="Processes that decode images, 0: none; or Ray's workers.", shown="one per core, if it pays"
)
ENGINE = Option(metavar="NAME", panel=RUN, default="local", choices=("local", "ray"), help="Where it runs: here, or on a Ray cluster.")
RAY_ADDRESS = Option(
    metavar="ADDRESS", panel=RUN, help="The cluster: auto, HOST:PORT or ray://HOST:PORT.", shown="one here, else a new one"
)
GPUS_PER_WORKER = Option(metavar="N", panel=RUN, low=0, help="GPUs of each Ray worker; 0.5: two share one.", shown="0")
SHARD = Option(
    metavar="I/N",
    panel=RUN,
    convert=_shard,
    help="Do the I-th of N parts, I from 0; altool merge joins them.",
)
STRICT = Option(default=False, panel=RUN, help="Turn warnings about rows that do not match into errors.")
OVERWRITE = Option(default=False, panel=RUN, help="Replace an output that exists.")
JSON = Option("json", bool, default=False, panel=RUN, help="Print one JSON object that sums up the run.")
QUIET = Option("quiet", bool, default=False, panel=RUN, help="Print warnings and errors only.")
DEBUG = Option("debug", bool, default=False, panel=RUN, help="Print the traceback of an error.")
DRY_RUN = Option("dry_run", bool, default=False, panel=RUN, help="Read, check and say what would be done; write nothing.")
CLASSIFIER = Option(metavar="NAME", default="logistic", help="What to fit; altool classifiers lists them.")
BALANCE = Option(
    metavar="NAME",
    default="none",
    choices=("none", "class-weight", "prior"),
    help="none, class-weight (fasttext: rows of smaller classes repeated) or prior.",
)
MC_DROPOUT = Option(metavar="N", low=2, help="Mean over N networks with dropout, and their mutual information.")
AT_PRECISION = Option(metavar="P", default=0.9, low=0, high=1, help="Precision of recall at precision, where targets name none.")
