"""Text as people read it: nothing in it is obeyed instead of shown, and none is longer than a screen."""

from __future__ import annotations

SCREEN = 2000  # characters


def visible(text: str) -> str:
    """The text with whatever a terminal or a browser would obey instead of showing written as an escape: control characters, line ends,
    marks of direction, blanks of no or of other width, halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def clip(text: str, length: int = SCREEN) -> str:
    """The text in at most `length` characters: a longer one ends, after a whole word if there is one, with …"""
    if len(text) <= length:
        return text
    head = text[:length].rpartition(" ")[0]
    return (head if len(head) > length // 2 else text[: length - 1]).rstrip(" ,;:(") + "…"


def count(number: int, one: str, many: str = "") -> str:
    """A counted noun: `1 row`, `1,234 rows`; `many` is the plural where it is not made with an s: `2 classes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
