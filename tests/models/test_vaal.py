"""VAAL and TA-VAAL against their formulas, a number at a time; and that training repeats, resumes and tells labeled rows apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from extra import library
from safetensors.numpy import load, save

from altool.errors import InputError
from altool.models import vaal

torch = library("torch")

pytestmark = pytest.mark.slow


class Table:
    """Rows in memory; `asked` are the positions of each minibatch."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.asked = torch.from_numpy(values), []

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, positions: np.ndarray) -> torch.Tensor:
        self.asked.append(positions)
        return self.values[torch.from_numpy(positions)]


SMALL: dict[str, Any] = {"width": 2, "latent": 3, "minibatch": 8}
LABELED = np.arange(40) % 4 == 0


def features(rows: int = 40, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 2, (rows, width)).astype(np.float32)


def images(rows: int = 40, size: int = 28) -> np.ndarray:
    return np.random.default_rng(1).random((rows, 1, size, size), np.float32)


def ranks(rows: int = 40) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 3, rows).astype(np.float32)


def doubles(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).requires_grad_()


def test_the_vae_loss_is_equation_4_by_hand() -> None:
    x, decoded, mu, logvar = doubles(3, 2, 2, 2), doubles(3, 2, 2, 2, seed=1), doubles(3, 4, seed=2), doubles(3, 4, seed=3)
    found = vaal.vae_loss(x, decoded, mu, logvar, 0.7)
    for row in range(3):
        error = sum((a - b) ** 2 for a, b in zip(x[row].flatten().tolist(), decoded[row].flatten().tolist(), strict=True))
        # KL of two normal distributions: log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, with m2 = 0 and s2 = 1
        kl = sum(
            -math.log(math.exp(v / 2)) + (math.exp(v) + m**2) / 2 - 0.5 for m, v in zip(mu[row].tolist(), logvar[row].tolist(), strict=True)
        )
        assert found[row].item() == pytest.approx(error + 0.7 * kl, rel=1e-12)
        assert vaal.vae_loss(x, decoded, mu, logvar, 0.7, mean=True)[row].item() == pytest.approx(error / 8 + 0.7 * kl / 4, rel=1e-12)


def test_the_adversarial_losses_are_equations_5_and_6_by_hand() -> None:
    labeled, unlabeled = [0.3, -2.0, 5.0], [1.5, -0.1]
    d = [1 / (1 + math.exp(-x)) for x in labeled], [1 / (1 + math.exp(-x)) for x in unlabeled]
    tensors = torch.tensor(labeled, dtype=torch.float64), torch.tensor(unlabeled, dtype=torch.float64)
    fooled = -sum(map(math.log, d[0])) / 3 - sum(map(math.log, d[1])) / 2
    told = -sum(map(math.log, d[0])) / 3 - sum(math.log(1 - p) for p in d[1]) / 2
    assert vaal.adversarial_loss(*tensors).item() == pytest.approx(fooled, rel=1e-12)
    assert vaal.discriminator_loss(*tensors).item() == pytest.approx(told, rel=1e-12)


def test_losses_of_a_sure_discriminator_stay_finite() -> None:
    far = torch.tensor([200.0]), torch.tensor([200.0])
    assert vaal.discriminator_loss(*far).item() == 200
    assert vaal.adversarial_loss(-far[0], -far[1]).item() == 400


def test_gradients_by_finite_differences() -> None:
    logits = doubles(4), doubles(3, seed=1)
    assert torch.autograd.gradcheck(vaal.adversarial_loss, logits)
    assert torch.autograd.gradcheck(vaal.discriminator_loss, logits)
    given = doubles(3, 1, 2, 2), doubles(3, 1, 2, 2, seed=1), doubles(3, 4, seed=2), doubles(3, 4, seed=3)
    assert torch.autograd.gradcheck(lambda *rows: vaal.vae_loss(*rows, 0.7), given)


def test_the_sigmoid_keeps_small_values_apart() -> None:
    logits = np.linspace(-102, 30, 5000).astype(np.float32)
    found = vaal.sigmoid(logits)
    assert found.dtype == np.float32
    expected = [math.exp(x) / (1 + math.exp(x)) for x in logits.tolist()]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-44)
    assert (np.diff(found[logits < 10]) >= 0).all()
    assert len(np.unique(found[(logits > -87) & (logits < 0)])) == np.count_nonzero((logits > -87) & (logits < 0))
    assert vaal.sigmoid(np.array([-1e4, 0, 1e4], np.float32)).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("shape", [(7,), (1, 28, 28), (3, 32, 32), (3, 29, 45), (1, 64, 33), (3, 3, 4)])
def test_the_decoder_gives_back_what_the_encoder_is_given(shape: tuple[int, ...]) -> None:
    nets = vaal._nets(shape, (5, 2, 1), 0)
    rows = torch.zeros(2, *shape)
    code = nets["encoder"](rows)
    assert code.shape == (2, 10)
    assert nets["decoder"](torch.zeros(2, 6)).shape == rows.shape
    assert nets["discriminator"](torch.zeros(2, 6)).shape == (2, 1)


@pytest.mark.parametrize("rows", [features(), images()], ids=["features", "images"])
@pytest.mark.parametrize("rank", [None, ranks()], ids=["vaal", "ta-vaal"])
def test_a_seed_fixes_the_weights_killed_and_resumed_or_not(rows: np.ndarray, rank: np.ndarray | None) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    kept, steps = {}, []

    def keep(done: int, state: Any) -> None:
        kept[done] = load(save(state()))  # as a file would hold it

    first = vaal.fit(Table(rows), LABELED, rank, epochs=3, seed=5, progress=steps.append, checkpoint=keep, **SMALL)
    again = vaal.fit(Table(rows), LABELED, rank, epochs=3, seed=5, resume=kept[1], **SMALL)
    whole, resumed = first.tensors(), again.tensors()
    other = vaal.fit(Table(rows), LABELED, rank, epochs=1, seed=6, **SMALL).tensors()
    assert steps == [1, 1, 1]
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]
    assert whole.keys() == resumed.keys()
    assert first.curve == again.curve
    assert {name: len(values) for name, values in first.curve.items()} == dict.fromkeys(vaal.CURVE, 3)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
    assert not np.array_equal(whole["encoder.0.weight"], other["encoder.0.weight"])
    assert not np.array_equal(whole["encoder.0.weight"], kept[1]["encoder.0.weight"])


@pytest.mark.parametrize("how", vaal.RANKS)
def test_each_step_sees_labeled_rows_then_others_and_their_ranks(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    table, rank, seen = Table(features()), ranks(), []
    joined = vaal.joined

    def record(z: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        seen.append(r.numpy())
        return joined(z, r)

    monkeypatch.setattr(vaal, "joined", record)
    vaal.fit(table, LABELED, rank, rank=how, epochs=2, epoch_rows=14, vae_steps=2, **SMALL)
    minibatches = table.asked[-2 * 3 * 2 :]  # two epochs of (10 labeled + 14 others) // 8 steps of two minibatches
    assert len(seen) == 2 * 3 * (2 * 2 + 1)  # decoder and discriminator for each, and the discriminator's own step
    for number, positions in enumerate(minibatches):
        assert len(positions) == 16
        assert LABELED[positions[:8]].all()
        assert not LABELED[positions[8:]].any()
        step, turn = divmod(number, 2)
        decoder, *discriminator = [seen[5 * step + 2 * turn], seen[5 * step + 2 * turn + 1], *([seen[5 * step + 4]] if turn else [])]
        # 40 ranks, no two alike: of the one at place p (from 0), p others and half of itself are below
        places = [(sum(other < one for other in rank) + 1) / 41 for one in rank[positions]]
        squashed = 1 / (1 + np.exp(-rank[positions].astype(np.float64)))
        of_decoder = places if how == "place" else squashed
        of_discriminator = rank[positions] if how == "raw" else of_decoder
        for r, expected in ((decoder, of_decoder), *((r, of_discriminator) for r in discriminator)):
            assert np.allclose(r, expected, atol=1e-6) == (number >= 6)
            assert number >= 6 or ((r >= 0) & (r < 1)).all()  # U(0, 1) in the first epoch
    for epoch in (minibatches[:6], minibatches[6:]):
        assert len(np.unique(np.concatenate([positions[8:] for positions in epoch]))) == 14


@pytest.mark.parametrize(("rank", "turns"), [(None, 2), (ranks(), 1)], ids=["vaal", "ta-vaal"])
def test_the_steps_of_the_vae_are_as_many_as_the_authors_take(rank: np.ndarray | None, turns: int) -> None:
    table = Table(features())
    vaal.fit(table, LABELED, rank, epochs=1, epoch_rows=14, **SMALL)
    assert sum(len(positions) == 16 for positions in table.asked) == 3 * turns  # (10 labeled + 14 others) // 8 steps


def test_one_step_moves_the_networks_as_the_formulas_say() -> None:
    """The first step of Adam is `rate` x the sign of the gradient, here of equations 4 to 6 written out with log and sigmoid."""
    x = features(12)
    labeled = np.arange(12) < 6
    rows = (torch.from_numpy(x) - torch.from_numpy(x.mean(0))) / torch.from_numpy(x.std(0))
    small: Any = {"width": 2, "latent": 3, "minibatch": 12}
    before, after = (
        vaal.fit(Table(x), labeled, epochs=epochs, beta=0.5, adversary=2.0, seed=3, rate=1e-3, vae_steps=1, **small) for epochs in (0, 1)
    )
    # Minibatches hold all rows of either kind; the noise is drawn after the order of the rows.
    rng = vaal.seeds.generator(3, "vaal", 0)
    others = rng.choice(np.arange(6, 12), 6, replace=False)
    order = np.concatenate([rng.permutation(np.arange(6)), rng.permutation(others)])
    noise = torch.from_numpy(rng.standard_normal((12, 3), np.float32))
    nets = before.nets
    mu, logvar = nets["encoder"](rows[order]).chunk(2, 1)
    decoded = nets["decoder"](mu + noise * torch.exp(logvar / 2))
    d = torch.sigmoid(nets["discriminator"](mu)[:, 0])
    loss = 0
    for part in (slice(0, 6), slice(6, 12)):
        kl = 0.5 * (mu[part] ** 2 + torch.exp(logvar[part]) - logvar[part] - 1).sum(1).mean()
        loss = loss + ((rows[order][part] - decoded[part]) ** 2).sum(1).mean() + 0.5 * kl - 2.0 * torch.log(d[part]).mean()
    parameters = [*nets["encoder"].parameters(), *nets["decoder"].parameters()]
    moved = [*after.nets["encoder"].parameters(), *after.nets["decoder"].parameters()]
    for old, new, gradient in zip(parameters, moved, torch.autograd.grad(loss, parameters), strict=True):
        clear = gradient.abs() > 1e-4
        assert clear.any()
        assert torch.allclose((new - old)[clear], -1e-3 * gradient.sign()[clear], rtol=1e-3)
    mu, _ = after.nets["encoder"](rows[order]).chunk(2, 1)
    d = torch.sigmoid(nets["discriminator"](mu.detach())[:, 0])
    told = -torch.log(d[:6]).mean() - torch.log(1 - d[6:]).mean()
    parameters = list(nets["discriminator"].parameters())
    for old, new, gradient in zip(parameters, after.nets["discriminator"].parameters(), torch.autograd.grad(told, parameters), strict=True):
        clear = gradient.abs() > 1e-4
        assert torch.allclose((new - old)[clear], -1e-3 * gradient.sign()[clear], rtol=1e-2)


@pytest.mark.parametrize("rows", [features(300), images(300)], ids=["features", "images"])
def test_a_rows_logit_does_not_depend_on_its_company(rows: np.ndarray) -> None:
    rank = ranks(300)
    model = vaal.fit(Table(rows), np.arange(300) < 50, rank, epochs=1, epoch_rows=30, **SMALL)
    model.nets.train()
    together = model.logits(torch.from_numpy(rows), rank)
    for few in ([7], [299, 0, 130], range(100, 300)):
        chosen = np.array(few)
        assert np.array_equal(model.logits(torch.from_numpy(rows[chosen]), rank[chosen]), together[chosen])
    assert np.array_equal(model.labeled_probability(torch.from_numpy(rows), rank), vaal.sigmoid(together))
    with pytest.raises(ValueError, match="with ranks"):
        model.logits(torch.from_numpy(rows))
    with pytest.raises(ValueError, match="of shape"):
        model.logits(torch.zeros(2, 9), rank[:2])


def test_a_place_is_the_share_of_the_pool_below_and_half_of_what_is_equal() -> None:
    pool = np.array([5, -2, 5, 7], np.float32)
    model = vaal.fit(Table(features(4)), np.arange(4) < 2, pool, epochs=1, **SMALL)
    decoder, discriminator = model.told(np.array([-3, -2, 0, 5, 7, 8], np.float32))
    assert decoder is discriminator
    # below, and half of the equal ones, of four: 0, 1/2, 1, 1 + 1, 3 + 1/2, 4; half a row more, of five
    assert decoder == pytest.approx(np.array([0.5, 1, 1.5, 2.5, 4, 4.5]) / 5)
    assert vaal._sample(np.arange(25_000, dtype=np.float32)[::-1])[[0, -1]].tolist() == [0, 24_999]
    assert len(vaal._sample(np.arange(25_000))) == vaal.SAMPLE


def test_places_do_not_see_where_a_rankers_numbers_lie() -> None:
    """The ranking loss compares differences alone, so a ranker's numbers have no origin."""
    rank = np.random.default_rng(2).integers(-400, 400, 40).astype(np.float32) / 64
    rows = features()
    fitted = [vaal.fit(Table(rows), LABELED, told, epochs=2, **SMALL) for told in (rank, rank - 100, rank * 8)]
    found = [model.logits(torch.from_numpy(rows), told) for model, told in zip(fitted, (rank, rank - 100, rank * 8), strict=True)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    squashed = vaal.fit(Table(rows), LABELED, rank, rank="sigmoid", epochs=1, **SMALL)
    assert np.ptp(squashed.told(rank - 100)[1]) < 1e-20  # as it was fed once: nothing


def test_a_model_is_its_tensors() -> None:
    rows, rank = images(), ranks()
    model = vaal.fit(Table(rows), LABELED, rank, epochs=1, **SMALL)
    tensors = load(save(model.tensors()))
    again = vaal.from_tensors(tensors)
    assert np.array_equal(again.logits(torch.from_numpy(rows), rank), model.logits(torch.from_numpy(rows), rank))
    with pytest.raises(ValueError, match="size mismatch"):
        vaal.from_tensors(tensors | {"encoder.0.weight": tensors["encoder.0.weight"][:1]})
    with pytest.raises(ValueError, match="the shape"):
        vaal.from_tensors(tensors | {"mean": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="'ranks' is not in increasing order"):
        vaal.from_tensors(tensors | {"ranks": tensors["ranks"][::-1].copy()})
    with pytest.raises(ValueError, match="'ranks' is missing"):
        vaal.from_tensors({name: value for name, value in tensors.items() if name != "ranks"})


def test_a_model_of_an_earlier_version_still_loads() -> None:
    """It has one mean and one deviation for all channels, and the rank as a sigmoid."""
    rows, rank = np.random.default_rng(1).random((40, 3, 8, 8), np.float32), ranks()
    tensors = vaal.fit(Table(rows), LABELED, rank, rank="sigmoid", epochs=1, **SMALL).tensors()
    assert "ranks" not in tensors
    assert tensors["sizes"].tolist() == [3, 2, 1, 3, 8, 8]
    plain = {name: np.full(shape, value, np.float32) for name, shape, value in (("mean", 1, 0), ("scale", 1, 1))}
    old, new = vaal.from_tensors(tensors | plain), {"mean": np.zeros(3, np.float32), "scale": np.ones(3, np.float32)}
    assert np.array_equal(old.logits(torch.from_numpy(rows), rank), vaal.from_tensors(tensors | new).logits(torch.from_numpy(rows), rank))


def test_channels_of_images_are_standardised() -> None:
    rows = np.random.default_rng(1).random((40, 3, 8, 9), np.float32) * np.array([1, 0.5, 0], np.float32)[:, None, None]
    model = vaal.fit(Table(rows), LABELED, epochs=1, **SMALL)
    assert model.mean.numpy() == pytest.approx(rows.mean((0, 2, 3)), abs=1e-6)
    assert model.scale.numpy() == pytest.approx([*rows.std((0, 2, 3))[:2], 1], rel=1e-5)
    seen = model.standardised(torch.from_numpy(rows)).numpy()
    assert seen.mean((0, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-5)
    assert seen.std((0, 2, 3)) == pytest.approx([1, 1, 0], abs=1e-5)


def test_the_curve_says_how_well_labeled_rows_are_told_apart() -> None:
    x = np.concatenate([np.zeros((200, 2)), np.ones((200, 2))]).astype(np.float32)
    apart = vaal.fit(Table(x), np.arange(400) < 200, epochs=20, adversary=0, rate=0.01, **(SMALL | {"minibatch": 100})).curve
    assert apart["discriminator_accuracy"][-1] > 0.95
    assert apart["discriminator_loss"][-1] < 0.5
    alike = vaal.fit(Table(np.zeros((400, 2), np.float32)), np.arange(400) < 200, epochs=3, **(SMALL | {"minibatch": 100})).curve
    assert alike["discriminator_loss"][-1] == pytest.approx(2 * math.log(2), abs=0.05)


def test_vaal_finds_what_the_labels_do_not_cover() -> None:
    rng = np.random.default_rng(0)
    side = rng.random(400) < 0.5
    x = np.concatenate([rng.normal(size=(400, 2)), np.where(side, 4, -4)[:, None] + rng.normal(size=(400, 1))], 1).astype(np.float32)
    labeled = ~side & (rng.random(400) < 0.4)
    model = vaal.fit(Table(x), labeled, epochs=20, width=8, latent=4, minibatch=32, adversary=0.1)
    found = model.labeled_probability(torch.from_numpy(x))
    assert found.dtype == np.float32
    assert (side[~labeled][np.argsort(found[~labeled])[:100]]).mean() > 0.85  # 0.63 by chance


@pytest.mark.parametrize("how", ["place", "raw"])
def test_ta_vaal_also_listens_to_a_ranker_as_they_are(how: str) -> None:
    """Rankers say -8 with a deviation of 4; of labeled rows, whose losses were learnt away, one and a half deviations less."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    labeled = np.arange(400) < 100
    rank = (rng.normal(-8, 4, 400) - 6 * labeled).astype(np.float32)
    model = vaal.fit(Table(x), labeled, rank, rank=how, epochs=8, rate=2e-3, width=8, latent=4, minibatch=32)
    found = model.labeled_probability(torch.from_numpy(x), rank)[100:]
    assert np.corrcoef(np.argsort(np.argsort(-found)), np.argsort(np.argsort(rank[100:])))[0, 1] > 0.7


@pytest.mark.parametrize(("labeled", "kind"), [(np.zeros(40, bool), "labeled"), (np.ones(40, bool), "unlabeled")])
def test_it_needs_rows_of_both_kinds(labeled: np.ndarray, kind: str) -> None:
    with pytest.raises(InputError, match=f"none of 40 rows is {kind}"):
        vaal.fit(Table(features()), labeled, **SMALL)


def test_bad_numbers_are_refused() -> None:
    rows = features()
    rows[7, 2] = np.nan
    with pytest.raises(InputError, match="NaN"):
        vaal.fit(Table(rows), LABELED, **SMALL)
    with pytest.raises(InputError, match="diverged in epoch 1"):
        vaal.fit(Table(features()), LABELED, epochs=2, rate=1e20, **SMALL)


def test_a_constant_column_and_one_row_of_a_kind_are_fine() -> None:
    rows = features()
    rows[:, 1] = 7
    model = vaal.fit(Table(rows), np.arange(40) == 3, epochs=2, **SMALL)
    assert np.isfinite(model.logits(torch.from_numpy(rows))).all()
