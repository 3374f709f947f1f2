"""Object storage, by a server of the S3 protocol that the tests start."""

from __future__ import annotations

from object_store import objects
from pyarrow import fs


def test_a_bucket_is_reached_by_the_environment_and_by_the_address(bucket, object_store):
    filesystem, path = fs.FileSystem.from_uri(f"{bucket}/a/b")
    with filesystem.open_output_stream(path) as stream:
        stream.write(b"x")
    assert objects(bucket) == ["a/b"]
    assert objects(f"{bucket}/a{object_store.query}") == ["b"]
