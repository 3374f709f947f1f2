"""Where a choice computes, and what is put there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from extra import torch
from pretend import pretending

from altool.engines import device
from altool.errors import InputError, UsageError


def test_a_choice_computes_on_a_gpu_or_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.of_choices("cpu") is None
    for kind, found in (("cuda", torch.device("cuda")), ("mps", None), ("cpu", None)):
        monkeypatch.setattr(device, "choose", lambda name, kind=kind: torch.device(kind))
        assert device.of_choices("auto") == found
    monkeypatch.setattr(device, "choose", torch.device)
    with pytest.raises(UsageError, match="float64 numbers, which Metal does not have"):
        device.of_choices("mps")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of 3 GiB, filled two rows at a time."""
    monkeypatch.setattr(device, "_free", lambda place: 3 << 30)
    monkeypatch.setattr(device, "ROWS", 2)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("last", "half"), [(0.5, True), (0.1, False)])
@pytest.mark.parametrize("given", [np.float32, np.float16])
def test_numbers_are_put_as_float16_where_nothing_is_lost(last: float, half: bool, given: Any) -> None:
    rows = np.array([[1, 2], [3, 4], [0.25, last]], given)
    labeled = np.array([[7, 8]], given)
    with pretending():
        made = device.put([rows, labeled, labeled[:0]], torch.device("meta"), "features")
        assert {array.dtype for array in made} == {torch.float16 if half or given == np.float16 else torch.float32}
        assert {array.device.type for array in made} == {"meta"}
        assert all(np.array_equal(array.cpu().numpy(), wanted) for array, wanted in zip(made, (rows, labeled, labeled[:0]), strict=True))


@pytest.mark.usefixtures("small")
def test_what_does_not_fit_is_refused() -> None:
    rows = np.lib.stride_tricks.as_strided(np.zeros(1, np.float16), (1 << 20, 1024), (0, 0))  # 2 GiB that are one number
    with pytest.raises(InputError) as caught:
        device.put([rows], torch.device("meta"), "features")
    assert caught.value.message == "--device meta: features of 2.0 GiB and 2.0 GiB to compute in do not fit, 3.0 GiB of its memory are free"
    assert caught.value.hint == "give --device cpu, or features of altool embed --dtype float16"


def test_what_does_not_fit_later_is_refused_too() -> None:
    with pytest.raises(InputError, match="--device cuda: its memory does not hold what is computed"), device.memory("cuda"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="another"), device.memory("cuda"):
        raise RuntimeError("another fault")
