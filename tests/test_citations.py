"""What the code cites can be opened: every document that is named exists, and has the section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CITATION = re.compile(r'(?<![\w./-])((?:docs/(?:[\w-]+/)*)?[A-Za-z][\w-]*\.md)(?:, "([^"]+)")?')
FILES = sorted(path for folder in ("altool", "tests") for path in (ROOT / folder).rglob("*.py"))
CITED = sorted(
    {(path, *found) for path in FILES if path.name != "test_citations.py" for found in CITATION.findall(path.read_text("utf-8"))}
)


def headings(path: Path) -> set[str]:
    """The sections of a document."""
    return {match.strip() for match in re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize(("path", "name", "section"), CITED, ids=lambda part: str(part.name if isinstance(part, Path) else part))
def test_what_is_cited_exists(path: Path, name: str, section: str) -> None:
    document = next((path for path in (ROOT / name, *(ROOT / "docs").rglob(name)) if path.is_file()), None)
    assert document is not None
    assert not section or section in headings(document)


def test_the_documents_are_cited() -> None:
    assert {"docs/contract.md", "docs/algorithms.md", "docs/formats.md"} <= {name for _, name, _ in CITED}
