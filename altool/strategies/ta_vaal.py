"""TA-VAAL (Kim et al., CVPR 2021): VAAL, with a discriminator that also sees where the predicted losses rank the row."""

from __future__ import annotations

from dataclasses import replace

from altool.strategies import vaal

STRATEGY = replace(
    vaal.STRATEGY,
    name="ta-vaal",
    summary="least likely to be a labeled row, given also the predicted loss, in a random subset",
    paper="Kim et al. 2021",
)
