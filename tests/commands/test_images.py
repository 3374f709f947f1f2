"""A folder of images as --items, from a shell: embed, update, train, score, select, import-labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
EMBED = ("embed", "--items", "pics", "--backbone", "pixels", "-o", "f.parquet")
KINDS = ("ant", "bee")


def paint(folder: Path, *names: str) -> None:
    """Images of one colour each: ants dark, bees bright, and a bit of noise by the name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shade = (200 if "bee" in name else 30) + sum(name.encode()) % 20
        Image.fromarray(np.full((8, 8), shade, np.uint8)).save(folder / name)


@pytest.fixture
def pics(tmp_path: Path) -> list[str]:
    names = [f"{kind}/{number} #{number % 3}.png" for kind in KINDS for number in range(12)]
    paint(tmp_path / "pics", *names)
    (tmp_path / "pics/README.txt").write_text("pictures")
    return sorted(names)


def ids(path: Path) -> list[str]:
    return list(pq.read_table(path).column("id").to_pylist())


def test_an_update_embeds_the_new_images_alone(altool: Altool, tmp_path: Path, pics: list[str]) -> None:
    said = altool(*EMBED).said
    assert "items pics: left out 1 file without an image's name (README.txt)" in said
    assert ids(tmp_path / "f.parquet") == pics
    paint(tmp_path / "pics", "bee/new.JPG", "ant/new.png")
    os.remove(tmp_path / "pics" / pics[0])
    said = altool(*EMBED, "--update").said
    assert "embedded 2 new items with pixels" in said
    assert "24 were there" in said
    assert "kept 1 row whose item is gone" in said
    assert ids(tmp_path / "f.parquet") == sorted([*pics, "bee/new.JPG", "ant/new.png"])
    assert "embedded 0 new items" in altool(*EMBED, "--update").said


def test_the_folder_may_move(altool: Altool, tmp_path: Path, pics: list[str]) -> None:
    altool(*EMBED)
    (tmp_path / "pics").rename(tmp_path / "elsewhere")
    altool("embed", "--items", "elsewhere/**/*.png", "--backbone", "pixels", "-o", "g.parquet")
    assert (tmp_path / "f.parquet").read_bytes() == (tmp_path / "g.parquet").read_bytes()


def test_a_round_of_images_without_any_table(altool: Altool, tmp_path: Path, pics: list[str]) -> None:
    altool("select", "--items", "pics", "--strategy", "random", "--budget", 10, "-o", "q.parquet", "--export", "csv=todo.csv")
    header, *rows = (tmp_path / "todo.csv").read_text().splitlines()
    place = header.split(",").index("path")
    asked = [row.split(",")[0] for row in rows]
    assert len(asked) == 10
    assert set(asked) <= set(pics)
    assert [row.split(",")[place] for row in rows] == asked
    answers = "".join(f'"{name}",{name[:3]}\n' for name in (*asked, "ant/gone.png"))
    (tmp_path / "answers.csv").write_text(f"altool_id,label\n{answers}")
    said = altool("import-labels", "answers.csv", "--labels", "labels", "--items", "pics", "--source", "explore").said
    assert "refused: unknown id, 1 row" in said
    assert "imported 10 labels" in said
    altool(*EMBED)
    altool("train", "--features", "f.parquet", "--labels", "labels", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    likeliest = [KINDS[np.argmax(row)] for row in table.column("probabilities").to_pylist()]
    assert likeliest == [name[:3] for name in table.column("id").to_pylist()]


def test_a_network_trains_on_a_folder_and_scores_it(altool: Altool, tmp_path: Path, pics: list[str]) -> None:
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{name},{name[:3]}\n" for name in pics))
    small = ("--classifier", "squeezenet1_1", "--weights", "none", "--epochs", 1, "--image-size", 32, "--workers", 0, "--device", "cpu")
    altool("train", "--items", "pics", "--labels", "labels.csv", *small, "-o", "model")
    altool("score", "--items", "pics", "--model", "model", "-o", "p.parquet", "--device", "cpu", "--workers", 0)
    assert ids(tmp_path / "p.parquet") == pics


def test_where_images_are_not_what_is_asked_for(altool: Altool, tmp_path: Path, pics: list[str]) -> None:
    said = altool("train", "--features", "pics", "--labels", "l.csv", "-o", "m", code=3).said
    assert "features pics: found 24 images (ant/0 #0.png, ant/1 #1.png, ant/10 #1.png and 21 more), expected a table of features" in said
    assert "hint: give the table of features; a folder of images is for --items" in said
    said = altool("embed", "--items", f"pics/{pics[0]}", "--backbone", "pixels", "-o", "f.parquet", code=3).said
    assert f"items pics/{pics[0]}: found one image, expected a table or a folder of images\n" in said
    assert "hint: give its folder: --items pics/ant\n" in said
    said = altool("embed", "--items", "pics", "--backbone", "hashing", "-o", "f.parquet", code=3).said
    assert "items pics: no column 'text' (it has id, path)" in said
    said = altool("embed", "--items", "pics", "--backbone", "pixels", "-o", "pics/f.parquet", code=2).said
    assert "--output pics/f.parquet lies in the --items pics" in said
