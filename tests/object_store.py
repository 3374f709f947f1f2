"""Object storage for tests: a server of the S3 protocol (moto's) as a process of its own, and a fresh bucket in it for each test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

SECRET = "secret-of-the-tests"
ACCESS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SECONDS = 30.0  # how long a server may take to start
numbers = count()


@dataclass(frozen=True)
class Server:
    """`address` is HOST:PORT; `log` has a line per request."""

    address: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What altool is told by environment variables."""
        return {**ACCESS, "AWS_ENDPOINT_URL": f"http://{self.address}"}

    @property
    def query(self) -> str:
        """What altool is told in an address, without the endpoint in the environment."""
        return f"?endpoint_override={self.address}&scheme=http"

    def filesystem(self) -> Any:
        from pyarrow import fs

        access = {"access_key": ACCESS["AWS_ACCESS_KEY_ID"], "secret_key": SECRET, "region": ACCESS["AWS_DEFAULT_REGION"]}
        return fs.S3FileSystem(
            **access, endpoint_override=self.address, scheme="http", allow_bucket_creation=True, allow_bucket_deletion=True
        )


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return asking.getsockname()[1]


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, which lives as long as the tests; they are skipped where moto is not installed."""
    for module in ("moto.server", "flask"):
        pytest.importorskip(module, reason="needs moto[server], which is not installed")
    server = Server(f"127.0.0.1:{free_port()}", tmp_path_factory.mktemp("object-store") / "log")
    with open(server.log, "wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", server.address.rpartition(":")[2]]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **ACCESS})
    try:
        given_up = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), 1).close()
                break
            except OSError:
                assert process.poll() is None, server.log.read_text()
                assert time.monotonic() < given_up, server.log.read_text()
                time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(object_store: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`s3://NAME`, the address of an empty bucket. What reaches it is in the environment of the test and of what it runs."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{next(numbers)}"
    filesystem = object_store.filesystem()
    filesystem.create_dir(name)
    yield f"s3://{name}"
    filesystem.delete_dir(name)


def objects(address: str) -> list[str]:
    """The names of all objects below an address, of its bucket's path on, in name order."""
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(address)
    found = filesystem.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted(one.path[len(path) + 1 :] for one in found if one.type == fs.FileType.File)
