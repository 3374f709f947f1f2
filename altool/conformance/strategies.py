"""What every strategy promises: the same checks for altool's own and for another package's.

    @pytest.mark.parametrize("name", strategies.CHECKS)
    def test_it_keeps_the_promises(name):
        strategies.CHECKS[name](STRATEGY)

Each check takes the record, raises AssertionError with a sentence that says what is wrong, and passes where the promise is about strategies
of another shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from altool import seeds
from altool.conformance import options as options_
from altool.conformance.randomness import moved
from altool.engines.local import limited
from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.kernels.blocks import host, take
from altool.kernels.top import top
from altool.options import declared as options_of
from altool.selection.options import Options
from altool.strategies.inputs import INPUTS, Vectors
from altool.strategies.margin import gaps
from altool.strategies.registry import REGISTRY, SUBSET_FACTOR, Strategy
from altool.wrappers.ask import replay
from altool.wrappers.choose import Request, choose

ROWS, CLASSES, WIDTH = 60, 4, 8
GIVEN = {"query_classes": [0, 2], "private_classes": [1]}  # options without which some strategies cannot work


def arrays(rows: np.ndarray, seed: int = 0, labeled: int = 12) -> dict[str, Any]:
    """Everything that a strategy may take (strategies/inputs.py), for the probabilities `rows` (n, K) and so many labeled rows."""
    draw = np.random.default_rng(99)
    count, classes = rows.shape
    return {
        "probabilities": rows,
        "mutual_information": draw.random((count,), np.float32),
        "predicted_loss": np.random.default_rng(97).normal(size=(count,)).astype(np.float32),
        "labeled_probability": np.random.default_rng(98).random((count,), np.float32),
        "features": draw.normal(size=(count, WIDTH)).astype(np.float32),
        "labeled_probabilities": draw.dirichlet(np.ones(classes), labeled).astype(np.float32),
        "labeled_features": draw.normal(size=(labeled, WIDTH)).astype(np.float32),
        "labels": np.arange(labeled) % classes,
        "automatic": np.arange(labeled) % 3 == 1,
        "likeliest": rows.argmax(axis=1).astype(np.int32),
        "confidence": rows.max(axis=1),
        "classes": classes,
        "hard": lambda places, number: places[:number],
        "head": (draw.normal(size=(classes, WIDTH)).astype(np.float32), draw.normal(size=(classes,)).astype(np.float32)),
        "ranks": draw.permutation(count).astype(np.float64) + 1,
        "count": count,
        "rng": np.random.default_rng(seed),
        "draw": partial(seeds.generator, seed),
        "parallel": 7,
    }


def probabilities() -> np.ndarray:
    """float32 (60, 4), each row summing to 1."""
    return np.random.default_rng(3).dirichlet(np.ones(CLASSES), ROWS).astype(np.float32)


def call(strategy: Strategy, given: dict[str, Any]) -> np.ndarray:
    """What the strategy's function gives: scores, or positions (of one that asks: of an oracle that agrees with the model)."""
    options: dict[str, Any] = {name: GIVEN[name] for name in strategy.option_names if name in GIVEN}
    if strategy.budgets:
        third = given["count"] // 3
        options[strategy.budgets] = (given["count"] - 2 * third, third, third)
    given = {**given, **_derived(given)}
    found = strategy.function(*(given.get(name) for name in (*strategy.takes, *strategy.optional)), **options)
    if strategy.shape == "ask":
        return replay(found, given["probabilities"].argmax(axis=1)).asked.rows
    positions: np.ndarray = found[0] if strategy.marks else found
    return positions


def _derived(given: dict[str, Any]) -> dict[str, Any]:
    """What follows from the candidates' probabilities and features."""
    rows, features, labeled = host(given["probabilities"]), given["features"], given["labeled_features"]
    vectors = Vectors(np.ones(len(rows), bool), lambda places: (take(features, places), labeled))
    of_rows = {"margin": gaps(rows), "likeliest": rows.argmax(axis=1).astype(np.int32), "confidence": rows.max(axis=1)}
    return {"candidates": len(rows), "vectors": vectors, **of_rows}


def pick(strategy: Strategy, given: dict[str, Any], count: int = 10) -> np.ndarray:
    """The positions of so many picks, with a generator of its own."""
    return call(strategy, {**given, "count": count, "rng": np.random.default_rng(4)})


def in_a_file(matrix: np.ndarray) -> np.ndarray:
    """The matrix as a mapped file."""
    array = Scratch(0).empty(matrix.shape, matrix.dtype)
    array[:] = matrix
    return array


def _enough(strategy: Strategy, chosen: int, wanted: int) -> bool:
    """Tiers may stay short: of rows that two classes want, and of classes that nothing is predicted as."""
    return chosen == wanted or (strategy.tiers and 0 < chosen < wanted)


def says_what_it_is(strategy: Strategy) -> None:
    assert strategy.summary, f"{strategy.name}: its summary is empty"
    unknown = {*strategy.takes, *strategy.optional} - set(INPUTS)
    assert not unknown, f"{strategy.name} takes {sorted(unknown)}, which strategies/inputs.py does not have"


def declares_its_options(strategy: Strategy) -> None:
    options_.check_declarations(strategy.name, strategy.options)
    keywords = inspect.signature(strategy.function).parameters.values()
    taken = {keyword.name: keyword.default for keyword in keywords if keyword.kind is keyword.KEYWORD_ONLY}
    declared = {option.name: option for option in strategy.options if option.name != SUBSET_FACTOR.name}
    missing = set(declared) - set(taken)
    assert not missing, f"{strategy.name}: its function does not take the declared option {sorted(missing)}"
    for name, option in declared.items():
        default = taken[name]
        free = default is inspect.Parameter.empty or default == option.default
        assert free, f"{strategy.name}, {name}: its function's default is {default!r}, the declared one is {option.default!r}"
    ambiguous = {option.name for option in options_of(Options)} & set(declared)
    assert not ambiguous, f"{strategy.name}: altool select has options of the same name ({', '.join(sorted(ambiguous))})"
    for other, record in REGISTRY.every().items():
        for name, kind in ((option.name, option.kind) for option in record.options if option.name in declared):
            own = declared[name].kind
            assert own is kind, f"{strategy.name}, {name}: it is {own.__name__} here, and {kind.__name__} as an option of {other}"


def gives_one_finite_float64_per_candidate(strategy: Strategy) -> None:
    if strategy.shape != "score":
        return
    rows = probabilities()
    specials = {
        "ordinary rows": rows,
        "duplicates": np.repeat(rows[:2], 30, axis=0),
        "certain rows": np.eye(CLASSES, dtype=np.float32)[np.arange(ROWS) % CLASSES],
        "one row": rows[:1],
        "zeros": np.concatenate([rows[:, :2] / rows[:, :2].sum(1, keepdims=True), np.zeros((ROWS, 2), np.float32)], axis=1),
    }
    for special, given in specials.items():
        scores = call(strategy, arrays(given))
        assert scores.dtype == np.float64, f"{strategy.name}: its scores are {scores.dtype}, not float64"
        assert scores.shape == (len(given),), f"{strategy.name}, {special}: {scores.shape} scores for {len(given)} candidates"
        assert np.isfinite(scores).all(), f"{strategy.name}, {special}: a score is not finite"
        if special == "duplicates" and strategy.takes == ("probabilities",):
            assert len(np.unique(scores)) <= 2, f"{strategy.name}: equal rows have different scores"


def repeats_with_the_same_seed(strategy: Strategy) -> None:
    rows = probabilities()
    once, again = (call(strategy, arrays(rows, 5)) for _ in range(2))
    assert np.array_equal(once, again), f"{strategy.name}: the same seed gives another answer"


def leaves_its_inputs_alone(strategy: Strategy) -> None:
    given = arrays(probabilities())
    held = [value for value in [*given.values(), *given["head"]] if isinstance(value, np.ndarray)]
    before = [value.copy() for value in held]
    for value in held:
        value.setflags(write=False)
    pick(strategy, given) if strategy.shape != "score" else call(strategy, given)
    assert all(np.array_equal(*pair) for pair in zip(held, before, strict=True)), f"{strategy.name}: it writes to its inputs"


def follows_the_candidates(strategy: Strategy) -> None:
    """Permuting the candidates permutes the answer, where nothing is drawn at random."""
    if strategy.shape == "ask" or "rng" in strategy.takes:
        return
    given, shuffle = arrays(probabilities()), np.random.default_rng(8).permutation(ROWS)
    names = [name for name, entry in INPUTS.items() if entry.per == "candidate" and name in given]
    moved = {**given, **{name: given[name][shuffle] for name in names}}
    if strategy.shape == "score":
        same = np.array_equal(call(strategy, moved), call(strategy, given)[shuffle])
    else:
        same = np.array_equal(shuffle[pick(strategy, moved)], pick(strategy, given))
    assert same, f"{strategy.name}: its answer depends on the order of the candidates"


def scores_each_row_alone(strategy: Strategy) -> None:
    """Where the table is streamed through the strategy, the size of the chunks does not matter."""
    if not strategy.rowwise:
        return
    given = arrays(probabilities())
    column = strategy.takes[0]
    for size in (1, 7, 59):
        parts = [call(strategy, {**given, column: given[column][start : start + size]}) for start in range(0, ROWS, size)]
        same = np.array_equal(np.concatenate(parts), call(strategy, given))
        assert same, f"{strategy.name}: a row's score depends on the rows beside it (chunks of {size})"


def can_sort_the_whole_pool(strategy: Strategy) -> None:
    if strategy.shape != "score":
        return
    scores = call(strategy, arrays(probabilities()))
    for count in (ROWS, ROWS + 1, 1000):
        chosen = top(scores, count)
        assert sorted(chosen.tolist()) == list(range(ROWS)), f"{strategy.name}: choosing all rows does not choose each once"
        assert (np.diff(scores[chosen]) <= 0).all(), f"{strategy.name}: rows are not in the order of their scores"


def leaves_global_random_state_alone(strategy: Strategy) -> None:
    found = moved(lambda: call(strategy, arrays(probabilities())))
    assert not found, f"{strategy.name}: it uses the global random generator of {', '.join(found)}"


def picks_distinct_positions(strategy: Strategy) -> None:
    if strategy.shape == "score":
        return
    given = arrays(probabilities())
    for count in (0, 1, 10, ROWS, ROWS + 1):
        chosen = pick(strategy, given, count)
        assert chosen.dtype == np.int64, f"{strategy.name}: its picks are {chosen.dtype}, not int64"
        assert _enough(strategy, len(chosen), min(count, ROWS)), f"{strategy.name}: {len(chosen)} picks, {min(count, ROWS)} asked for"
        positions = chosen.tolist()
        assert len(set(positions)) == len(positions), f"{strategy.name}: it picks a row twice"
        assert all(0 <= position < ROWS for position in positions), f"{strategy.name}: it picks a row that is not there"


def works_in_threads_and_on_files(strategy: Strategy) -> None:
    if strategy.shape != "pick":
        return
    given = arrays(probabilities())
    expected = pick(strategy, given)
    matrices = {"features", "probabilities", "labeled_features", "labeled_probabilities"}
    for threads in (1, 3):
        with limited(threads):
            found = pick(strategy, {name: in_a_file(value) if name in matrices else value for name, value in given.items()})
        assert np.array_equal(found, expected), f"{strategy.name}: {threads} threads, or a mapped file, change its picks"


def works_on_special_pools(strategy: Strategy) -> None:
    if strategy.shape == "score":
        return
    given, rows = arrays(probabilities()), probabilities()
    features, certain = given["features"], np.eye(CLASSES, dtype=np.float32)
    half = {name: given[name].astype(np.float16) for name in ("features", "labeled_features")}
    specials: dict[str, dict[str, Any]] = {
        "duplicates": {"features": np.repeat(features[:6], 10, axis=0), "probabilities": np.repeat(rows[:6], 10, axis=0)},
        "one point": {"features": np.repeat(features[:1], ROWS, axis=0), "probabilities": np.repeat(rows[:1], ROWS, axis=0)},
        "origin": {"features": np.zeros_like(features)},
        "certain rows": {"probabilities": certain[np.arange(ROWS) % CLASSES]},
        "one row": {"features": features[:1], "probabilities": rows[:1], "count": 1},
        "float16": half,
        "one certain class": {"probabilities": certain[np.zeros(ROWS, int)]},
    }
    for special, change in specials.items():
        size = len({**given, **change}["probabilities"])
        for count in (min(10, size), size):
            chosen = pick(strategy, {**given, **change}, count).tolist()
            assert len(set(chosen)) == len(chosen), f"{strategy.name}, {special}: it picks a row twice"
            assert _enough(strategy, len(chosen), count), f"{strategy.name}, {special}: {len(chosen)} picks, {count} asked for"


def works_without_labels_or_says_so(strategy: Strategy) -> None:
    if strategy.shape == "score":
        return
    refusal, chosen = "", []
    try:
        chosen = pick(strategy, arrays(probabilities(), labeled=0)).tolist()
    except InputError as error:
        refusal = error.message
    told = "label" in refusal and not strategy.cold_start
    assert told or len(set(chosen)) == 10, f"{strategy.name}: without labels {refusal or len(set(chosen))!r}, not 10 picks"


def ties_by_the_score_that_is_written(strategy: Strategy) -> None:
    """Copies that differ by less than float32 tells, in float64 predictions, go by place."""
    if strategy.shape != "score" or "rng" in strategy.takes:
        return
    small = np.tile([[3e-12, -1e-12, -1e-12, -1e-12], [0] * 4, [0, 0, 2e-12, -2e-12]], (20, 1))
    given = arrays(np.repeat(probabilities()[:12].astype(np.float64), 5, axis=0) + small)
    scores = call(strategy, given).astype(np.float32)
    found = choose(_request(strategy, 25, 0), ROWS, given).places.tolist()
    expected = sorted(range(ROWS), key=lambda row: (-scores[row], row))[:25]
    assert found == expected, f"{strategy.name}: rows of equal scores are not in the order of their places"


def does_not_follow_ids_where_all_rows_are_alike(strategy: Strategy) -> None:
    if strategy.tiers:
        return
    given = arrays(np.eye(CLASSES, dtype=np.float32)[np.zeros(ROWS, int)])
    constant = ("mutual_information", "predicted_loss", "labeled_probability", "ranks")
    given |= {name: np.full(ROWS, 0.5, np.float32) for name in constant}
    given |= {"answers": np.zeros(ROWS, np.int64), "features": np.ones((ROWS, WIDTH), np.float32)}
    given |= _derived(given)
    chosen = [choose(_request(strategy, 15, seed), ROWS, given) for seed in (1, 1, 2)]
    found = [(one.places if one.round is None else one.round.asked.rows).tolist() for one in chosen]
    assert found[0] == found[1] != found[2], f"{strategy.name}: the order of equal rows does not come from the seed"
    assert all(len(set(places)) == len(places) and max(places) >= ROWS // 2 for places in found), f"{strategy.name}: equal rows go by id"


def _request(strategy: Strategy, count: int, seed: int) -> Request:
    keywords: dict[str, Any] = {name: GIVEN[name] for name in strategy.option_names if name in GIVEN}
    if SUBSET_FACTOR.name in strategy.option_names:
        keywords[SUBSET_FACTOR.name] = 0
    return Request(strategy, count, partial(seeds.generator, seed), keywords, parallel=count)


CHECKS: dict[str, Callable[[Strategy], None]] = {
    check.__name__: check
    for check in (
        says_what_it_is,
        declares_its_options,
        gives_one_finite_float64_per_candidate,
        repeats_with_the_same_seed,
        leaves_its_inputs_alone,
        follows_the_candidates,
        scores_each_row_alone,
        can_sort_the_whole_pool,
        leaves_global_random_state_alone,
        picks_distinct_positions,
        works_in_threads_and_on_files,
        works_on_special_pools,
        works_without_labels_or_says_so,
        ties_by_the_score_that_is_written,
        does_not_follow_ids_where_all_rows_are_alike,
    )
}
