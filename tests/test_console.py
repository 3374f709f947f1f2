"""What is said on a terminal is shown, never obeyed, and never longer than a screen; what is JSON stays JSON."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import predictions, probabilities, write
from hypothesis import given
from hypothesis import strategies as st

from altool import console as console_module
from altool.console import Console
from altool.text import clip, visible

pytestmark = pytest.mark.slow

# Clears the screen, sets the title (C0 and C1), rings, deletes, turns round, breaks lines, and half a smile.
HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b2J\x7f\u202eb\u2066\u2069\u200b\nerror: forged\r\u2028\u2029\x85c"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\x9b2J\x7f\u202eb\u2066\u2069\u200b\nerror: forged\r\u2028\u2029\x85c"


def test_names_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json_output=True)
    console.info(HOSTILE)
    console.warn(HOSTILE)
    console.error(HOSTILE, HOSTILE, "InputError", 3)
    text, said = capsys.readouterr()
    assert said == f"{SHOWN}\nwarning: {SHOWN}\nerror: {SHOWN}\nhint: {SHOWN}\n"
    assert text.isascii()
    assert text.count("\n") == 1
    found = json.loads(text)
    assert found["warnings"] == [HOSTILE]
    assert found["error"]["message"] == found["error"]["hint"] == HOSTILE


def test_tables_and_markup_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("name")
    table.add_row(Text("[red]x[/red]"))
    table.add_row(Text("a\x1b[2Jb\u202ec"))
    Console().print(table)
    text = capsys.readouterr().out
    assert "[red]x[/red]" in text
    assert r"a\x1b[2Jb\u202ec" in text
    assert "\x1b" not in text


def test_a_message_is_no_longer_than_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json_output=True)
    console.error("one word after another " * 1000, "x" * 100_000, "InputError", 3)
    text, said = capsys.readouterr()
    message, hint = said.splitlines()
    assert message.endswith((" one…", " word…", " after…", " another…"))
    assert 1900 < len(message) <= 2000
    assert hint == "hint: " + "x" * 1993 + "…"
    assert len(json.loads(text)["error"]["message"]) <= 2000


@given(st.text(st.characters(), max_size=300), st.integers(1, 50))
def test_a_text_is_cut_and_shown(text: str, length: int) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
    assert len(clip(text, length)) <= length
    assert clip(text, length) == text or clip(text, length).endswith("…")


@given(
    st.recursive(
        st.text(st.characters()) | st.floats() | st.none() | st.integers(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)
    )
)
def test_the_summary_is_json_whatever_it_holds(value: Any) -> None:
    for encoding in ("utf-8", "latin-1", "ascii"):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding, errors="backslashreplace")
        before, sys.stdout = sys.stdout, stream
        try:
            Console(json_output=True).result({"value": value}, "")
            stream.flush()
        finally:
            sys.stdout = before
        line = raw.getvalue().decode()
        assert line.rstrip("\n").isprintable()
        found = json.loads(line, parse_constant=lambda name: pytest.fail(name))
        assert list(found) == ["value", "warnings"]


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}]
)
def test_a_terminal_that_is_not_utf_8(tmp_path: Path, environment: dict[str, str]) -> None:
    ids = [f"row-{number}" for number in range(6)]
    write(predictions(probabilities(6, 2), ids, ("caf\u00e9", "\u732b")), tmp_path / "p.parquet")
    write(pa.table({"id": ids, "label": ["caf\u00e9", "\u732b"] * 3, "source": ["holdout"] * 6}), tmp_path / "l.parquet")
    arguments = ["report", "--predictions", "p.parquet", "--labels", "l.parquet", "--metrics-output", "m.parquet"]
    command = [sys.executable, "-m", "altool", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environment})
    assert done.returncode == 0
    assert (b"caf\xe9" if environment["PYTHONIOENCODING"] == "latin-1" else rb"caf\xe9") in done.stdout
    assert rb"\u732b" in done.stdout
    done = subprocess.run(
        [*command, "--json", "--overwrite"],
        cwd=tmp_path,
        capture_output=True,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environment},
    )
    assert [row["class"] for row in json.loads(done.stdout)["classes"]] == ["caf\u00e9", "\u732b"]


def test_an_error_about_a_hostile_name_is_two_lines(altool: Callable[..., Any], tmp_path: Path) -> None:
    write(predictions(probabilities(4), ["b", HOSTILE, "b", HOSTILE]), tmp_path / "p.parquet")
    arguments = ("select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet")
    result = altool(*arguments, code=3)
    assert r"(a\x1b[2J\x1b]0;title\x07\x9b2J\x7f\u202eb\u2066\u2069" in result.said
    assert len(result.said.splitlines()) == 2
    assert not any(line.startswith("error: forged") for line in result.said.splitlines())


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_closed_stream_is_no_fault(tmp_path: Path, stream: str) -> None:
    write(predictions(probabilities(4)), tmp_path / "p.parquet")
    command = f"{sys.executable} -m altool select --strategy margin --budget 2 --predictions p.parquet -o q.parquet --json {stream}>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True).returncode == 0


def test_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(console_module.time, "monotonic", lambda: now[0])
    pace = console_module.Pace("embedding", 1000)
    now[0] = 105
    assert pace.told() == "5 s so far"
    pace.add(400)  # of an earlier run
    assert pace.told() == "400 of 1,000 (40 %)"
    paces = ((2, 100, "50/s, about 10 s left"), (98, 100, "2.0/s, about 3 min left"), (900, 100, "3.3 s each, about 17 min left"))
    for seconds, rows, told in paces:
        now[0] += seconds
        pace.add(rows)
        assert pace.told() == f"{pace.done} of 1,000 ({pace.done // 10} %), {told}"
    pace.add(300)
    assert pace.told() == "1,000 of 1,000 (100 %)"


def test_without_a_terminal_a_line_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console_module, "LINE", 0.02)

    def said(console: Console, total: int | None, **options: bool) -> list[str]:
        with console.progress("embedding x\n", total, **options) as advance:
            advance(0)
            advance(3)
            time.sleep(0.15)
        return capsys.readouterr().err.splitlines()

    lines = said(Console(), 6)
    assert len(lines) >= 2
    assert all(re.fullmatch(r"embedding x\\n: 3 of 6 \(50 %\), [\d,.]+/s, about 1 s left", line) for line in lines)
    without_total = said(Console(), None)
    assert without_total[0] == "embedding x\\n: 1 s so far"
    assert len(without_total) < len(lines)
    for quiet in (said(Console(quiet=True), 6), said(Console(json_output=True), 6), said(Console(), 6, lines=False)):
        assert quiet == []
