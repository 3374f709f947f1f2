"""Object storage, by a server of the S3 protocol that the tests start."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from object_store import free_port, objects
from pyarrow import fs

from altool.errors import InputError, UsageError
from altool.tables.objects import Folder, Place, listed, local_copy, manifest
from altool.text import masked


def test_a_bucket_is_reached_by_the_environment_and_by_the_address(bucket, object_store):
    filesystem, path = fs.FileSystem.from_uri(f"{bucket}/a/b")
    with filesystem.open_output_stream(path) as stream:
        stream.write(b"x")
    assert objects(bucket) == ["a/b"]
    assert objects(f"{bucket}/a{object_store.query}") == ["b"]


def test_small_objects_are_put_by_one_request(bucket, object_store, tmp_path):
    """pyarrow makes three of each by default, which simple stand-ins for S3 do not answer (a failed CompleteMultipartUpload)."""
    before = len(object_store.log.read_text().splitlines())
    for content in (b"", b"x"):
        Place(f"{bucket}/small").put(content)
        assert Place(f"{bucket}/small").read() == content
    puts = [line.split('"')[1] for line in object_store.log.read_text().splitlines()[before:] if "POST" in line or "PUT" in line]
    assert puts == [f"PUT /{bucket.removeprefix('s3://')}/small HTTP/1.1"] * 2
    large = np.random.default_rng(0).bytes(11 << 20)
    Place(f"{bucket}/large").put(large)
    assert Place(f"{bucket}/large").read() == large
    with pytest.raises(InputError, match="found 11,534,336 bytes, expected at most 10"):
        Place(f"{bucket}/large").read(10)


def test_a_place_is_kept_with_its_query(bucket, object_store):
    place = Place(f"{bucket}/a/b{object_store.query}")
    (place / "c").put(b"1")
    place.beside("d").put(b"2")
    assert (place.name, place.kind(), (place / "c").kind(), (place / "e").kind()) == ("b", "folder", "file", "")
    assert objects(bucket) == ["a/b/c", "a/d"]
    assert list(place.files()) == ["c"]
    (place / "c").remove()
    (place / "c").remove()
    assert objects(bucket) == ["a/d"]
    with pytest.raises(InputError, match="it is not there"):
        (place / "c").read()


def test_a_folder_is_what_its_manifest_says(bucket, tmp_path):
    def publish(content: str, *names: str) -> None:
        folder = Folder(place)
        for name in names:
            (tmp_path / name).write_text(content)
            folder.put(tmp_path / name)
        folder.publish()

    def read() -> dict[str, bytes]:
        return {name: (place / each).read() for name, each in (listed(place) or {}).items()}

    place = Place(f"{bucket}/model")
    publish("1", "a.parquet", "b.json")
    killed = Folder(place)
    (tmp_path / "a.parquet").write_text("killed")
    killed.put(tmp_path / "a.parquet")
    assert read() == {"a.parquet": b"1", "b.json": b"1"}
    publish("2", "b.json", "_c.bin")
    assert read() == {"_c.bin": b"2", "b.json": b"2"}
    assert len(objects(f"{bucket}/model")) == 4  # the manifest, two objects, and what the killed run left
    killed.withdraw()
    assert len(objects(f"{bucket}/model")) == 3
    copy = local_copy(f"{bucket}/model", "model")
    assert {path.name: path.read_text() for path in Path(copy).iterdir()} == {"_c.bin": "2", "b.json": "2"}


@pytest.mark.parametrize("text", ["[]", '{"altool": 2, "objects": {}}', '{"altool": 1, "objects": {"a": "../b"}}', "{"])
def test_a_manifest_of_somebody_else_is_refused(text):
    with pytest.raises(InputError, match="_manifest"):
        manifest(text.encode(), "s3://b/x")


def test_credentials_are_masked():
    assert masked("see s3://key:secret@bucket/x") == "see s3://…@bucket/x"
    assert masked("https://x.org/@me s3://b/a@b") == "https://x.org/@me s3://b/a@b"
    assert masked("gs://b/x?access_key=abc&scheme=http") == "gs://b/x?access_key=…&scheme=http"
    assert str(Place("s3://key:secret@bucket/x")) == "s3://…@bucket/x"


def test_an_address_that_is_none_is_refused():
    with pytest.raises(UsageError, match="not an address that altool can write to"):
        Place("s4://b/x").kind()
    with pytest.raises(UsageError) as found:
        Place("s3://key:secret@b/x?nonsense=1").kind()
    assert "secret" not in str(found.value.message)


def test_a_store_that_is_away_is_said_within_seconds(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(InputError, match=r"s3://\S+/x cannot be reached \(.*connect"):
        Place(f"{bucket}/x").kind()
    assert time.monotonic() - started < 20
