"""Golden files: whole outputs, rewritten by running the tests with ALTOOL_GOLDEN=1."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def equals_golden(text: str, name: str) -> None:
    """Compare a text with the golden file of that name, or write it there. Raises AssertionError."""
    path = GOLDEN / name
    if os.environ.get("ALTOOL_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"tests/golden/{name} is missing; write it with ALTOOL_GOLDEN=1"
    assert text == path.read_text("utf-8"), f"if the new text is right, rewrite tests/golden/{name} with ALTOOL_GOLDEN=1"
