"""How large pictures are beside what a network reads: far smaller ones are blown up, and cost what large ones do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import median

from altool.payloads import pictures
from altool.payloads.reading import Unusable
from altool.payloads.shape import Payload

SAMPLE = 50  # pictures that are looked at
FAR = 3  # a network's input is that many times as wide as pictures that are said to be small


def typical_side(payloads: Iterable[Payload]) -> int | None:
    """The median of the longest sides, in pixels, of the first pictures that can be read; None where none can."""
    sides = []
    for payload in islice(payloads, SAMPLE):
        try:
            sides.append(max(pictures.size(payload)))
        except Unusable:
            continue
    return round(median(sides)) if sides else None


def blown_up(payloads: Iterable[Payload], name: str, size: int) -> tuple[str, int] | None:
    """What to say where pictures are far smaller than the `size` at which the network `name` reads them, and a size that suits them; None
    where they are not."""
    side = typical_side(payloads)
    if side is None or FAR * side > size:
        return None
    wanted = max(32, -(-2 * side // 32) * 32)
    return f"the pictures are small (median longest side {side} pixels), and {name} reads them at {size} x {size}", min(wanted, size)


def saving(size: int, wanted: int) -> str:
    """How much less work pictures of another size are."""
    return f"about {(size / wanted) ** 2:.0f} times faster"
