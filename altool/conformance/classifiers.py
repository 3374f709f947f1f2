"""What every classifier promises: `for check in CHECKS.values(): check(record)` of its record.

Each check raises AssertionError, which says what is wrong. They fit the classifier on a few dozen rows with its default options; one that
is slow with these can be given as `dataclasses.replace(record, options=…)`, with other defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from altool.conformance.options import invalid
from altool.conformance.randomness import moved
from altool.errors import UsageError
from altool.models import registry
from altool.models.shape import BALANCES, Classifier, Deep, ImageModel, Model
from altool.options import of_run

ROWS, CLASSES = 24, 4
LABELS = np.array([0, 1, 3])[np.arange(ROWS) % 3]  # class 2 has no label
TAKEN = {"balance", "seed", "work", "start", "count", "rows", "labels"}  # what `fit` has for others than options


def rows_of(record: Classifier, labels: np.ndarray = LABELS, seed: int = 0) -> np.ndarray:
    """A row for each of the class numbers `labels`, by which one can tell the classes: of the kind that the classifier reads."""
    draw = np.random.default_rng(seed)
    if record.reads == "features":
        return (draw.normal(size=(len(labels), 5)) * 0.3 + np.eye(5)[labels] * 4).astype(np.float32)
    if record.reads == "text":
        words = [["red", "green", "blue", "grey"][label] for label in labels]
        return np.array([f"{word} thing {draw.integers(3)} {word}" for word in words], object)
    assert record.picture is not None, f"{record.name} reads images, and its record has no `picture`"
    shape = record.picture(record.complete({}), True).shape
    return (draw.integers(0, 80, (len(labels), *shape)) + 40 * labels[:, None, None, None]).astype(np.uint8)


def fitted(record: Classifier, rows: np.ndarray, labels: np.ndarray = LABELS, **more: Any) -> Model:
    """A model of these rows, with all options given."""
    learned, classes = (labels, CLASSES) if record.learns == "labels" else (labels.astype(np.float64), 0)  # the losses are the numbers
    found = record.fit(rows, learned, classes, **{"balance": "none", "seed": 1, **record.complete({}), **more})
    assert isinstance(found, tuple), f"{record.name}: fit returns {type(found).__name__}, not (model, whether it converged)"
    assert len(found) == 2, f"{record.name}: fit returns {len(found)} values, not (model, whether it converged)"
    assert isinstance(found[1], bool | np.bool_), f"{record.name}: fit's second value is {type(found[1]).__name__}, not bool"
    return found[0]


@cache
def _fitted_once(record: Classifier) -> Model:
    return fitted(record, rows_of(record))


def says_what_it_is(record: Classifier) -> None:
    """The record holds together, and no option of it is called as something else."""
    assert record.reads in ("features", "text", "image"), f"{record.name} reads {record.reads!r}, not features, text or image"
    assert record.learns in ("labels", "losses"), f"{record.name} learns {record.learns!r}, not labels or losses"
    assert record.summary.endswith("."), f"{record.name}: the summary is no sentence"
    names = [option.name for option in record.options]
    assert len(set(names)) == len(names), f"{record.name}: two options have one name ({names})"
    assert not TAKEN & set(names), f"{record.name}: options are called as other keywords of fit ({sorted(TAKEN & set(names))})"
    for option in record.options:
        assert option.help, f"{record.name}: option {option.name} has no help"
        if option.default is not None and option.convert is None:
            assert option.take(option.default, "it") == option.default, f"{record.name}: the default of {option.name} is refused"


def declares_the_defaults_of_fit(record: Classifier) -> None:
    """A keyword of `fit` has the default that its option declares, and there is an option for each."""
    keywords = inspect.signature(record.fit).parameters.values()
    named = {each.name: each.default for each in keywords if each.kind is each.KEYWORD_ONLY}
    open_ = any(each.kind is each.VAR_KEYWORD for each in keywords)
    for name, default in record.defaults.items():
        assert open_ or name in named, f"{record.name}: fit has no keyword {name}, which is an option"
        assert named.get(name, default) == default, f"{record.name}: {name} is {named[name]!r} in fit, and {default!r} as an option"
    others = named.keys() - record.defaults.keys() - TAKEN
    assert not others, f"{record.name}: keywords of fit that are no options ({sorted(others)})"


def refuses_values_outside_its_options(record: Classifier) -> None:
    """The command line and a plan refuse what an option cannot be, in the same words but for the subject."""
    called = registry.called(record)
    for option in record.options:
        flagged, key = called[option.name], registry.prefix(record.name) + option.name
        for value in invalid(option).values():
            on_command_line = _refusal(flagged.flag, value, partial(registry.own_of_command, record, {flagged.name: value}))
            in_plan = _refusal(f'run "r", {key}', value, partial(registry.own_of_plan, record, {key: value}, of_run("r")))
            assert on_command_line == in_plan, f"{record.name}: {on_command_line!r} on the command line, {in_plan!r} in a plan"


def _refusal(subject: str, value: Any, take: Callable[[], Any]) -> str:
    """The message, without the subject, by which a value is refused."""
    try:
        take()
    except UsageError as error:
        begin, message = f"{subject}: ", error.message
    else:
        raise AssertionError(f"{subject} takes {value!r}")
    assert message.startswith(begin), f"{message!r} does not begin with {subject}"
    return message.removeprefix(begin)


def predicts_probabilities(record: Classifier) -> None:
    """float32 (n, classes) that are finite and sum to 1, and vectors; a class without a label gets 0. What learned losses predicts
    losses, and probabilities of no class."""
    rows, model = rows_of(record), _fitted_once(record)
    _check_predictions(record, model, rows)
    probabilities = model.probabilities(rows)
    assert record.learns == "losses" or (probabilities[:, 2] == 0).all(), (
        f"{record.name}: a class without a label has a probability above 0"
    )
    vectors, same = model.predict(rows)
    assert np.array_equal(same, probabilities), f"{record.name}: predict and probabilities differ"
    assert vectors.shape[0] == ROWS, f"{record.name}: {len(vectors)} vectors of {ROWS} rows"
    assert vectors.ndim == 2, f"{record.name}: vectors of {vectors.ndim} dimensions"
    assert np.array_equal(vectors, model.vectors(rows)), f"{record.name}: predict and vectors differ"
    assert (model.head is not None) == record.head, f"{record.name}: head is {record.head}, and its model has {model.head}"
    if model.head is not None:
        by_head = model.head.probabilities(vectors)
        assert np.allclose(by_head, probabilities, atol=1e-5), f"{record.name}: its head gives other probabilities"
    assert isinstance(model, Deep) == record.deep, f"{record.name}: deep is {record.deep}, and its model is not what that says"
    if record.reads == "image":
        assert isinstance(model, ImageModel), f"{record.name}: reads images, and its model has no recipe"


def learns_classes_that_lie_apart(record: Classifier) -> None:
    """Of the labels that it was fitted on, of three classes that lie apart, it gets most right; or the order of their losses."""
    model, rows = _fitted_once(record), rows_of(record)
    if record.learns == "losses":
        said, pairs = _predicted_losses(record, model, rows), LABELS[:, None] > LABELS
        right = (said[:, None] > said)[pairs].mean()
    else:
        right = (model.probabilities(rows).argmax(axis=1) == LABELS).mean()
    assert right > 0.5, f"{record.name}: {right:.0%} of the labels that it was fitted on, of 3 classes that lie apart, are right"


def _predicted_losses(record: Classifier, model: Model, rows: np.ndarray) -> np.ndarray:
    said = model.outputs(rows).predicted_loss if isinstance(model, Deep) else None
    assert said is not None, f"{record.name}: learns losses, and its model predicts none"
    return said


def _check_predictions(record: Classifier, model: Model, rows: np.ndarray) -> None:
    found = model.probabilities(rows)
    classes = CLASSES if record.learns == "labels" else 0
    assert found.shape == (len(rows), classes), f"{record.name}: probabilities {found.shape} of {len(rows)} rows and {classes} classes"
    assert found.dtype == np.float32, f"{record.name}: probabilities are {found.dtype}, not float32"
    if not classes:
        found = _predicted_losses(record, model, rows)
        assert found.shape == (len(rows),), f"{record.name}: predicted losses {found.shape} of {len(rows)} rows"
        assert found.dtype == np.float32, f"{record.name}: predicted losses are {found.dtype}, not float32"
        assert np.isfinite(found).all(), f"{record.name}: predicted losses that are NaN or infinite"
        return
    assert np.isfinite(found).all(), f"{record.name}: probabilities that are NaN or infinite"
    assert (found >= 0).all(), f"{record.name}: probabilities below 0"
    assert np.allclose(found.sum(axis=1), 1, atol=1e-4), f"{record.name}: probabilities that do not sum to 1"


def gives_the_same_bytes_for_the_same_seed(record: Classifier) -> None:
    """The same rows, options and seed make the same model."""
    one, other = _fitted_once(record).tensors(), fitted(record, rows_of(record)).tensors()
    assert one.keys() == other.keys(), f"{record.name}: two fits have other tensors"
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), f"{record.name}: two fits with one seed differ in {name}"


def predicts_a_row_alike_in_any_company(record: Classifier) -> None:
    """Another order, or fewer rows beside it, do not change a bit of a row's probabilities (or predicted losses) and vectors."""
    rows, model = rows_of(record), _fitted_once(record)
    shuffle = np.random.default_rng(3).permutation(ROWS)
    checked = {"probabilities": model.probabilities, "vectors": model.vectors}
    if record.learns == "losses":
        checked["predicted losses"] = partial(_predicted_losses, record, model)
    for name, predict in checked.items():
        whole = predict(rows)
        assert np.array_equal(predict(rows[shuffle]), whole[shuffle]), f"{record.name}: {name} depend on the order of rows"
        for part in (slice(0, 1), slice(5, 12)):
            assert np.array_equal(predict(rows[part]), whole[part]), f"{record.name}: {name} depend on the rows beside a row"


def leaves_its_inputs_alone(record: Classifier) -> None:
    """Neither fitting nor predicting writes into the arrays given."""
    rows, labels = rows_of(record), LABELS.copy()
    kept = rows.copy()
    model = fitted(record, rows, labels)
    model.predict(rows)
    assert np.array_equal(rows, kept), f"{record.name}: it changes the rows"
    assert np.array_equal(labels, LABELS), f"{record.name}: it changes the labels"


def leaves_global_generators_alone(record: Classifier) -> None:
    """The global random states of Python, numpy and torch are as they were."""
    found = moved(lambda: fitted(record, rows_of(record)).predict(rows_of(record)))
    assert not found, f"{record.name}: it moves the global generator of {', '.join(found)}"


def comes_back_from_its_tensors(record: Classifier) -> None:
    """What is written and read again predicts the same bits, and is of the same width."""
    from safetensors.numpy import load, save

    rows, model = rows_of(record), _fitted_once(record)
    tensors = load(save({name: np.asarray(value, order="C") for name, value in model.tensors().items()}))
    again = record.from_tensors(tensors, CLASSES if record.learns == "labels" else 0)
    assert again.width == model.width, f"{record.name}: of width {model.width}, and once read of {again.width}"
    for name, one, other in zip(("vectors", "probabilities"), model.predict(rows), again.predict(rows), strict=True):
        assert np.array_equal(one, other), f"{record.name}: {name} differ once it was written and read"
    if record.learns == "losses":
        same = np.array_equal(_predicted_losses(record, model, rows), _predicted_losses(record, again, rows))
        assert same, f"{record.name}: predicted losses differ once it was written and read"


def refuses_damaged_tensors(record: Classifier) -> None:
    """A tensor that is missing, shorter or not finite is a ValueError. Of many tensors about a dozen are tried."""
    tensors = _fitted_once(record).tensors()
    for name in [*tensors][:: -(-len(tensors) // 12)]:
        value = tensors[name]
        damaged = {"missing": {key: other for key, other in tensors.items() if key != name}}
        if value.ndim and len(value) > 1:
            damaged["shorter"] = {**tensors, name: value[:-1]}
        if value.dtype.kind == "f" and value.size:
            damaged["not finite"] = {**tensors, name: np.full_like(value, np.nan)}
        for what, given in damaged.items():
            try:
                record.from_tensors(given, CLASSES if record.learns == "labels" else 0)
            except ValueError:
                continue
            except Exception as error:
                raise AssertionError(f"{record.name}: tensor {name} {what} is a {type(error).__name__}, not a ValueError") from error
            raise AssertionError(f"{record.name}: it takes tensor {name} {what}")


def fits_few_and_constant_rows(record: Classifier) -> None:
    """Labels of one class, a row for each of two classes, and rows that are all the same: finite probabilities, of one class 1."""
    rows = rows_of(record)
    one = fitted(record, rows[:4], np.full(4, 3))
    _check_predictions(record, one, rows)
    assert record.learns == "losses" or (one.probabilities(rows)[:, 3] == 1).all(), (
        f"{record.name}: labels of one class, which has not probability 1"
    )
    _check_predictions(record, fitted(record, rows[:2], LABELS[:2]), rows)
    same = np.repeat(rows[:1], ROWS, axis=0)
    _check_predictions(record, fitted(record, same), same)


def fits_every_balance(record: Classifier) -> None:
    """Each way to balance classes fits."""
    uneven = np.flatnonzero(np.arange(ROWS) % 4 != 1)
    rows = rows_of(record)[uneven]
    for balance in BALANCES:
        _check_predictions(record, fitted(record, rows, LABELS[uneven], balance=balance), rows)


def starts_from_a_model(record: Classifier) -> None:
    """A deep classifier goes on from a model of other classes."""
    if record.deep:
        start = (_fitted_once(record), np.array([1, 0, -1, 3]))
        _check_predictions(record, fitted(record, rows_of(record), start=start), rows_of(record))


CHECKS: dict[str, Callable[[Classifier], None]] = {
    check.__name__: check
    for check in (
        says_what_it_is,
        declares_the_defaults_of_fit,
        refuses_values_outside_its_options,
        predicts_probabilities,
        learns_classes_that_lie_apart,
        gives_the_same_bytes_for_the_same_seed,
        predicts_a_row_alike_in_any_company,
        leaves_its_inputs_alone,
        leaves_global_generators_alone,
        comes_back_from_its_tensors,
        refuses_damaged_tensors,
        fits_few_and_constant_rows,
        fits_every_balance,
        starts_from_a_model,
    )
}
