"""Plans that cannot be."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from altool.errors import UsageError
from altool.simulation import plan


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"mlp_epochs": "x"}, "--epochs 'x': must be at least 1, and whole"),
        ({"mlp_minibatch": 2.5}, "--minibatch 2.5: must be at least 1, and whole"),
        ({"mlp_rate": "big"}, "--rate 'big': must be 1e-12 to 1e"),
        ({"mlp_stop_accuracy": True}, "--stop-accuracy True: must be 0 to 1"),
        ({"mlp_compile": "no"}, "--compile: 'no' is neither true nor false"),
        ({"vaal_epochs": 0}, "--vaal-epochs 0: must be at least 1, and whole"),
        ({"vaal_latent": 2.5}, "--vaal-latent 2.5: must be"),
        ({"vaal_width": "x"}, "--vaal-width 'x': must be"),
        ({"vaal_rate": math.nan}, "--vaal-rate nan: must be at least 1e-09, and finite"),
        ({"vaal_rate": math.inf}, "--vaal-rate inf: must be"),
        ({"mlp_dropout": 0.5, "mc_dropout": 1}, "mc-dropout = N takes N samples"),
        ({"mlp_dropout": 0.5, "mc_dropout": True}, "mc-dropout = N takes N samples"),
    ],
)
def test_numbers_of_learned_strategies_that_cannot_be(own: dict[str, Any], said: str) -> None:
    """A plan's are not told apart by the command line, as those of `train` are."""
    with pytest.raises(UsageError, match=re.escape(said)):
        plan.make({"seed_size": 5, "rounds": 1, "budget": 5}, [{"strategy": "ta-vaal", "classifier": "mlp", **own}])
