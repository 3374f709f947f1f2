"""Names that nobody can tell apart, or that are a typing error away from each other."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping


def trimmed(name: str) -> str:
    """The name without what nobody sees at its ends: blanks of any kind, and marks without a width."""
    start, end = 0, len(name)
    while start < end and _unseen(name[start]):
        start += 1
    while end > start and _unseen(name[end - 1]):
        end -= 1
    return name[start:end]


def _unseen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp", "Cc")


def looks(name: str) -> str:
    """What people see of a name: of one case and normal form, every run of blanks one blank, nothing that has no width."""
    plain = unicodedata.normalize("NFKC", name)
    shown = "".join(" " if character.isspace() else character for character in plain if character.isspace() or not _unseen(character))
    return unicodedata.normalize("NFKC", " ".join(shown.split()).casefold())


def alike(new: Collection[str], known: Collection[str]) -> list[tuple[str, str]]:
    """(name, the one that it looks like) for all that look like another one, in order, where a `new` name is among them.

    What others look like is a known name if there is one, and has no blanks at its ends if one has none.
    """
    groups: dict[str, set[str]] = {}
    for name in {*new, *known}:
        groups.setdefault(looks(name), set()).add(name)
    found = []
    for group in groups.values():
        if len(group) > 1 and not group.isdisjoint(new):
            first = min(
                group, key=lambda name: (name not in known, trimmed(name) != name, not unicodedata.is_normalized("NFC", name), name)
            )
            found += [(name, first) for name in group - {first}]
    return sorted(found)


LONGEST = 80  # characters of a name that a message shows


def nearest(name: str, counts: Mapping[str, int]) -> str | None:
    """The most frequent name at most two letters, and a third of its length, away from this one, and more frequent; None if there is none.

    Numbers are no typing errors of each other.
    """
    found = [
        other
        for other, count in counts.items()
        if other != name and count > counts.get(name, 0) and not (other.isdigit() and name.isdigit()) and _near(name, other)
    ]
    return min(found, key=lambda other: (-counts[other], other), default=None)


def _near(one: str, other: str) -> bool:
    most = min(2, max(len(one), len(other)) // 3)
    if abs(len(one) - len(other)) > most:
        return False
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        last, row[0] = row[0], place
        for column, wanted in enumerate(other, 1):
            last, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, last + (letter != wanted))
    return row[-1] <= most


def quoted(name: str) -> str:
    """The name in quotes, with everything that nobody sees, or sees as something else, written as its number."""
    shown = "".join(_visible(character) for character in name[:LONGEST])
    return f'"{shown}{"…" if len(name) > LONGEST else ""}"'


def plain(name: str) -> str:
    """The name as it is, or in quotes where its blanks would not be seen."""
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "…"
    return shown if quoted(name) == f'"{shown.strip()}"' else quoted(name)


def _visible(character: str) -> str:
    odd = character != " " and (_unseen(character) or unicodedata.combining(character) or not character.isprintable())
    return character.encode("unicode_escape").decode() if odd else "\\" + character if character in '"\\' else character
