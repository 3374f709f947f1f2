"""ta-vaal is vaal on another model's column."""

from __future__ import annotations

from random_subset import *  # noqa: F403 (what is tested of every learned score)

from altool.strategies import ta_vaal, vaal

STRATEGY, COLUMN, SIGN = ta_vaal.STRATEGY, "labeled_probability", 1


def test_it_is_vaal_on_another_models_column() -> None:
    assert ta_vaal.STRATEGY.function is vaal.score
    assert ta_vaal.STRATEGY.takes == ("labeled_probability",)
