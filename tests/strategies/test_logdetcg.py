"""logdetcg: diverse rows with little in common with the private rows, against its formula."""

from __future__ import annotations

from similar import *  # noqa: F403 (what is tested of every measure)
from similar import test_weights_that_make_a_matrix_indefinite, test_without_labels  # noqa: F401 (tests)

NAME = "logdetcg"
