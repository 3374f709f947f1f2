"""Typical errors of every command, as whole outputs: status, standard output and standard error.

ALTOOL_GOLDEN=1 pytest tests/test_error_snapshots.py rewrites tests/golden/errors.txt.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import CLASSES, features, predictions, probabilities, write
from golden_files import equals_golden

pytestmark = pytest.mark.slow

ERRORS = """
altool label
altool select --strategie margin
altool embed --items items.parquet --backbone resnet999 -o f2.parquet
altool embed --items items.parquet --backbone pixels --image-size 0 -o f2.parquet
altool embed --items nowhere.parquet -o f2.parquet
altool train --features f.parquet --labels l.parquet --classifier oak -o model
altool train --features f.parquet --labels l.parquet --svm-c 3 -o model
altool train --features f.parquet --labels l.parquet --folds 1 -o model
altool train --features f.parquet --labels one.parquet -o model
altool score --model nowhere --features f.parquet -o p2.parquet
altool score --model . --features f.parquet -o p2.parquet
altool select --strategy margn --budget 2 --predictions p.parquet -o q.parquet
altool select --strategy margin --budget 0 --predictions p.parquet -o q.parquet
altool select --strategy margin --budget 2 -o q.parquet
altool select --strategy margin --budget 2 --predictions twice.parquet -o q.parquet
altool select --strategy margin --budget 2 --predictions p.parquet --labels numbers.parquet -o q.parquet
altool select --strategy margin --budget 2 --predictions p.parquet --metrics m.parquet -o q.parquet
altool select --strategy margin --budget 2 --predictions p.parquet -o l.parquet
altool select --strategy margin --budget 2 --predictions p.parquet --labels all.parquet -o empty.parquet
altool select --strategy margin --budget 2 --predictions twice.parquet -o q.parquet --json
altool import-labels nowhere.csv --labels log
altool import-labels answers.csv --labels log --from prodigi
altool import-labels answers.csv --labels log
altool simulate -o sim
altool simulate --plan plan.toml -o sim
altool simulate --plan key.toml -o sim
altool report --labels l.parquet
altool report --predictions p.parquet --labels l.parquet
altool report --predictions p.parquet --labels l.parquet --evaluate-on train
altool report --predictions p.parquet --labels held.parquet --targets t.toml --check-targets
altool report --predictions p.parquet --labels held.parquet --baseline random
altool compare
altool compare nowhere
altool compare p.parquet --level 2
"""

PLAN = 'labels = "all.parquet"\nfeatures = "f.parquet"\nseed_size = 2\nrounds = 1\nbudget = 2\n[[run]]\nstrategy = "{}"\n{}'


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Six rows in small tables, some of which are wrong."""
    ids = [f"row-{number:04d}" for number in range(6)]
    matrix = probabilities(6)
    write(predictions(matrix), tmp_path / "p.parquet")
    write(predictions(matrix, ["a", "b", "a", "c", "b", "d"]), tmp_path / "twice.parquet")
    write(features(np.eye(6, 4, dtype=np.float32)), tmp_path / "f.parquet")
    write(pa.table({"id": ids, "text": ["some words"] * 6}), tmp_path / "items.parquet")
    write(pa.table({"id": ids[:4], "label": [*CLASSES, "ant"], "source": ["exploit"] * 4}), tmp_path / "l.parquet")
    write(pa.table({"id": ids[:2], "label": ["ant", "ant"]}), tmp_path / "one.parquet")
    write(pa.table({"id": ids, "label": list(CLASSES) * 2}), tmp_path / "all.parquet")
    write(pa.table({"id": ids, "label": list(CLASSES) * 2, "source": ["holdout"] * 6}), tmp_path / "held.parquet")
    write(pa.table({"id": [1, 2], "label": ["ant", "bee"]}), tmp_path / "numbers.parquet")
    write(pa.table({"class": ["ant"], "metric": ["f1"], "value": [0.5]}), tmp_path / "m.parquet")
    (tmp_path / "answers.csv").write_text("altool_id,answer\nrow-0000,ant\n")
    (tmp_path / "t.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.99\n')
    (tmp_path / "plan.toml").write_text(PLAN.format("badge", 'partitions = "two"\n'))
    (tmp_path / "key.toml").write_text(PLAN.format("margin", 'classifer = "svm"\n'))
    return tmp_path


def test_errors_are_as_printed(altool: Callable[..., Any], tables: Path) -> None:
    before = set(tables.rglob("*"))
    shown = []
    for line in ERRORS.strip().splitlines():
        done = altool(*shlex.split(line)[1:], code=None)
        assert done.returncode
        parts = [f"$ {line}\nstatus {done.returncode}", done.text and f"standard output:\n{done.text}", f"standard error:\n{done.said}"]
        shown.append("\n".join(part.rstrip("\n") for part in parts if part).replace(str(tables), "…"))
    assert set(tables.rglob("*")) - before == {tables / "empty.parquet"}  # of status 4
    equals_golden("\n\n".join(shown) + "\n", "errors.txt")
