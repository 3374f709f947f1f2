"""Networks on small pictures: what they learn, start from and leave as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import library

from altool import seeds
from altool.classifiers import torchvision
from altool.errors import InputError, UsageError
from altool.models import network, training, weights
from altool.models import pictures as pixels
from altool.models.network import Network

torch = library("torch")
models = library("torchvision.models")

pytestmark = pytest.mark.slow

SMALL = torchvision.classifier("squeezenet1_1")  # has dropout of its own
RESNET = torchvision.classifier("resnet18")
BASE: dict[str, Any] = {"weights": "none", "image_size": 32, "minibatch": 8}
WORK = training.Work(threads=1)
DRAW = np.random.default_rng(0)
LABELS = np.arange(24) % 2 * 3


def pictures(labels: np.ndarray, size: int = 32) -> np.ndarray:
    """Noise that is darker above, or below."""
    found = DRAW.integers(0, 256, (len(labels), size, size, 3)).astype(np.uint8)
    for row, label in enumerate(labels):
        half = slice(0, size // 2) if label else slice(size // 2, size)
        found[row, half] //= 4
    return found


ROWS = pictures(LABELS)


@pytest.fixture(scope="module")
def model() -> Network:
    return SMALL.fit(ROWS, LABELS, 5, WORK, epochs=2, dropout=0.25, ranker="loss", **BASE)[0]


@pytest.fixture(scope="module")
def resnet() -> Network:
    given = {**BASE, "image_size": 16, "stem": "small", "augment": "none"}
    return RESNET.fit(pictures(LABELS, 16), LABELS, 4, WORK, epochs=4, rate=0.02, ranker="ranking", **given)[0]


def test_a_residual_network_learns_small_pictures_from_nothing(resnet: Network) -> None:
    truth = np.arange(20) % 2 * 3
    assert (resnet.probabilities(pictures(truth, 16)).argmax(1) == truth).mean() >= 0.9
    assert resnet.taps == ("layer1", "layer2", "layer3", "layer4")
    first = resnet.body.conv1
    assert (first.kernel_size, first.stride) == ((3, 3), (1, 1))
    assert isinstance(resnet.body.maxpool, torch.nn.Identity)
    assert resnet.recipe.shape == (16, 16, 3)


def test_what_is_stored_comes_back_and_torch_says_the_same(model: Network) -> None:
    again = SMALL.from_tensors(model.tensors(), 5)
    mine, theirs = model.outputs(ROWS), again.outputs(ROWS)
    for name in ("vectors", "probabilities", "predicted_loss"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name
    assert (mine.probabilities[:, [1, 2, 4]] == 0).all()
    body = network.build_body("squeezenet1_1", 32, False, 7)
    weights.fits(body, weights.unprefixed(model.tensors(), "body."))
    given = (torch.from_numpy(ROWS).permute(0, 3, 1, 2) / 255 - torch.from_numpy(model.mean)[:, None, None]) / torch.from_numpy(model.std)[
        :, None, None
    ]
    with torch.inference_mode():
        vectors = body.eval()(given).numpy()
    assert mine.vectors == pytest.approx(vectors, abs=1e-4)
    assert model.head.probabilities(mine.vectors) == pytest.approx(mine.probabilities, abs=1e-5)


def test_a_row_is_its_own_whatever_its_company(model: Network) -> None:
    whole, part = model.outputs(ROWS, 2), model.outputs(ROWS[17:19], 2)
    for name in ("vectors", "probabilities", "predicted_loss", "mutual_information"):
        assert np.array_equal(getattr(whole, name)[17:19], getattr(part, name)), name


def test_killed_and_resumed_is_uninterrupted_and_no_global_generator_moves(model: Network, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    @contextmanager
    def dying(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done: list[int] = []

        def advance(rows: int) -> None:
            done.extend([1] * rows)
            if len(done) == 2:
                raise Killed

        yield advance

    given = {**BASE, "epochs": 2, "dropout": 0.25, "ranker": "loss"}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(Killed):
        SMALL.fit(ROWS, LABELS, 5, replace(WORK, checkpoints=tmp_path, every=0, progress=dying), **given)
    again = SMALL.fit(ROWS, LABELS, 5, replace(WORK, checkpoints=tmp_path, every=0), **given)[0]
    assert torch.equal(torch.get_rng_state(), before)
    mine, theirs = model.tensors(), again.tensors()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("change", [{"augment": "none"}, {"crop_border": 2}, {"weights": "other.pth"}, {"frozen": False}])
def test_another_run_does_not_take_a_checkpoint_for_its_own(tmp_path: Path, change: dict[str, Any]) -> None:
    """A killed run leaves its checkpoint for one to the same output, which may have other options."""
    for name in ("one.pth", "other.pth"):
        torch.save(models.squeezenet1_1().state_dict(), tmp_path / name)
    frozen = "weights" in change or "frozen" in change
    given = {**BASE, "epochs": 2, "augment": "flip,crop", "rate": 0.001}
    if frozen:
        given |= {"weights": "one.pth", "frozen": True, "augment": "none" if "weights" in change else "flip"}
    files = {"one.pth": str(tmp_path / "one.pth"), "other.pth": str(tmp_path / "other.pth")}
    runs = [{**given, **part, "weights": files.get({**given, **part}["weights"], "none")} for part in ({}, change)]
    work = replace(WORK, checkpoints=tmp_path, every=0)
    SMALL.fit(ROWS, LABELS, 5, work, **runs[0])
    found, alone = (SMALL.fit(ROWS, LABELS, 5, where, **runs[1])[0].tensors() for where in (work, WORK))
    assert all(np.array_equal(found[name], alone[name]) for name in alone)


def test_dropout_samples(model: Network) -> None:
    """The head's dropout by hand; the body's own must make the vectors differ too, while batch norms stay."""
    assert model.has_dropout
    found = model.outputs(ROWS, samples=3, seed=1)
    assert np.array_equal(found.vectors, model.outputs(ROWS).vectors)
    assert found.mutual_information is not None
    assert found.mutual_information.max() > 0
    body = network.build_body("squeezenet1_1", 32, False, 0)
    still = Network("squeezenet1_1", 32, False, model.mean, model.std, body, model.head, 0.25).on("cpu")
    for layer in body.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    vectors = still.outputs(ROWS).vectors
    each = []
    for number in range(3):
        kept = seeds.generator(1, "score", "dropout", number, "head").random(vectors.shape[1], np.float32) >= 0.25
        each.append(model.head.probabilities(vectors * (kept / 0.75).astype(np.float32)))
    assert still.outputs(ROWS, samples=3, seed=1).probabilities == pytest.approx(np.mean(each, axis=0), abs=1e-5)


def test_frozen_trains_the_head_alone(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given = models.mobilenet_v3_small()
    torch.save(given.state_dict(), tmp_path / "weights.pth")
    options = {**BASE, "weights": str(tmp_path / "weights.pth"), "frozen": True, "epochs": 2}
    mobile = torchvision.classifier("mobilenet_v3_small")
    found = mobile.fit(ROWS, LABELS, 5, WORK, **options)[0]
    state = given.state_dict()
    for name, value in found.body.state_dict().items():
        assert torch.equal(value, state[name]), name  # statistics of batch norms, too
    assert found.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])  # as the weights were trained
    once = mobile.fit(ROWS, LABELS, 5, WORK, **{**options, "augment": "none"})[0]  # the vectors are computed once
    hard = mobile.fit(ROWS, LABELS, 5, WORK, **{**options, "augment": "none", "ranker": "loss", "ranker_weight": 0.0})[0]
    assert once.probabilities(ROWS) == pytest.approx(hard.probabilities(ROWS), abs=1e-3)
    moved = mobile.fit(ROWS, LABELS, 5, WORK, **{**options, "frozen": False, "epochs": 1})[0]
    assert not torch.equal(moved.body.state_dict()["features.0.0.weight"], state["features.0.0.weight"])
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match="--weights"):
        mobile.fit(ROWS, LABELS, 5, WORK, **options)


def test_a_warm_start_goes_on_from_the_model(model: Network) -> None:
    start = (model, np.array([1, -1, -1, 0, -1]))
    found = SMALL.fit(ROWS, LABELS // 3, 2, WORK, start, epochs=1, rate=1e-12, **BASE)[0]
    assert found.probabilities(ROWS) == pytest.approx(model.probabilities(ROWS)[:, [3, 0]], abs=1e-3)
    with pytest.raises(UsageError, match="the model to start from is no resnet18"):
        RESNET.fit(ROWS, LABELS, 5, None, start, epochs=1, **BASE)


def test_varied_pictures() -> None:
    rows = DRAW.integers(1, 256, (4, 6, 6, 3)).astype(np.uint8)
    flips, corners = np.array([False, True, False, True]), np.array([[0, 0], [1, 2], [-2, 3], [2, -1]])
    found = pixels.varied(torch.from_numpy(rows), 4, torch.from_numpy(flips), torch.from_numpy(corners)).numpy()
    wide = np.zeros((4, 12, 12, 3), np.uint8)
    wide[:, 3:9, 3:9] = rows
    for row, (flip, (top, left)) in enumerate(zip(flips, corners, strict=True)):
        expected = wide[row, top + 3 : top + 7, left + 3 : left + 7]
        assert np.array_equal(found[row], expected[:, ::-1] if flip else expected)


def test_what_training_draws_is_within_bounds_and_fits_the_middle() -> None:
    rows = pictures(LABELS, 36)
    zeros = torch.zeros(3), torch.ones(3)
    drawn = pixels.Pictures(rows, 32, True, True, 2, *zeros).draw(np.random.default_rng(0))
    assert 0 < drawn[0].mean() < 1
    assert (drawn[1].min(), drawn[1].max()) == (-2, 6)
    still = pixels.Pictures(rows, 32, False, False, 0, *zeros)
    positions = np.array([5, 2, 9])
    expected = torch.from_numpy(rows[positions][:, 2:34, 2:34].copy()).permute(0, 3, 1, 2) / 255
    assert torch.allclose(still.minibatch(positions, still.draw(np.random.default_rng(0))), expected)
    assert torch.allclose(still.batch(positions), expected)
    held = pixels.Pictures(rows, 32, False, False, 0, *zeros, torch.from_numpy(rows))
    middles = np.zeros(24, bool), np.full((24, 2), 2)
    assert torch.equal(held.minibatch(positions, middles), still.minibatch(positions, middles))


def test_the_pictures_mean_and_deviation() -> None:
    mean, std = torchvision._statistics("resnet18", ROWS, 32, "none")
    values = ROWS.reshape(-1, 3) / 255
    assert mean == pytest.approx(values.mean(0), rel=1e-5)
    assert std == pytest.approx(values.std(0), rel=1e-5)


# Stages by their names in torchvision's source.
STAGES = {
    "densenet121": ["features.denseblock1", "features.denseblock2", "features.denseblock3", "features"],
    "vit_b_32": [f"encoder.layers.encoder_layer_{layer}" for layer in (2, 5, 8, 11)],
    "googlenet": ["conv3", "inception3b", "inception4e", "inception5b"],
}


@pytest.mark.parametrize("name", STAGES)
def test_the_ranker_sees_the_last_stages(name: str) -> None:
    body = network.build_body(name, 64, False, 0)
    network.simplify(body)
    taps, widths, last = network.tapped(name, body, 64)
    assert list(taps) == STAGES[name]
    assert last == (name == "vit_b_32")
    assert widths[-1] == {"densenet121": 1024, "vit_b_32": 768, "googlenet": 1024}[name]


def test_what_is_trained_does_not_collect_what_it_sees(resnet: Network) -> None:
    """The training's own hooks on the layers of the ranker are gone: the one of each is that of scoring."""
    assert [len(resnet.body.get_submodule(name)._forward_hooks) for name in resnet.taps] == [1, 1, 1, 1]


def test_pictures_too_small_for_a_network() -> None:
    with pytest.raises(UsageError, match="--image-size 16 does not suit alexnet"):
        torchvision.classifier("alexnet").fit(pictures(LABELS, 16), LABELS, 4, WORK, **{**BASE, "image_size": 16})


def test_a_small_stem_is_for_residual_networks() -> None:
    with pytest.raises(UsageError, match="squeezenet1_1 has no such stem"):
        SMALL.fit(ROWS, LABELS, 5, stem="small", weights="none")
