"""Convolutions with few products, for any number of taps and outputs.

Taps and inputs are evaluated at points, where a convolution is a product; the outputs follow from
the products. As many points are needed as a tile has inputs, one of them infinity.

Source: Winograd, "Arithmetic Complexity of Computations", 1980, after Toom and Cook: a convolution
is a product of polynomials, known from its values at as many points as it has coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Transforms(NamedTuple):
    """What taps and inputs are multiplied by before their products.

    Attributes:
        of_taps: Shape ``(points, taps)``.
        of_inputs: Shape ``(points, points)``: a tile has as many inputs as there are points.
    """

    of_taps: Matrix
    of_inputs: Matrix


def both_signs(*points: Fraction) -> tuple[Fraction, ...]:
    """Zero, and each of these and its negative."""
    return (Fraction(0), *(sign * point for point in points for sign in (1, -1)))


def transforms(points: Sequence[Fraction], taps: int) -> Transforms:
    """The transforms for evaluation at the points, in their order, and at infinity, the last.

    A product at point ``p`` then counts ``p**k`` times in output ``k``, and the last one counts in
    the last output alone. Values at a point may be scaled in the one if they are scaled back in
    the other: both rows are made about equally large.

    Args:
        points: Finite ones, all different.
        taps: Of the filter; outputs of a tile are one more than inputs less taps.
    """
    of_taps, of_inputs = [], []
    for k, point in enumerate(points):
        others = [*points[:k], *points[k + 1 :]]
        scale = np.prod([point - other for other in others])
        of_taps.append([point**power / scale for power in range(taps)])
        of_inputs.append([*_coefficients(others), 0])
    of_taps.append([*[0] * (taps - 1), 1])
    of_inputs.append(_coefficients(points))
    filters, inputs = np.array(of_taps, np.float64), np.array(of_inputs, np.float64)
    ratio = np.abs(inputs).sum(axis=1) / np.abs(filters).sum(axis=1)
    balance = np.exp2(np.round(np.log2(ratio) / 2))[:, None]  # a power of two rounds nothing
    return Transforms(filters * balance, inputs / balance)


def _coefficients(roots: Sequence[Fraction]) -> list[Fraction]:
    """Of the polynomial with these roots, the constant first."""
    found = [Fraction(1)]
    for root in roots:
        raised, lowered = [Fraction(0), *found], [*(root * one for one in found), Fraction(0)]
        found = [one - other for one, other in zip(raised, lowered, strict=True)]
    return found
