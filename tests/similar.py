"""Tests of SIMILAR's ten measures: against their formulas, maximised by a plain greedy loop on explicit similarity matrices.

A measure's own file imports those that are about it, and says its NAME.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pretend import pretending
from reference_submodular import value, vectors

from altool.errors import InputError
from altool.kernels import blocks, log_det, similarity, submodular, verified
from altool.strategies import com, flcg, flcmi, flqmi, flvmi, gccg, gcmi, logdetcg, logdetcmi, logdetmi

# what every measure's file imports
__all__ = [
    "name",
    "narrow",
    "test_gradients_need_probabilities",
    "test_on_another_device_it_picks_the_same",
    "test_options_default_to_one_and_to_the_shifted_kernel",
    "test_shape_and_inputs",
    "test_special_rows",
    "test_special_rows_in_narrow_pools",
    "test_the_picks_of_a_plain_greedy_loop",
]

MODULES = {
    "flqmi": flqmi,
    "flvmi": flvmi,
    "gcmi": gcmi,
    "com": com,
    "logdetmi": logdetmi,
    "flcg": flcg,
    "gccg": gccg,
    "logdetcg": logdetcg,
    "flcmi": flcmi,
    "logdetcmi": logdetcmi,
}


class Pool:
    """The arrays that a strategy takes, and the similarities that its formula does."""

    def __init__(self, rng: np.random.Generator, count: int, kind: str = "", width: int = 5, gradient: bool = False) -> None:
        known = 12
        self.features = rng.normal(size=(count, width)).astype(np.float32)
        self.labeled = rng.normal(size=(known, width)).astype(np.float32)
        self.probabilities = rng.dirichlet(np.full(3, 0.5), count).astype(np.float32)
        self.labeled_probabilities = rng.dirichlet(np.full(3, 0.5), known).astype(np.float32)
        self.labels = np.concatenate([[0, 1, 2], rng.integers(0, 4, known - 3)])  # class 3 has no column
        if kind == "duplicates":
            copies = rng.integers(0, max(1, count // 4), count)
            self.features, self.probabilities = self.features[copies], self.probabilities[copies]
        elif kind == "one point":
            self.features[:], self.probabilities[:] = self.features[0], self.probabilities[0]
        elif kind == "zeros":
            self.features[rng.random(count) < 0.5] = 0
        elif kind == "one-hot":
            self.probabilities = np.eye(3, dtype=np.float32)[rng.integers(0, 3, count)]
        elif kind == "half":
            self.features, self.labeled = self.features.astype(np.float16), self.labeled.astype(np.float16)
        self.gradient = gradient

    def arrays(self) -> tuple[Any, ...]:
        given = (self.probabilities, self.labeled_probabilities) if self.gradient else (None, None)
        return self.features, self.labeled, self.labels, *given

    def pick(self, name: str, count: int, **options: Any) -> np.ndarray:
        features, labeled, labels, *given = self.arrays()
        return MODULES[name].pick(features, labeled, labels, count, *given, **options)

    def similarities(self, **options: Any) -> tuple[np.ndarray, ...]:
        features, labeled, labels, probabilities, known = self.arrays()
        u = vectors(features, probabilities, self.probabilities.argmax(axis=1), 4)
        w = vectors(labeled, known, labels, 4)
        q, p = (w[np.isin(labels, options.get(key, []))] for key in ("query_classes", "private_classes"))
        cosines = (a @ b.T for a, b in ((u, u), (u, q), (u, p), (q, q), (p, p), (q, p)))
        return tuple(cosine if options.get("kernel") == "cosine" else (1 + cosine) / 2 for cosine in cosines)

    def greedy(self, name: str, count: int, **options: Any) -> np.ndarray:
        """Plain greedy; equal but for rounding goes to the smaller position."""
        given = self.similarities(**options)
        chosen: list[int] = []
        while len(chosen) < min(count, len(self.features)):
            rest = [row for row in range(len(self.features)) if row not in chosen]
            values = np.array([value(name, [*chosen, row], *given, **options) for row in rest])
            chosen.append(rest[np.flatnonzero(values >= values.max() - 1e-12 * max(1, abs(values.max())))[0]])
        return np.array(chosen, np.int64)


def options_of(name: str, **options: Any) -> dict[str, Any]:
    return {key: options[key] for key in options if key in MODULES[name].STRATEGY.option_names}


def random_options(name: str, rng: np.random.Generator) -> dict[str, Any]:
    weight = float(rng.choice([0.0, 0.5, 1.0]))
    return options_of(
        name,
        query_classes=[0, int(rng.integers(0, 4))],
        private_classes=rng.permutation(4)[: rng.integers(0, 3)].tolist(),
        kernel="shifted" if name == "com" else str(rng.choice(["shifted", "cosine"])),
        eta=weight,
        nu=weight if name == "logdetcmi" else float(rng.choice([0.0, 0.4, 1.0])),
        ridge=float(rng.choice([0.1, 1.0, 2.0])),
    )


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The measure that the test file is about."""
    found: str = request.module.NAME
    return found


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools, runs and shortlists so small that every way through the drivers is taken."""
    for name, size in (("POOL", 3), ("STORE", 20), ("BATCH", 2)):
        monkeypatch.setattr(submodular, name, size)
    for name, size in (("POOL", 3), ("RUN", 2), ("LONGEST", 5)):
        monkeypatch.setattr(verified, name, size)
    monkeypatch.setattr(log_det, "LONGEST", 5)
    for model in (log_det.Explicit, log_det.Gram):
        monkeypatch.setattr(model, "rows", 7)
    monkeypatch.setattr(blocks, "DEVICE_BLOCK", 7)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", [False, True])
def test_the_picks_of_a_plain_greedy_loop(name: str, gradient: bool, narrow: None) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        pool = Pool(rng, int(rng.choice([1, 2, 9, 24])), width=int(rng.integers(2, 7)), gradient=gradient)
        options = random_options(name, rng)
        assert pool.pick(name, 16, **options).tolist() == pool.greedy(name, 16, **options).tolist(), options


@pytest.mark.parametrize("kind", ["duplicates", "one point", "zeros", "one-hot", "half"])
def test_special_rows(name: str, kind: str) -> None:
    rng = np.random.default_rng(2)
    for gradient in (False, kind != "zeros"):  # zeros make gradients that differ in the last digits only
        pool = Pool(rng, 14, kind, gradient=gradient)
        options = random_options(name, rng)
        picks = pool.pick(name, 20, **options)
        assert sorted(picks.tolist()) == list(range(14))
        assert picks.tolist() == pool.greedy(name, 20, **options).tolist(), (gradient, options)


@pytest.mark.parametrize("kind", ["duplicates", "one point", "zeros", "one-hot"])
def test_special_rows_in_narrow_pools(name: str, kind: str, narrow: None) -> None:
    rng = np.random.default_rng(3)
    pool = Pool(rng, 20, kind, gradient=kind == "one-hot")
    options = random_options(name, rng)
    assert pool.pick(name, 20, **options).tolist() == pool.greedy(name, 20, **options).tolist(), options


def test_on_another_device_it_picks_the_same(name: str, narrow: None) -> None:
    rng = np.random.default_rng(4)
    for kind, gradient in (("", False), ("duplicates", True)):
        pool = Pool(rng, 20, kind, gradient=gradient)
        options = random_options(name, rng)
        features, labeled, labels, *given = pool.arrays()
        with pretending() as away:
            tensors = [None if array is None else away(array) for array in (features, labeled, *given)]
            picks = MODULES[name].pick(tensors[0], tensors[1], labels, 8, *tensors[2:], **options)
        assert picks.tolist() == pool.pick(name, 8, **options).tolist(), (kind, options)


def test_shape_and_inputs(name: str) -> None:
    pool = Pool(np.random.default_rng(5), 10, gradient=True)
    before = [array.copy() for array in pool.arrays()]
    for array in pool.arrays():
        array.setflags(write=False)
    options = options_of(name, query_classes=[0, 2], private_classes=[1])
    for count in (0, 1, 10, 99):
        picks = pool.pick(name, count, **options)
        assert picks.dtype == np.int64
        assert len(np.unique(picks)) == len(picks) == min(count, 10)
    assert all(np.array_equal(array, copy) for array, copy in zip(pool.arrays(), before, strict=True))
    assert MODULES[name].STRATEGY.takes == ("features", "labeled_features", "labels", "count")
    assert MODULES[name].STRATEGY.optional == ("probabilities", "labeled_probabilities")


def test_options_default_to_one_and_to_the_shifted_kernel(name: str) -> None:
    pool = Pool(np.random.default_rng(6), 20, gradient=True)
    sets = options_of(name, query_classes=[0, 2], private_classes=[1])
    spelled = options_of(name, similarity="gradient", kernel="shifted", eta=1.0, nu=1.0, ridge=1.0)
    assert pool.pick(name, 8, **sets).tolist() == pool.pick(name, 8, **sets, **spelled).tolist()
    plain = Pool(np.random.default_rng(6), 20)
    assert pool.pick(name, 8, **sets, similarity="features").tolist() == plain.pick(name, 8, **sets).tolist()


@pytest.mark.parametrize("gradient", [False, True])
def test_the_gains_are_what_each_pick_adds_to_the_measure(name: str, gradient: bool, narrow: None) -> None:
    rng = np.random.default_rng(14)
    for kind in ("", "duplicates", "one-hot"):
        pool = Pool(rng, 20, kind, gradient=gradient)
        options = {**random_options(name, rng), "query_classes": [0, 3]}
        features, labeled, labels, *given = pool.arrays()
        candidates, known = similarity.prepare(features, labeled, labels, *given, None, options.pop("kernel"))
        weights = {key: options[key] for key in options if key in ("eta", "ridge")}
        query = similarity.queries(known, labels, options["query_classes"])
        picks, gains = MODULES[name].maximise(candidates, query, 12, **weights)
        options["kernel"] = "shifted" if candidates.shifted else "cosine"
        assert picks.tolist() == pool.pick(name, 12, **options).tolist()
        table = pool.similarities(**options)
        values = [value(name, picks[:count].tolist(), *table, **options) for count in range(13)]
        assert gains == pytest.approx(np.diff(values), abs=1e-9)


def test_no_query_row_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no labeled row of the query classes"):
        Pool(np.random.default_rng(7), 5).pick(name, 2, **options_of(name, query_classes=[7], private_classes=[]))


def test_without_labels(name: str) -> None:
    pool = Pool(np.random.default_rng(8), 12)
    pool.labeled, pool.labels = pool.labeled[:0], pool.labels[:0]
    assert pool.pick(name, 6, private_classes=[0]).tolist() == pool.greedy(name, 6).tolist()


def test_gradients_need_probabilities(name: str) -> None:
    options = options_of(name, query_classes=[0], private_classes=[])
    with pytest.raises(InputError, match="gradient"):
        Pool(np.random.default_rng(10), 5).pick(name, 2, **options, similarity="gradient")


@pytest.mark.parametrize("gradient", [False, True])
def test_weights_that_make_a_matrix_indefinite(name: str, gradient: bool) -> None:
    pool = Pool(np.random.default_rng(11), 20, gradient=gradient)
    options = options_of(name, query_classes=[0], private_classes=[1, 2], eta=2.0, nu=2.0)
    with pytest.raises(InputError, match="eta or nu is too large"):
        pool.pick(name, 3, **options)
    with pytest.raises(InputError, match="--ridge"):
        pool.pick(name, 3, **options, ridge=0.0)
