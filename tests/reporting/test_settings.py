"""Several settings in one summary, by hand."""

import numpy as np
import pytest

from altool import seeds
from altool.reporting import settings
from altool.reporting.history import summarize
from altool.reporting.history_series import Series, common_range

LABELS = np.array([10, 20, 40])


def setting(falls=False, **runs):
    """The comparison of runs with random; of each run one curve per repeat, turned over where less is better."""
    found = [
        Series(name, repeat, LABELS, 1 - np.array(values) if falls else np.array(values), np.empty((3, 0)), None, None, None, falls=falls)
        for name, curves in runs.items()
        for repeat, values in enumerate(curves)
    ]
    generator = lambda: seeds.generator(0, "test")  # noqa: E731
    return summarize(
        found, (), "shortfall" if falls else "macro_f1", common_range(found), baseline="random", area_over="log", generator=generator
    )


def two_settings(*, falls=False):
    flat = [[0.2, 0.4, 0.6]] * 2
    return settings.summarize(
        {
            "texts": setting(falls, random=flat, good=[[0.2, 0.6, 0.7]] * 2, bad=[[0.2, 0.3, 0.4]] * 2),  # areas 40, 52.5, 30
            "images": setting(falls, random=flat, good=[[0.2, 0.4, 0.7]] * 2, bad=flat),  # areas 40, 42.5, 40
        }
    )


@pytest.fixture
def found():
    return two_settings()


def line(found, name):
    return next(one for one in found.runs if one.name == name)


def test_means_ranks_and_the_worst_setting(found):
    good, bad, random = (line(found, name) for name in ("good", "bad", "random"))
    assert [one.name for one in found.runs] == ["good", "random", "bad"]
    assert (good.difference.value, good.difference.low, good.difference.high) == pytest.approx((7.5, 2.5, 12.5))  # of 2 both values
    assert (good.worst, good.worst_setting) == (pytest.approx(2.5), "images")
    assert bad.difference.value == pytest.approx(-5)
    assert (bad.worst, bad.worst_setting) == (pytest.approx(-10), "texts")
    assert (good.rank, random.rank, bad.rank) == (1, (2 + 2.5) / 2, (3 + 2.5) / 2)  # two tie in images
    assert (good.better, good.worse, bad.better, bad.worse) == (2, 0, 0, 1)
    assert random.difference is None


def test_less_may_be_better(found):
    """Turned over, all is the same, but for the sign of the differences."""
    turned = two_settings(falls=True)
    assert [one.name for one in turned.runs] == [one.name for one in found.runs]
    for one, other in zip(turned.runs, found.runs, strict=True):
        assert (one.rank, one.worst_setting, one.better, one.worse) == (other.rank, other.worst_setting, other.better, other.worse)
        assert one.saved == pytest.approx(other.saved)
        assert (one.worst, other.worst) == (None, None) or one.worst == pytest.approx(-other.worst)
    assert turned.result == "; smallest mean difference: good, -7.5 points"
    assert any(note.startswith("worst: the largest difference") for note in turned.notes)


def test_labels_saved_at_the_level_that_both_reach(found):
    """good is at 0.6, random's end, with 20 labels in texts, and with 20 + 20 x 2 / 3 in images; random needs 40. bad ends at 0.4 with 40
    labels, where random is with 20."""
    texts, images = found.outcomes["texts"], found.outcomes["images"]
    assert texts["good"].saved == pytest.approx(0.5)
    assert images["good"].saved == pytest.approx(1 - (20 + 40 / 3) / 40)
    assert texts["bad"].saved == pytest.approx(-1)
    assert images["bad"].saved == pytest.approx(0)
    assert line(found, "good").saved == pytest.approx(1 - np.sqrt(0.5 * (20 + 40 / 3) / 40))
    assert line(found, "bad").saved == pytest.approx(1 - np.sqrt(2))


def test_tables(found):
    head, rows = settings.table(found)
    assert head == ["run", "settings", "difference", "interval", "worst", "in", "rank", "saved", "better", "worse"]
    assert rows[0] == ("good", ["2", "+7.5", "[+2.5, +12.5]", "+2.5", "images", "1.0", "35 %", "2", "0"])
    assert rows[1] == ("random (baseline)", ["2", "", "", "", "", "2.2", "", "", ""])
    cells = settings.summary_rows(found)
    own = [row for row in cells if row["run"] == "bad"]
    assert {(row["quantity"], row["setting"]): round(row["value"], 9) for row in own} == {
        ("area_difference", None): -5,
        ("labels_saved", None): round(1 - np.sqrt(2), 9),
        ("worst_difference", "texts"): -10,
        ("rank", None): 2.75,
        ("area", "texts"): 30,
        ("rank", "texts"): 3,
        ("area_difference", "texts"): -10,
        ("labels_saved", "texts"): -1,
        ("area", "images"): 40,
        ("rank", "images"): 2.5,
        ("area_difference", "images"): 0,
        ("labels_saved", "images"): 0,
    }
    assert found.basis == "macro-F1, 3 runs in 2 settings, against random"
    assert found.result == "; largest mean difference: good, +7.5 points"


def test_a_run_that_lacks_a_setting():
    flat = [[0.2, 0.4, 0.6]] * 2
    found = settings.summarize({"a": setting(random=flat, good=flat), "b": setting(random=flat)})
    assert line(found, "good").settings == 1
    assert found.notes[-1].startswith("a run that is not in every setting")


def test_names():
    assert settings.names(["out/texts", "out/images/"]) == ["texts", "images"]
    assert settings.names(["a/out", "b/out"]) == ["a/out", "b/out"]
