"""BALD (Houlsby et al., 2011): the rows about which networks with other neurons dropped disagree most."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy


def score(mutual_information: np.ndarray) -> np.ndarray:
    """The mutual information of label and weights, entropy of the mean less mean of the entropies, (n,) as float64 (n,)."""
    return mutual_information.astype(np.float64)


STRATEGY = Strategy(
    name="bald",
    shape="score",
    function=score,
    takes=("mutual_information",),
    summary="the largest mutual information between the label and the network's weights",
    paper="Houlsby et al. 2011",
)
