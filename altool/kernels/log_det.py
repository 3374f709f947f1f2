"""Log-determinant measures: greedy by conditional variances, without a matrix that has a side as long as the pool.

With S = K + ridge on the diagonal, the gain of a row i given rows C is the logarithm of its conditional variance r_i(C). A chain holds
the variances given some labeled rows, whose similarities with candidates are weighted (eta for queries, nu for private rows), and what
has been picked; a measure compares at most two chains (LOGDETMI: nothing and Q; LOGDETCMI: P, and P with Q; LOGDETCG: P alone).
Everything that a pick changes is a product of every row with one vector in the space of the similarity (`Explicit`), or with one
combination of the labeled and picked rows where that space is too large (`Gram`: gradients).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import truediv

import numpy as np

from altool.errors import InputError
from altool.kernels.blocks import BLOCK, Matrix, double, host, like, totals, walk
from altool.kernels.similarity import CHUNK, ERROR, SHORT, Candidates, Factors, Rows, coarse
from altool.kernels.submodular import Picks
from altool.kernels.verified import LONGEST, everyone, verified
from altool.text import count as counted

GIVEN = 4096  # labeled rows that `Gram` takes
Given = list[tuple[Rows, float]]  # labeled rows and their weight


def greedy(candidates: Candidates, count: int, chains: Sequence[Given], ridge: float) -> Picks:
    """The first min(count, n) candidates, int64, in plain greedy order (ties go to the smaller position), and the gain of each, float64.

    One chain: the largest conditional variance first; two: the largest ratio of the first chain's variance to the second's.
    Raises InputError if weights make a matrix indefinite, or if there are too many labeled rows for gradients.
    """
    if not ridge > 0:
        raise InputError(f"--ridge {ridge}: the log-det measures need more than 0")
    model = (Explicit if candidates.classes is None else Gram)(candidates, chains, ridge)
    if len(chains) == 1:
        picks, values = verified(candidates, count, model, lambda first: first, lambda best: ERROR, falls=True)
        return picks, np.log(values)
    # The numbers are at least `ridge`, so a ratio is off by no more than this.
    picks, values = verified(candidates, count, model, truediv, lambda best: ERROR * (1 + abs(best)) / ridge, falls=False)
    return picks, np.log(values)


def indefinite(largest: float) -> None:
    """Refuse weights that leave a direction with negative variance: `largest` is the largest share of variance that they explain."""
    if largest > 1 + 1e-6:
        raise InputError(
            f"eta or nu is too large: negative variance is left ({largest:.3g} of 1 is explained)",
            "give weights of at most 1 (if both are used: equal ones), or a larger ridge",
        )


class Explicit:
    """Chains in the space of the features: one (d, d) matrix each, r_i = ridge + phi_i M phi_i."""

    rows = 8192

    def __init__(self, candidates: Candidates, chains: Sequence[Given], ridge: float) -> None:
        self.candidates, self.ridge, self.scale = candidates, ridge, candidates.scale  # of double precision once sharpened
        self.width = candidates.matrices[0].shape[1] + candidates.shifted
        self.explained = [self.explain(given) for given in chains]
        self.left = [np.eye(self.width) - part @ part.T for part in self.explained]

    def vectors(self, rows: Rows, at: np.ndarray) -> np.ndarray:
        """phi: unit features, or with a 1 and over sqrt 2 where the kernel is shifted; float64 (len(at), d)."""
        return self.phis(rows.exact(at))

    def phis(self, factors: Factors) -> np.ndarray:
        """phi from unit vectors."""
        features = host(factors[0])
        return np.hstack([features, np.ones((len(features), 1))]) * np.sqrt(0.5) if self.candidates.shifted else features

    def explain(self, given: Given) -> np.ndarray:
        """F (d, rank) such that F F' = Phi' W S^-1 W Phi, the variance that these rows explain."""
        plain, once, twice = (np.zeros((self.width, self.width)) for _ in range(3))
        for rows, weight in given:
            for start in range(0, len(rows), CHUNK):
                phi = self.vectors(rows, np.arange(start, min(start + CHUNK, len(rows))))
                square = phi.T @ phi
                plain += square
                once += weight * square
                twice += weight**2 * square
        plain[np.diag_indices(self.width)] += self.ridge
        values, directions = np.linalg.eigh((twice - once @ np.linalg.solve(plain, once)) / self.ridge)
        indefinite(values[-1])
        kept = values > 1e-13
        return directions[:, kept] * np.sqrt(values[kept])

    def start(self) -> list[np.ndarray]:
        numbers = [self.candidates.own() + self.ridge for _ in self.explained]

        def work(part: slice, *blocks: Matrix) -> None:
            for number, some in zip(numbers, self.explained, strict=True):
                number[part] -= totals(self.project(part, blocks, some) ** 2)

        for _ in walk(work, *self.candidates.matrices):
            pass
        return numbers

    def sharpen(self) -> list[np.ndarray]:
        parts = walk(lambda part, block: host((double(block) ** 2).sum(1)), *self.candidates.matrices)
        lengths = np.sqrt(np.concatenate(list(parts)))
        self.scale = (self.candidates.scale > 0) / np.maximum(lengths, SHORT)
        return everyone(self.candidates, self)

    def project(self, at: slice, blocks: Sequence[Matrix], columns: np.ndarray) -> Matrix:
        """Inner products of the rows `at` with `columns` (d, c): (c, rows), float32 if not sharpened."""
        rows, scale, width = blocks[0], self.scale[at], blocks[0].shape[1]
        if scale.dtype == np.float64:
            rows = double(rows)
        columns = columns.astype(scale.dtype)
        products = like(columns[:width].T, rows) @ rows.T
        if not self.candidates.shifted:
            products *= like(scale, rows)
            return products
        half = scale.dtype.type(np.sqrt(0.5))
        products *= like(scale * half, rows)
        products += like(columns[width:].T * half, rows)
        return products

    def enter(self, members: np.ndarray) -> list[np.ndarray]:
        self.phi = self.vectors(self.candidates, members)
        self.solved = [self.phi @ left for left in self.left]
        self.numbers = [np.einsum("ij,ij->i", solved, self.phi) + self.ridge for solved in self.solved]
        self.steps = [Steps(len(members), self.width) for _ in self.left]
        return [number.copy() for number in self.numbers]

    def extend(self, slot: int) -> list[np.ndarray]:
        for number, solved, steps in zip(self.numbers, self.solved, self.steps, strict=True):
            direction = steps.direct(slot, solved[slot], number[slot])
            number -= steps.add(self.phi @ direction) ** 2
        return [steps.last() ** 2 for steps in self.steps]

    def amounts(self, at: slice, blocks: Sequence[Matrix], steps: slice) -> list[Matrix]:
        columns = np.concatenate([chain.directions[steps] for chain in self.steps]).T
        return parts(self.project(at, blocks, columns) ** 2, len(self.left))

    def settle(self, steps: int) -> None:
        for left, chain in zip(self.left, self.steps, strict=True):
            left -= chain.directions[:steps].T @ chain.directions[:steps]


def parts(rows: Matrix, count: int) -> list[Matrix]:
    """`rows` in so many equal parts."""
    size = len(rows) // count
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class Steps:
    """The picks of one run in one chain: a pick subtracts the square of every row's product with its direction.

    `changes` (step, member) are these products, `directions` (step, d) the vectors.
    """

    def __init__(self, members: int, width: int) -> None:
        self.count = 0
        self.changes = np.empty((LONGEST, members))
        self.directions = np.empty((LONGEST, width))

    def direct(self, slot: int, direction: np.ndarray, variance: float) -> np.ndarray:
        """The direction of picking that member, from the one at the start of the run."""
        before = self.changes[: self.count, slot] @ self.directions[: self.count]
        self.directions[self.count] = (direction - before) / np.sqrt(variance)
        return self.directions[self.count]

    def add(self, changes: np.ndarray) -> np.ndarray:
        self.changes[self.count] = changes
        self.count += 1
        return changes

    def last(self) -> np.ndarray:
        return self.changes[self.count - 1]


class Gram:
    """Chains over the labeled and the picked rows.

    `held` are the unit vectors of all these rows, `columns` which of them a chain has, `mixing` the inverse of the Cholesky factor of
    its S, times the weights: r_i = K_ii + ridge - |mixing k_i|^2 with k_i the similarities of i with these rows.
    """

    rows = BLOCK

    def __init__(self, candidates: Candidates, chains: Sequence[Given], ridge: float) -> None:
        self.candidates, self.ridge, self.sharp = candidates, ridge, False
        lots = {id(rows): rows for given in chains for rows, _ in given}
        ends = dict(zip(lots, np.cumsum([len(rows) for rows in lots.values()]), strict=True))
        count = sum(len(rows) for rows in lots.values())
        if count > GIVEN:
            raise InputError(
                f"labels: {counted(count, 'row')} of the query and private classes, expected at most {GIVEN:,} with gradients",
                "use --similarity features, or fewer classes",
            )
        self.hold([[host(factor) for factor in rows.exact(np.arange(len(rows)))] for rows in lots.values()])
        square = candidates.similarities(self.held, self.held)
        self.columns: list[np.ndarray] = []
        self.mixing: list[np.ndarray] = []
        for given in chains:
            columns = np.concatenate([np.arange(0), *(ends[id(rows)] - len(rows) + np.arange(len(rows)) for rows, _ in given)])
            weights = np.concatenate([np.empty(0), *(np.full(len(rows), float(weight)) for rows, weight in given)])
            own = square[np.ix_(columns, columns)]
            mixing = np.linalg.inv(np.linalg.cholesky(own + ridge * np.eye(len(own)))) * weights
            indefinite(np.linalg.eigvalsh(mixing @ own @ mixing.T).max(initial=0))
            self.columns.append(columns)
            self.mixing.append(mixing)

    def hold(self, lots: list[Factors]) -> None:
        """Make these the rows that are held, in double and, beside the pool, in single precision."""
        depth = max([self.candidates.matrices[1].shape[1], *(lot[1].shape[1] for lot in lots)])
        none: Factors = [np.empty((0, self.candidates.matrices[0].shape[1] + 1)), np.empty((0, depth))]
        wide = [[lot[0], np.pad(lot[1], ((0, 0), (0, depth - lot[1].shape[1])))] for lot in lots]
        self.held = [np.concatenate(some) for some in zip(none, *wide, strict=True)]
        self.near = self.coarse(self.held)

    def coarse(self, factors: Factors) -> Factors:
        """These in single precision, where the pool lies."""
        return [like(factor, self.candidates.matrices[0]) for factor in coarse(factors)]

    def combine(self, at: slice, blocks: Sequence[Matrix], mixture: np.ndarray, others: Factors) -> Matrix:
        """`mixture` (c, len(others)) of the similarities of the rows `at` with these others: (c, rows), float32 if not sharpened."""
        if self.sharp:
            return like(mixture @ self.candidates.exactly(at, blocks, others).T, blocks[0])
        result = like(np.zeros((len(mixture), len(blocks[0])), np.float32), blocks[0])
        for start in range(0, mixture.shape[1], CHUNK):
            some = [factor[start : start + CHUNK] for factor in others]
            shares = like(mixture[:, start : start + CHUNK].astype(np.float32), blocks[0])
            result += shares @ self.candidates.between(at, blocks, some).T
        return result

    def start(self) -> list[np.ndarray]:
        numbers = [self.candidates.own() + self.ridge for _ in self.columns]

        def work(part: slice, *blocks: Matrix) -> None:
            for number, columns, mixing in zip(numbers, self.columns, self.mixing, strict=True):
                others = [factor[like(columns, factor)] for factor in self.near]
                number[part] -= totals(self.combine(part, blocks, mixing, others) ** 2)

        for _ in walk(work, *self.candidates.matrices):
            pass
        return numbers

    def sharpen(self) -> list[np.ndarray]:
        self.sharp = True
        return everyone(self.candidates, self)

    def enter(self, members: np.ndarray) -> list[np.ndarray]:
        self.phi = [host(factor) for factor in self.candidates.exact(members)]
        self.slots: list[int] = []
        cross = self.candidates.similarities(self.phi, self.held)
        self.solved = [cross[:, columns] @ mixing.T for columns, mixing in zip(self.columns, self.mixing, strict=True)]
        self.numbers = [self.candidates.own()[members] + self.ridge - (solved**2).sum(axis=1) for solved in self.solved]
        self.steps = [Steps(len(members), len(self.held[0]) + LONGEST) for _ in self.columns]
        return [number.copy() for number in self.numbers]

    def extend(self, slot: int) -> list[np.ndarray]:
        column = self.candidates.similarities(self.phi, [factor[slot : slot + 1] for factor in self.phi])[:, 0]
        for chain, steps in enumerate(self.steps):
            direction = np.zeros(steps.directions.shape[1])
            direction[self.columns[chain]] = -self.solved[chain][slot] @ self.mixing[chain]
            direction[len(self.held[0]) + steps.count] = 1
            variance = self.numbers[chain][slot]
            before = steps.changes[: steps.count, slot] @ steps.changes[: steps.count]
            changes = (column - self.solved[chain] @ self.solved[chain][slot] - before) / np.sqrt(variance)
            steps.direct(slot, direction, variance)
            self.numbers[chain] -= steps.add(changes) ** 2
        self.slots.append(slot)
        return [steps.last() ** 2 for steps in self.steps]

    def amounts(self, at: slice, blocks: Sequence[Matrix], steps: slice) -> list[Matrix]:
        picked = [factor[self.slots] for factor in self.phi]
        end = len(self.held[0])
        mixture = np.concatenate([chain.directions[steps] for chain in self.steps])
        result = self.combine(at, blocks, mixture[:, :end], self.held if self.sharp else self.near)
        result += self.combine(at, blocks, mixture[:, end : end + len(self.slots)], picked if self.sharp else self.coarse(picked))
        return parts(result**2, len(self.steps))

    def settle(self, steps: int) -> None:
        slots, end = self.slots[:steps], len(self.held[0])
        for chain, run in enumerate(self.steps):
            columns, mixing = self.columns[chain], self.mixing[chain]
            above = np.hstack([mixing, np.zeros((len(mixing), steps))])
            below = np.hstack([run.directions[:steps, columns], run.directions[:steps, end : end + steps]])
            self.mixing[chain] = np.vstack([above, below])
            self.columns[chain] = np.concatenate([columns, end + np.arange(steps)])
        self.hold([self.held, [factor[slots] for factor in self.phi]])
