"""Text as people read it: nothing in it is obeyed instead of shown, and none is longer than a screen."""

from __future__ import annotations

import re

SCREEN = 2000  # characters
CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/?#\s\"@]*@", re.IGNORECASE)
SECRETS = re.compile(r"([?&](?:access_key|secret_key|session_token|sas_token)=)[^&\s]*", re.IGNORECASE)


def visible(text: str) -> str:
    """The text with whatever a terminal or a browser would obey instead of showing written as an escape: control characters, line ends,
    marks of direction, blanks of no or of other width, halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def masked(text: str) -> str:
    """The text without the credentials in addresses (`s3://KEY:SECRET@bucket/…`)."""
    return SECRETS.sub(r"\1…", CREDENTIALS.sub(r"\1…@", text))


def clip(text: str, length: int = SCREEN) -> str:
    """The text in at most `length` characters: a longer one ends, after a whole word if there is one, with …"""
    if len(text) <= length:
        return text
    head = text[:length].rpartition(" ")[0]
    return (head if len(head) > length // 2 else text[: length - 1]).rstrip(" ,;:(") + "…"


def brief(error: Exception) -> str:
    """The beginning of what an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def count(number: int, one: str, many: str = "") -> str:
    """A counted noun: `1 row`, `1,234 rows`; `many` is the plural where it is not made with an s: `2 classes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
