"""logdetmi: diverse rows with much in common with the query rows, against its formula."""

from __future__ import annotations

from similar import *  # noqa: F403 (what is tested of every measure)
from similar import (  # noqa: F401 (tests)
    test_no_query_row_is_refused,
    test_the_gains_are_what_each_pick_adds_to_the_measure,
    test_weights_that_make_a_matrix_indefinite,
)

NAME = "logdetmi"
