from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from altool import backbones
from altool.errors import UsageError


def png(values: list[list[int]]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.array(values, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_by_hand() -> None:
    backbone = backbones.create("pixels", image_size=2, gray=True)
    loaded = backbone.load([png([[0, 51], [102, 255]]), None])
    assert loaded.reasons == [None, "null"]
    assert backbone.embed(loaded.values).tolist() == [[0, np.float32(0.2), np.float32(0.4), 1], [0, 0, 0, 0]]
    assert backbone.width == 4
    color = backbones.create("pixels", image_size=2)
    assert color.embed(color.load([png([[0, 51], [102, 255]])]).values)[0].tolist() == pytest.approx(
        [0, 0, 0, 0.2, 0.2, 0.2, 0.4, 0.4, 0.4, 1, 1, 1]
    )
    assert backbones.create("pixels").width == 32 * 32 * 3


@pytest.mark.parametrize(
    ("name", "given", "option"),
    [
        ("pixels", {"weights": "none"}, "--weights"),
        ("pixels", {"width": 8}, "--width"),
        ("pixels", {"device": "cuda"}, "--device"),
        ("pixels", {"minibatch": 8}, "--minibatch"),
        ("hashing", {"weights": "w.pth"}, "--weights"),
        ("hashing", {"image_size": 8}, "--image-size"),
        ("hashing", {"gray": True}, "--gray"),
        ("fasttext", {"weights": "none", "projection": "svd"}, "--projection"),
        ("resnet18", {"width": 8}, "--width"),
        ("resnet18", {"gray": True}, "--gray"),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, given: dict[str, object], option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} has no effect with --backbone {name}"):
        backbones.create(name, **given)
