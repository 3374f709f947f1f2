"""Files and texts that nobody promised anything about."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import InputError
from altool.tables import check, outside
from altool.text import clip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("\ufeff[1]", [1]),
        (b"\xef\xbb\xbf[1]", [1]),
        ('["caf\u00e9", "\\ud83d\\ude00"]', ["caf\u00e9", "\U0001f600"]),
        ("[" * 99 + "]" * 99, None),
    ],
)
def test_json_is_read_with_or_without_a_byte_order_mark(text: str | bytes, value: Any) -> None:
    found = outside.load_json(text, "x")
    assert value is None or found == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "x: not JSON (Expecting value: line 1 column 1 (char 0))"),
        ("{", "x: not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        (b"\xff[]", "x: not UTF-8 (probably Windows-1252, as spreadsheets write it; the first such byte is in line 1)"),
        ('["\\ud83d"]', "x: a text with half a surrogate pair, which is not a character"),
        ('["\ud83d"]', "x: a text with half a surrogate pair, which is not a character"),
        ("[" * 101 + "]" * 101, "x: lists or objects nested more than 100 deep"),
        ("[" * 100_000, "x: lists or objects nested more than 100 deep"),
        ('{"a":' * 100_000, "x: lists or objects nested more than 100 deep"),
    ],
)
def test_what_is_no_usable_json(text: str | bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        outside.load_json(text, "x")
    assert caught.value.message == says


def test_an_integer_of_thousands_of_digits_is_no_usable_json() -> None:
    with pytest.raises(InputError, match=r"^x: not JSON "):
        outside.load_json("9" * 5000, "x")


@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 50_000, b"a." * 200 + b"b = 1", b"a = " + b"9" * 5000, b"\xff = 1", b"a = 1979-13-01", b"a"]
)
def test_what_is_no_usable_toml(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^x: "):
        outside.load_toml(content, "x")


def test_toml_may_have_a_byte_order_mark() -> None:
    assert outside.load_toml(b"\xef\xbb\xbfa = 1", "x") == {"a": 1}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for load in (outside.load_json, outside.load_toml):
        with contextlib.suppress(InputError):
            load(content, "x")


def test_only_a_regular_file_of_a_sane_size_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"x" * 11)
    (tmp_path / "right").write_bytes(b"x" * 10)
    started = time.monotonic()
    for name, says in (
        ("pipe", "x: it is a pipe or a device, not a file"),
        ("endless", "x: it is a pipe or a device, not a file"),
        (".", "x: it is a folder, not a file"),
        ("large", "x: found 11 bytes, expected at most 10"),
        ("none", "x: cannot be read (No such file or directory)"),
    ):
        with pytest.raises(InputError) as caught:
            outside.read_bytes(tmp_path / name, "x", 10)
        assert caught.value.message == says
    assert outside.read_bytes(tmp_path / "right", "x", 10) == b"x" * 10
    assert time.monotonic() - started < 5


def test_a_message_names_as_many_columns_as_it_can_hold() -> None:
    assert check.naming_columns(["a", "b", "c"]) == "a, b, c"
    names = [f"c{number}" for number in range(5000)]
    assert check.naming_columns(names) == ", ".join(names[:20]) + " and 4,980 more"
    assert len(check.naming_columns(["x" * 10_000] * 5000)) < 2000
    assert check.naming(["x" * 1000]) == "x" * 79 + "…"


def test_a_text_is_cut_after_a_word() -> None:
    assert clip("curlCode: 6, Could not resolve hostname", 30) == "curlCode: 6, Could not…"
    assert clip("short", 5) == "short"
    assert clip("x" * 9, 5) == "xxxx…"
