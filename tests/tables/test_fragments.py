"""One file, whatever it is: read by its content, or refused with the cause."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.tables.read import Reader

ROWS = pa.table({"id": ["a", "b"], "label": ["cat", "dog"]})
CSV = b"id,label\na,cat\nb,dog\n"


def parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(ROWS, stream)
    return stream.getvalue()


def arrow(make: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    stream = io.BytesIO()
    with make(stream, ROWS.schema) as writer:
        writer.write_table(ROWS)
    return stream.getvalue()


def zst(content: bytes) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as packed:
        packed.write(content)
    return stream.getvalue().to_pybytes()


CONTENTS = {
    "parquet": parquet(),
    "arrow-file": arrow(pa.ipc.new_file),
    "arrow-stream": arrow(pa.ipc.new_stream),
    "csv": CSV,
    "csv-bom-crlf": b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"),
    "semicolons": b"sep=;\r\n" + CSV.replace(b",", b";"),
    "jsonl": b'{"id": "a", "label": "cat"}\n\n{"id": "b", "label": "dog"}\n',
    "json": json.dumps(ROWS.to_pylist(), indent=1).encode(),
    "objects": b'{"id": "a",\n "label": "cat"}\n{"id": "b",\n "label": "dog"}',
}
PACKERS = {"plain": bytes, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zstd": zst}


def read(path: Path) -> list[dict[str, str]]:
    reader = Reader()
    source = reader.open(str(path), "labels")
    reader.match_ids()
    return source.read().to_pylist()


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("content", CONTENTS)
def test_every_format_is_read_by_its_content(tmp_path: Path, content: str, packing: str) -> None:
    (tmp_path / "any.name").write_bytes(PACKERS[packing](CONTENTS[content]))
    assert read(tmp_path / "any.name") == ROWS.to_pylist()


def test_compressed_parts_of_a_folder(tmp_path: Path) -> None:
    for number, row in enumerate((b"a,cat", b"b,dog")):
        (tmp_path / f"part-{number}.csv.gz").write_bytes(gzip.compress(b"id,label\n" + row + b"\n"))
    assert read(tmp_path) == ROWS.to_pylist()


def encrypted(path: Path, *, plain_footer: bool) -> None:
    import pyarrow.parquet.encryption as pe

    class Kms(pe.KmsClient):
        def __init__(self, config: object) -> None:
            pe.KmsClient.__init__(self)

        def wrap_key(self, key: bytes, master: str) -> bytes:
            return base64.b64encode(key)

        def unwrap_key(self, key: bytes, master: str) -> bytes:
            return base64.b64decode(key)

    configuration = pe.EncryptionConfiguration(footer_key="k", column_keys={"c": ["id"]}, plaintext_footer=plain_footer)
    properties = pe.CryptoFactory(Kms).file_encryption_properties(pe.KmsConnectionConfig(), configuration)
    with pq.ParquetWriter(path, ROWS.schema, encryption_properties=properties) as writer:
        writer.write_table(ROWS)


@pytest.mark.parametrize("plain_footer", [True, False])
def test_an_encrypted_file_is_refused_and_ends_no_process(tmp_path: Path, plain_footer: bool) -> None:
    encrypted(tmp_path / "e.parquet", plain_footer=plain_footer)
    with pytest.raises(InputError, match="is an encrypted Parquet file"):
        read(tmp_path / "e.parquet")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \n\n", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html><title>Log in</title>", "is an HTML page"),
        (b"\n<html>", "is an HTML page"),
        (b"<?xml version='1.0'?><annotations/>", "is an XML file"),
        (b"PK\x03\x04xl/workbook.xml", "is a ZIP archive or an Excel workbook"),
        (b"\x93NUMPY\x01\0", "its arrays cannot be read"),
        (b"ORC\x01\0", "is an ORC file"),
        (b"SQLite format 3\0", "is an SQLite database"),
        (b"\0\1\2", "is neither Parquet, Arrow, CSV nor JSON Lines"),
        (b"PAR1", "is cut off"),
        (parquet()[:-20], "cannot be read; truncated or damaged"),
        (parquet()[:40] + b"PAR1", "cannot be read; truncated or damaged"),
        (gzip.compress(CSV, mtime=0)[:-12], "cannot be read; truncated or damaged"),
        (arrow(pa.ipc.new_file)[:200], "cannot be read; truncated or damaged"),
        ("id,label\na,schön\n".encode("cp1252"), r"not UTF-8 \(probably Windows-1252.*line 2\)"),
        ("id,label\na,cat\n".encode("utf-16"), r"not UTF-8 \(UTF-16"),
        (b"id,label\na,cat\nb\n", "line 3 has 1 fields, the header has 2"),
        (b"id,label\na,cat\nb,dog,x\nc,d,e\n", "line 3 has 3 fields, the header has 2, and 1 more lines"),
        (b'[{"id": "a"}, 3]', "entry 2 is not a JSON object"),
        (b'{"id": "a"}\n{"id": ', "line 2, column 8 is not JSON"),
        (b'{"id": "a", "label": "po\\ud83d"}', r"column 'label': 1 entry holds half a character \(entry 1\)"),
        (b'{"id": "a", "label": "x"}\n{"id": "b", "label": ["x"]}', "column 'label': its values are list and str"),
        (b'{"id": 123456789012345678901234567890, "label": "x"}', "column 'id'"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"id,label,label\na,b,c\n", "two columns of .* are called 'label'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_cause_is_named(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputError, match=cause) as caught:
        read(tmp_path / "t")
    assert caught.value.hint
    assert len(caught.value.message) < 400


def test_a_truncated_file_ends_no_process_at_any_byte(tmp_path: Path) -> None:
    for name in ("parquet", "arrow-file", "arrow-stream"):
        whole = CONTENTS[name]
        for size in range(8, len(whole), 7):
            (tmp_path / "t").write_bytes(whole[:size])
            try:
                rows = read(tmp_path / "t")
            except InputError:
                continue
            assert rows == ROWS.to_pylist()


def test_spark_times_are_instants(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    table = ROWS.append_column("labeled_at", pa.array([datetime(2024, 5, 1, 12), None], pa.timestamp("ns")))
    pq.write_table(table, tmp_path / "t", use_deprecated_int96_timestamps=True)
    assert [row["labeled_at"] for row in read(tmp_path / "t")] == [datetime(2024, 5, 1, 12, tzinfo=UTC), None]


@pytest.mark.slow
def test_a_footer_that_ends_pyarrow_is_refused(tmp_path: Path) -> None:
    """One byte of the size statistics is changed: pyarrow throws where nothing catches it."""
    pq.write_table(pa.table({"id": ["a", "b"], "label": [None, "dog"]}), tmp_path / "t")
    whole = (tmp_path / "t").read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for place in range(footer, len(whole) - 8):
        (tmp_path / "t").write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            read(tmp_path / "t")
        except InputError:
            refused += 1
    assert refused
