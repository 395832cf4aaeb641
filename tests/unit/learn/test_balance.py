from __future__ import annotations

import numpy as np
import pytest

from radlas.learn.statistics.balance import mean_difference, share_difference


def test_a_shift_by_one_deviation_is_one_whatever_the_unit():
    values = np.random.default_rng(0).normal(size=500)
    assert mean_difference(3 * (values + 1), 3 * values) == pytest.approx(
        1 / values.std(ddof=1), abs=1e-12
    )
    assert mean_difference([1, 2, np.nan, 3], [2, 2, 2]) == 0


def test_shares_by_hand():
    """0.6 against 0.4: 0.2 over the root of 0.24."""
    assert share_difference((60, 100), (40, 100)) == pytest.approx(0.2 / np.sqrt(0.24))


def test_what_does_not_vary_has_no_difference():
    assert mean_difference([1.0], [1.0, 2.0]) is None
    assert mean_difference([1, 1], [1, 1]) is None
    assert mean_difference([np.nan], [np.nan, np.nan]) is None
    assert share_difference((0, 5), (0, 7)) is None
    assert share_difference((1, 5), (0, 0)) is None


def test_a_total_difference_has_no_number_and_rounding_gives_it_none():
    """Twenty times 0.1 have a variance of 2e-34."""
    assert mean_difference([0.1] * 20, [0.7] * 20) is None
    assert mean_difference([1e6 / 3] * 7, [2e6 / 3] * 7) is None
    assert share_difference((5, 5), (0, 7)) is None
