"""What is written to a path is also written to object storage, and read from there: the same content."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import known_truth, predictions, probabilities, write
from object_store import free_port, objects
from program import Running

from altool.tables.objects import Place, listed, local_copy

pytestmark = pytest.mark.slow


def content(uri: str) -> bytes:
    return Place(uri).read()


def test_a_round_has_the_same_content_in_object_storage(altool, bucket, tmp_path):
    known_truth(tmp_path, 200)
    Place(f"{bucket}/f.parquet").put(tmp_path / "f.parquet")
    Place(f"{bucket}/truth.parquet").put(tmp_path / "truth.parquet")
    Place(f"{bucket}/targets.toml").put(b'[default]\nmetric = "recall"\ntarget = 0.9\n')
    Place(f"{bucket}/classes.txt").put(b"ant\nbee\ncat\n")
    (tmp_path / "targets.toml").write_bytes(content(f"{bucket}/targets.toml"))
    for at, classes in (("here", "ant,bee,cat"), (bucket, f"{bucket}/classes.txt")):
        source = "." if at == "here" else bucket
        labels = ("--labels", f"{source}/truth.parquet", "--seed", 1)
        trained = ("-o", f"{at}/model", "--oof", f"{at}/oof.parquet", "--folds", 3, "--classes", classes)
        altool("train", "--features", f"{source}/f.parquet", *labels, *trained)
        altool("score", "--features", f"{source}/f.parquet", "--model", f"{at}/model", "-o", f"{at}/p.parquet")
        altool("score", "--features", f"{source}/f.parquet", "--model", f"{at}/model", "-o", f"{at}/parts/")
        chosen = ("--strategy", "margin", "--budget", 10, "-o", f"{at}/q.parquet")
        altool("select", "--predictions", f"{at}/parts/", *chosen)
        reported = ("--targets", f"{source}/targets.toml", "-o", f"{at}/r.html", "--metrics-output", f"{at}/m.parquet")
        altool("report", "--predictions", f"{at}/oof.parquet", "--labels", f"{source}/truth.parquet", *reported)
    for name in ("oof.parquet", "p.parquet", "q.parquet", "m.parquet"):
        assert content(f"{bucket}/{name}") == (tmp_path / "here" / name).read_bytes(), name
    for name in ("model", "parts"):
        copied = {one.name: one.read_bytes() for one in (tmp_path / "here" / name).iterdir()}
        assert {one.name: one.read_bytes() for one in Path(local_copy(f"{bucket}/{name}", name)).iterdir()} == copied
    assert content(f"{bucket}/r.html").endswith(b"</html>\n")
    again = ("score", "--features", f"{bucket}/f.parquet", "--model", f"{bucket}/model", "-o", f"{bucket}/parts/")
    assert "exists" in altool(*again, code=2).said
    altool(*again, "--overwrite")
    assert len(objects(f"{bucket}/parts")) == 2  # the manifest and the part
    assert "classifier" in altool("show", f"{bucket}/model").text


def test_texts_are_embedded_into_object_storage_and_more_of_them_later(altool, bucket, tmp_path):
    items = pa.table({"id": [f"t{n}" for n in range(30)], "text": [f"word{n} and more" if n else None for n in range(30)]})
    write(items.slice(0, 20), tmp_path / "some.parquet")
    write(items, tmp_path / "items.parquet")
    run = ("embed", "--backbone", "hashing", "--items")
    for at in ("here", bucket):
        for output in ("f.parquet", "parts/"):
            altool(*run, "some.parquet", "-o", f"{at}/{output}")
            altool(*run, "items.parquet", "-o", f"{at}/{output}", "--update")
    assert content(f"{bucket}/f.parquet") == (tmp_path / "here/f.parquet").read_bytes()
    assert "parts.rejects.parquet" in objects(bucket)
    assert content(f"{bucket}/f.rejects.parquet") == (tmp_path / "here/f.rejects.parquet").read_bytes()


def test_what_somebody_else_put_there_stays(altool, bucket, tmp_path):
    write(predictions(probabilities(20)), tmp_path / "p.parquet")
    Place(f"{bucket}/q.parquet").put(b"not altool's")
    Place(f"{bucket}/model/notes.txt").put(b"mine")
    run = ("select", "--predictions", "p.parquet", "--strategy", "margin", "--budget", 3, "--overwrite", "-o")
    assert "is not a table of queries written by altool" in altool(*run, f"{bucket}/q.parquet", code=2).said
    assert "is a folder" in altool(*run, f"{bucket}/model", code=2).said
    known_truth(tmp_path, 40)
    said = altool("train", "--features", "f.parquet", "--labels", "truth.parquet", "-o", f"{bucket}/model", "--overwrite", code=2).said
    assert "is not a model written by altool" in said
    assert objects(bucket) == ["model/notes.txt", "q.parquet"]


def test_a_store_that_is_away_is_said_in_a_sentence(altool, tmp_path, bucket):
    write(predictions(probabilities(20)), tmp_path / "p.parquet")
    away = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    run = ("select", "--strategy", "margin", "--budget", 3)
    started = time.monotonic()
    said = altool(*run, "--predictions", "p.parquet", "-o", "s3://key:secret@away/q.parquet", code=2, **away).said
    assert "cannot be reached" in said
    assert "secret" not in said
    said = altool(*run, "--predictions", f"{bucket}/p.parquet", "-o", "q.parquet", code=3, **away).said
    assert "cannot be opened" in said
    assert "Traceback" not in said
    assert time.monotonic() - started < 40


def test_readers_see_a_table_of_one_run_while_others_write_it_and_are_killed(bucket, object_store, tmp_path):
    """Two runs write one folder again and again, and are killed at random; who reads meanwhile sees all of one run, or a sentence."""
    rng = np.random.default_rng(0)
    known_truth(tmp_path, 60)
    write(pq.read_table(tmp_path / "truth.parquet").slice(0, 40), tmp_path / "fewer.parquet")
    for name, labels in (("a", "truth.parquet"), ("b", "fewer.parquet")):
        code, said = Running(("train", "--features", "f.parquet", "--labels", labels, "-o", f"{name}-model"), tmp_path).end()
        assert code == 0, said
    score = ("score", "--features", "f.parquet", "-o", f"{bucket}/p/", "--overwrite", "--model")
    wanted = []
    for name in "ab":
        assert Running((*score, f"{name}-model"), tmp_path).end()[0] == 0
        wanted.append(_read(f"{bucket}/p"))
    seen: list[bytes | str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.append(_read(f"{bucket}/p"))
            except Exception as error:
                seen.append(str(error))

    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    for _ in range(4):
        both = [Running((*score, f"{name}-model"), tmp_path) for name in "ab"]
        time.sleep(float(rng.uniform(0.1, 1.0)))
        assert both.pop(int(rng.integers(2))).kill() in (0, -9)
        code, said = both[0].end()
        assert code == 0, said
    stop.set()
    reader.join()
    assert {one for one in seen if isinstance(one, bytes)} <= set(wanted)
    assert all("not there" in one for one in seen if isinstance(one, str)), {one for one in seen if isinstance(one, str)}
    assert _read(f"{bucket}/p") in wanted


def _read(folder: str) -> bytes:
    return b"".join((Place(folder) / each).read() for each in (listed(Place(folder)) or {}).values())


def test_parts_meet_in_object_storage(altool, bucket, tmp_path):
    known_truth(tmp_path, 300)
    write(pq.read_table(tmp_path / "f.parquet"), tmp_path / "f.parquet", row_group_size=40)
    altool("train", "--features", "f.parquet", "--labels", "truth.parquet", "-o", "m")
    score = ("score", "--model", "m", "--features", "f.parquet", "-o")
    altool(*score, "p/")
    for number in (1, 0):
        altool(*score, f"{bucket}/p/", "--shard", f"{number}/2", "--dry-run")
        assert f"part {number} of 2, from 0 -> {bucket}/p/" in altool(*score, f"{bucket}/p/", "--shard", f"{number}/2").said
        if number:
            assert "1 of 2 parts not there" in altool("merge", f"{bucket}/p/", code=3).said
            assert "join them, when all are there: altool merge" in altool("show", f"{bucket}/p/", code=3).said
    assert "is there already, of the same" in altool(*score, f"{bucket}/p/", "--shard", "0/2").said
    names = [".shard-00000-of-00002.arrow", ".shard-00001-of-00002.arrow"]
    assert objects(f"{bucket}/p") == names
    kept = (Place(f"{bucket}/p/{names[0]}")).read()
    altool("merge", f"{bucket}/p/", "--dry-run")
    altool("merge", f"{bucket}/p/")
    assert len(objects(f"{bucket}/p")) == 2  # the manifest and the part
    assert (
        content(str(Place(f"{bucket}/p") / listed(Place(f"{bucket}/p"))["part-00000.parquet"]))
        == (tmp_path / "p/part-00000.parquet").read_bytes()
    )
    Place(f"{bucket}/p/{names[0]}").put(kept)  # as a merge leaves it that was killed at last
    assert "is a table already" in altool("merge", f"{bucket}/p/").said
    assert len(objects(f"{bucket}/p")) == 2
    said = altool(*score, f"{bucket}/p/", "--shard", "0/2", code=2).said
    assert "holds other files than parts of --shard" in said
    assert "no such folder" in altool("merge", f"{bucket}/nothing", code=3).said


def test_parts_of_items_meet_in_object_storage(altool, bucket, tmp_path):
    items = pa.table({"id": [f"t{n:03d}" for n in range(60)], "text": [f"word{n % 7} and more" if n else None for n in range(60)]})
    write(items, tmp_path / "items.parquet", row_group_size=10)
    altool("embed", "--backbone", "hashing", "--items", "items.parquet", "-o", "like.parquet")
    embed = ("embed", "--items", "items.parquet", "--like", "like.parquet", "-o")
    altool(*embed, "f/")
    for number in range(3):
        altool(*embed, f"{bucket}/f/", "--shard", f"{number}/3")
    altool("merge", f"{bucket}/f/")
    there = local_copy(f"{bucket}/f", "f")
    assert {path.name: path.read_bytes() for path in Path(there).iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()
    }
    assert content(f"{bucket}/f.rejects.parquet") == (tmp_path / "f.rejects.parquet").read_bytes()
