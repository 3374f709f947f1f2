"""`--backbone FAMILY:NAME`: a backbone that is made by name."""

from __future__ import annotations

from typing import Any

import pytest

from altool.backbones import BACKBONES
from altool.backbones.pixels import Pixels
from altool.backbones.shape import Backbone
from altool.errors import UsageError
from altool.options import Option


def squares(given: str, **options: Any) -> Pixels:
    return Pixels(image_size=int(given), **options)


FAMILY = Backbone("squares", "pixels of a size", ("image", "path"), squares, (Option("gray", bool, False),), takes="N")


def test_a_member_is_made_of_what_stands_behind_the_colon() -> None:
    member = FAMILY.member("4")
    assert (member.name, member.called, FAMILY.called) == ("squares:4", "squares:4", "squares:N")
    assert member.made({"gray": True}, 0).width == 16


def test_a_family_alone_is_none() -> None:
    with pytest.raises(UsageError, match="--backbone squares: expected squares:N, found squares alone"):
        FAMILY.made({}, 0)


def test_what_is_no_family_takes_nothing_behind_a_colon() -> None:
    with pytest.raises(UsageError, match="--backbone pixels:8: pixels takes nothing behind a colon"):
        BACKBONES.load("pixels:8")
