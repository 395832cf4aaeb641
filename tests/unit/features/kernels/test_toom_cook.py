"""A convolution from its values at points is the convolution."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radlas.features.kernels.toom_cook import both_signs, transforms

POINTS = st.lists(
    st.builds(Fraction, st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=8, unique=True
)


@given(POINTS, st.data())
def test_any_points_give_the_convolution(points, data):
    taps = data.draw(st.integers(1, len(points)))
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=taps), rng.normal(size=len(points) + 1)
    made = transforms(points, taps)
    products = (made.of_taps @ weights) * (made.of_inputs @ inputs)
    outputs = len(inputs) - taps + 1
    powers = np.array([[float(one) ** k for one in points] for k in range(outputs)])
    found = powers @ products[:-1]
    found[-1] += products[-1]
    expected = np.correlate(inputs, weights, "valid")
    # Points that lie close lose digits.
    lost = np.abs(powers) @ np.abs(products[:-1]) + np.abs(products[-1])
    np.testing.assert_allclose(found, expected, atol=1e-13 * lost.max())


def test_points_of_both_signs_come_in_pairs():
    assert both_signs(Fraction(1), Fraction(1, 2)) == (0, 1, -1, Fraction(1, 2), Fraction(-1, 2))
