"""torch for tests that also run where it is not installed: calling any of it there skips the test, with a word."""

from __future__ import annotations

from typing import Any

import pytest

from altool.extras import missing

WITHOUT = "needs {}, which is not installed"


class _Absent:
    """Stands for a library, and for whatever is in it."""

    def __getattr__(self, name: str) -> Any:
        found = _Absent()
        setattr(self, name, found)
        return found

    def __call__(self, *values: Any, **options: Any) -> Any:
        pytest.skip(WITHOUT.format("torch"))


def library(module: str) -> Any:
    """The module; where it is not installed, the test or the test file that asks for it is skipped."""
    return pytest.importorskip(module, reason=WITHOUT.format(module.partition(".")[0]))


torch: Any = _Absent()
if not missing("torch"):
    import torch  # type: ignore[no-redef]  # noqa: F401
