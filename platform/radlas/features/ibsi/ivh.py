"""The intensity-volume histogram: how much of the ROI is at least so bright. Pure.

The area under the curve (9CMM) is left out: there is no consensus on its value.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.errors import ConfigError
from radlas.features.ibsi.statistics import Features, Values, as_numbers

Kind = Literal["discrete", "continuous", "arbitrary"]
ARBITRARY_LEVELS = 1000  # the manual's number for intensities without a unit
_ROUNDING = 1e-9  # of a bin: bins of 0.1 that fill a range fill it
_COLUMNS = [
    f"ivh_{what}{part}"
    for what in ("VolumeAtIntensityFraction", "IntensityAtVolumeFraction")
    for part in ("10", "90", "Difference")
]


class _Scale(NamedTuple):
    """Evenly spaced levels: the first, the distance of two, and how many steps the range has."""

    first: float
    step: float
    steps: float


def ivh(
    intensities: ArrayLike,
    *,
    kind: Kind,
    width: float | None = None,
    lowest: float | None = None,
    highest: float | None = None,
) -> Features:
    """The six features of the intensity-volume histogram that have a consensus value.

    The three kinds of intensities of the manual: ``discrete`` ones that mean something are taken
    as they are, in steps of 1 (CT, grey levels); ``continuous`` ones that mean something are put
    in bins of ``width`` and stand for the centres of these (PET); ``arbitrary`` ones (most MRI)
    are spread over 1000 levels between the lowest and the highest of the ROI, and intensities
    are then told in these levels.

    Args:
        intensities: Voxels or grey levels of the ROI, shape ``(voxel,)``, at least one.
        kind: What the intensities mean.
        width: Width of a bin [unit of the intensities], above 0; of ``continuous`` only.
        lowest: Lower end of the range the ROI was re-segmented to; else its lowest voxel.
        highest: Upper end of that range; else its highest voxel. Neither for ``arbitrary`` ones.

    Returns:
        Values by column, ``ivh_VolumeAtIntensityFraction10`` and so on; all ``None`` if the range
        is one level only. Where more than a tenth of the ROI has the highest level, the intensity
        at a tenth of the volume is the level above it: the first that so few voxels reach.

    Raises:
        ConfigError: ``width`` or range do not fit ``kind``, a discrete intensity is no whole
            number, or a voxel lies outside the range.
        DataError: ``empty_mask`` or ``not_finite``.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Intensity-volume histogram features". It
        leaves the level above open; MIRP, by the manual's first author, has it so too.

    Examples:
        >>> ivh([1, 1, 1, 2, 6], kind="discrete")["ivh_VolumeAtIntensityFraction10"]
        0.4
    """
    values = as_numbers(intensities)
    _check(kind, width, ranged=(lowest, highest) != (None, None))
    ends = _ends(values, lowest, highest)
    if kind == "discrete":
        return _curve(*_whole(values, *ends))
    if kind == "continuous":
        return _curve(*_binned(values, *ends, width=width or 0.0))
    return _curve(*_spread(values))


def _check(kind: Kind, width: float | None, *, ranged: bool) -> None:
    if (kind == "continuous") != (width is not None) or (width is not None and not width > 0):
        raise ConfigError(
            f"{kind} intensities with bins of width {width}",
            hint="`width` above 0 for `continuous` intensities, and for these alone",
        )
    if kind == "arbitrary" and ranged:
        raise ConfigError(
            "arbitrary intensities have no range of their own",
            hint="leave `lowest` and `highest` out",
        )


def _ends(values: Values, lowest: float | None, highest: float | None) -> tuple[float, float]:
    found = float(values.min()), float(values.max())
    wanted = found[0] if lowest is None else lowest, found[1] if highest is None else highest
    ends = float(wanted[0]), float(wanted[1])  # also of integers
    if not -math.inf < ends[0] <= found[0] <= found[1] <= ends[1] < math.inf:
        raise ConfigError(
            f"voxels span {found[0]:g} to {found[1]:g}, the range {ends[0]:g} to {ends[1]:g}",
            hint="leave voxels outside the range out of the ROI first",
        )
    return ends


def _whole(values: Values, lowest: float, highest: float) -> tuple[NDArray[np.int64], _Scale]:
    if not ((values == np.rint(values)).all() and (highest - lowest).is_integer()):
        raise ConfigError("discrete intensities are whole numbers", hint="kind: continuous")
    return (values - lowest).astype(np.int64), _Scale(lowest, 1.0, highest - lowest)


def _binned(
    values: Values, lowest: float, highest: float, *, width: float
) -> tuple[NDArray[np.int64], _Scale]:
    """Bins by their centres; the range goes from half a bin inside it to half a bin inside it."""
    index = np.floor((values - lowest) / width).astype(np.int64)
    return index, _Scale(lowest + width / 2, width, (highest - lowest) / width - 1)


def _spread(values: Values) -> tuple[NDArray[np.int64], _Scale]:
    reach = np.ptp(values)
    if reach == 0:
        return np.zeros(values.size, np.int64), _Scale(1.0, 1.0, 0)
    index = np.floor(ARBITRARY_LEVELS * ((values - values.min()) / reach)).astype(np.int64)
    last = ARBITRARY_LEVELS - 1
    return np.minimum(index, last), _Scale(1.0, 1.0, last)


def _curve(index: NDArray[np.int64], scale: _Scale) -> Features:
    """Features of the curve; ``index`` is the level of each voxel, from 0."""
    if scale.steps <= 0:
        return dict.fromkeys(_COLUMNS)
    counts = np.bincount(index, minlength=math.ceil(scale.steps) + 1)
    reaching = np.append(counts[::-1].cumsum()[::-1], 0)  # voxels at this level or above
    # In tenths, so that a level at exactly a tenth does not depend on rounding.
    v10, v90 = (
        reaching[math.ceil(tenths * scale.steps / 10 - _ROUNDING)] / index.size for tenths in (1, 9)
    )
    i10, i90 = (np.argmax(10 * reaching <= tenths * index.size) for tenths in (1, 9))
    return _named(v10, v90, scale.first + scale.step * i10, scale.first + scale.step * i90)


def _named(v10: float, v90: float, i10: float, i90: float) -> Features:
    values = (v10, v90, v10 - v90, i10, i90, i10 - i90)
    return dict(zip(_COLUMNS, map(float, values), strict=True))
