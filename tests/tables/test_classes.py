import pyarrow as pa
import pytest

from altool.errors import InputError
from altool.tables import classes


def test_counts_are_by_name_without_nulls() -> None:
    assert classes.counts(pa.chunked_array([["bee", None, "ant"], ["bee"]])) == {"ant": 1, "bee": 2}
    assert classes.counts(pa.chunked_array([], pa.string())) == {}


def test_classes_that_are_known_are_not_worth_a_word() -> None:
    assert classes.match({"ant": 3}, ("ant", "bee"), "labels l", "predictions p", "") == ""
    assert classes.match({}, ("ant", "bee"), "labels l", "predictions p", "") == ""


def test_some_unknown_classes_are_counted_and_named() -> None:
    text = classes.match({"ant": 3, "dog": 1200, "emu": 1}, ("ant", "bee"), "labels l", "predictions p", "")
    assert text == "labels l: 1,201 rows of 2 classes (dog, emu) that predictions p does not have"
    many = classes.match({"ant": 1, **{f"c{number}": 1 for number in range(9)}}, ("ant",), "labels l", "predictions p", "")
    assert many == "labels l: 9 rows of 9 classes (c0, c1, c2, c3, c4, …) that predictions p does not have"


def test_no_class_in_common_is_refused_with_both_lists() -> None:
    with pytest.raises(InputError) as caught:
        classes.match({"dog": 1, "emu": 2}, ("ant", "bee"), "labels l", "predictions p", "give those of one project")
    assert caught.value.message == "labels l: none of its 2 classes (dog, emu) is one of predictions p, which has 2 classes (ant, bee)"
    assert caught.value.hint == "give those of one project"


@pytest.mark.parametrize(
    ("other", "known"), [("0.0", "0"), ("00", "0"), ("1e0", "1"), ("Ant ", "ant"), ("red  ANT", "red ant"), ("ﬁsh", "fish")]
)
def test_the_other_spelling_is_named(other: str, known: str) -> None:
    with pytest.raises(InputError) as caught:
        classes.match({other: 1}, (known, "bee"), "labels l", "predictions p", "")
    hint = f"is {other!r} the class {known!r}? If so spell them alike; labels: altool import-labels --label-map '{other}={known}'"
    assert caught.value.hint == hint


@pytest.mark.parametrize(("other", "known"), [("0.5", "0"), ("nan", "inf"), ("ant", "ants"), ("", "0")])
def test_other_names_are_other_classes(other: str, known: str) -> None:
    assert classes.respelled([other], [known]) == ""
