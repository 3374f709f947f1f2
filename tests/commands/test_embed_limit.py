"""`embed --limit`: a first try, and what it says of the whole; and a hint where pictures are small."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Recorder, write
from PIL import Image

from altool.commands import embed
from altool.payloads import sizes
from altool.reporting import embedding

TEXTS = [f"{'red' if row % 3 else 'blue'} word{row % 7}" for row in range(40)]


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of a table whose rows are in no order."""
    monkeypatch.chdir(tmp_path)
    ids = [f"r{row:02d}" for row in np.random.default_rng(0).permutation(40)]
    write(pa.table({"id": ids, "text": TEXTS}), tmp_path / "items.parquet")
    return ids


def run(output: str, **given: Any) -> dict[str, Any]:
    console = Recorder()
    embed.run(embed.Options(items="items.parquet", output=output, **given), console)
    return console.said


@pytest.mark.parametrize("output", ["f.parquet", "f/"])
def test_a_part_and_the_others_are_the_whole(items: list[str], output: str) -> None:
    first = run(output, backbone="hashing", limit=12)
    assert {"rows": 12, "limit": 12, "left": 28}.items() <= first.items()
    assert first["seconds_left"] >= 0
    table = pq.read_table(output)
    assert table.column("id").to_pylist() == [f"r{row:02d}" for row in range(12)]
    made = json.loads((table.schema.metadata or {})[b"altool.provenance"])
    assert {"limit": 12, "limit_of": 40}.items() <= made["options"].items()
    second = run(output, update=True, limit=3)
    assert {"rows": 3, "there": 12, "left": 25}.items() <= second.items()
    assert {"rows": 25, "there": 15}.items() <= run(output, update=True).items()
    run("whole.parquet", backbone="hashing")
    assert pq.read_table(output).sort_by("id").equals(pq.read_table("whole.parquet"))
    assert not [path for path in Path(".").iterdir() if path.name.startswith(".")]


def test_a_limit_beyond_the_items_is_none(items: list[str]) -> None:
    said = run("f.parquet", backbone="hashing", limit=40)
    assert {"rows": 40, "left": 0, "seconds_left": 0}.items() <= said.items()
    assert "limit" not in json.loads(pq.read_schema("f.parquet").metadata[b"altool.provenance"])["options"]


def png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side // 2 + 1)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("sides", "size", "wanted"),
    [([28, 28, 400], 224, 64), ([74], 224, 160), ([75], 224, None), ([8], 64, 32), ([28], 32, None), ([], 224, None)],
)
def test_small_pictures(sides: list[int], size: int, wanted: int | None) -> None:
    found = sizes.blown_up([b"no picture", None, *map(png, sides)], "net", size)
    assert (found and found[1]) == wanted
    if sides == [28, 28, 400]:
        assert found is not None
        assert found[0] == "the pictures are small (median longest side 28 pixels), and net reads them at 224 x 224"
        assert sizes.saving(size, found[1]) == "about 12 times faster"


@pytest.mark.parametrize(("options", "times"), [(("weights",), 1), ((), 0)])
def test_the_hint_is_said_of_networks(options: tuple[str, ...], times: int) -> None:
    said: list[str] = []
    backbone = SimpleNamespace(name="net", options=[SimpleNamespace(name=name) for name in options])
    new = type("Rows", (), {"payloads": lambda self: iter([[png(28)] * 3]), "__len__": lambda self: 3})()
    made: Any = embedding.Run(backbone, SimpleNamespace(facts={"image_size": 224}), new, new, None, 0, None, "f")  # type: ignore[arg-type]
    embedding.say_small(made, SimpleNamespace(info=said.append))  # type: ignore[arg-type]
    assert len(said) == times
    assert all("--image-size 64 is about 12 times faster" in text for text in said)
