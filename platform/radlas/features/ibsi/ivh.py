"""The intensity-volume histogram: how much of the ROI is at least so bright. Pure.

The area under the curve (9CMM) is left out: there is no consensus on its value.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.features.ibsi.statistics import Features, Values, as_numbers

Kind = Literal["discrete", "arbitrary"]
ARBITRARY_LEVELS = 1000  # the manual's number for intensities without a unit
_COLUMNS = [
    f"ivh_{what}{part}"
    for what in ("VolumeAtIntensityFraction", "IntensityAtVolumeFraction")
    for part in ("10", "90", "Difference")
]


def ivh(intensities: ArrayLike, *, kind: Kind) -> Features:
    """The six features of the intensity-volume histogram that have a consensus value.

    Two of the manual's three kinds of intensities: ``discrete`` ones that mean something are taken
    as they are, in steps of 1 (CT, grey levels); ``arbitrary`` ones (most MRI) are spread over
    1000 levels between the lowest and the highest of the ROI, and intensities are then told in
    these levels. Its third, continuous ones that mean something, are those of PET.

    Args:
        intensities: Voxels or grey levels of the ROI, shape ``(voxel,)``, at least one; whole
            numbers if ``discrete``.
        kind: What the intensities mean.

    Returns:
        Values by column, ``ivh_VolumeAtIntensityFraction10`` and so on; all ``None`` if the range
        is one level only. Where more than a tenth of the ROI has the highest level, the intensity
        at a tenth of the volume is the level above it: the first that so few voxels reach.

    Raises:
        DataError: ``empty_mask`` or ``not_finite``.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Intensity-volume histogram features". It
        leaves the level above open; MIRP, by the manual's first author, has it so too.

    Examples:
        >>> ivh([1, 1, 1, 2, 6], kind="discrete")["ivh_VolumeAtIntensityFraction10"]
        0.4
    """
    values = as_numbers(intensities)
    if kind == "discrete":
        lowest = float(values.min())
        return _curve((values - lowest).astype(np.int64), lowest)
    return _curve(_spread(values), 1.0)


def _spread(values: Values) -> NDArray[np.int64]:
    reach = np.ptp(values)
    if reach == 0:
        return np.zeros(values.size, np.int64)
    shares = (values - values.min()) / reach
    index: NDArray[np.int64] = np.floor(ARBITRARY_LEVELS * shares).astype(np.int64)
    return np.minimum(index, ARBITRARY_LEVELS - 1)


def _curve(index: NDArray[np.int64], first: float) -> Features:
    """Features of the curve.

    Args:
        index: Level of each voxel, from 0, shape ``(voxel,)``.
        first: What level 0 stands for; the others follow in steps of 1.
    """
    counts = np.bincount(index)
    steps = counts.size - 1
    if steps == 0:
        return dict.fromkeys(_COLUMNS)
    reaching = np.append(counts[::-1].cumsum()[::-1], 0)  # voxels at this level or above
    # In tenths, so that a level at exactly a tenth does not depend on rounding.
    v10, v90 = (reaching[math.ceil(tenths * steps / 10)] / index.size for tenths in (1, 9))
    i10, i90 = (np.argmax(10 * reaching <= tenths * index.size) for tenths in (1, 9))
    return _named(v10, v90, first + i10, first + i90)


def _named(v10: float, v90: float, i10: float, i90: float) -> Features:
    values = (v10, v90, v10 - v90, i10, i90, i10 - i90)
    return dict(zip(_COLUMNS, map(float, values), strict=True))
