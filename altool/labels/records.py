"""The objects of a large JSON file, each decoded when it is looked at: all at once they take several times the bytes of the file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from altool.tables.fragments import HEAD

LARGE = 64 << 20  # bytes of a file whose records are decoded one by one
WINDOW = 4 << 20  # characters that are decoded at once
LONGEST = 64 << 20  # characters of a record
GAP = re.compile(r"[\s,]*")


class Records(Sequence[Any]):
    """The records of a JSON file, by the bytes where each begins and ends (int64)."""

    def __init__(self, path: str, starts: np.ndarray, ends: np.ndarray) -> None:
        self.path, self.starts, self.ends = path, starts, ends
        self.file = open(path, "rb", buffering=0)  # noqa: SIM115 (open for as long as the records are there)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Any]:
        return (self._at(place) for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Records: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return Records(self.path, self.starts[place], self.ends[place])
        return self._at(range(len(self))[place])

    def take(self, places: Sequence[int]) -> Records:
        """The records at these places."""
        return Records(self.path, self.starts[list(places)], self.ends[list(places)])

    def _at(self, place: int) -> Any:
        from altool.labels.exchange import whole_characters

        start = int(self.starts[place])
        content = os.pread(self.file.fileno(), int(self.ends[place]) - start, start)
        value = json.loads(content)
        return whole_characters(value) if b"\\ud" in content.lower() else value


def scan(path: str) -> Records | None:
    """The records of a JSON array, or of objects one after another, without keeping any; None for a file that holds anything else, or
    is damaged: whoever reads it whole says what is wrong with it. Raises UnicodeDecodeError for one that is not UTF-8.
    """
    starts: list[int] = []
    ends: list[int] = []
    decoder = json.JSONDecoder()
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read(WINDOW + HEAD)  # opening.py has seen in the head how it begins
        place = len(text) - len(text.lstrip("\ufeff \t\r\n"))
        array = text[place : place + 1] == "["
        place += array
        byte = len(text[:place].encode())
        between = ""
        while True:
            match = GAP.match(text, place)
            gap = match[0] if match else ""
            place, byte, between = place + len(gap), byte + len(gap), between + gap.strip()
            if place == len(text) and (more := file.read(WINDOW)):
                text, place = more, 0
                continue
            last = text[place : place + 1]
            if between != ("," if array and starts and last == "{" else "") or last not in ("{", "]" if array else ""):
                return None
            if last != "{":
                rest = text[place + 1 :] + file.read(1 << 10)
                return None if rest.strip() else Records(path, np.array(starts, np.int64), np.array(ends, np.int64))
            try:
                _, end = decoder.raw_decode(text, place)
            except ValueError:
                more = file.read(WINDOW) if len(text) - place < LONGEST else ""
                if not more:
                    return None
                text, place = text[place:] + more, 0
                continue
            except RecursionError:
                return None
            starts.append(byte)
            byte += len(text[place:end].encode("utf-8", "surrogatepass"))
            ends.append(byte)
            place, between = end, ""
