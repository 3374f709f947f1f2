"""gccg: rows in the middle of the candidates, away from the private rows, against its formula."""

from __future__ import annotations

from similar import *  # noqa: F403 (what is tested of every measure)
from similar import test_without_labels  # noqa: F401 (tests)

NAME = "gccg"
