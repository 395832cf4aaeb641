"""Upstream's own settings, checked by kind before any image is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pywt

Check = tuple[Callable[[Any], bool], str]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(fits, value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _one_of(*names: str) -> Check:
    wanted = f"{', '.join(names[:-1])} or {names[-1]}"
    return lambda value: isinstance(value, str) and value in names, wanted


def _widths(value: Any) -> bool:
    positive = _list(value, lambda one: _number(one) and one >= 0.05)
    return positive and len({float(one) for one in value}) == len(value)


_ABOVE_0: Check = (lambda value: _number(value) and value > 0, "a number above 0")
_COUNT: Check = (lambda value: _whole(value) and value >= 1, "a whole number from 1")
_FLAG: Check = (_flag, "true or false")
_NUMBER: Check = (_number, "a number")
# Those that upstream knows; a name that it does not know it takes for a B-spline, in its log only.
_INTERPOLATORS = (
    "sitkNearestNeighbor sitkLinear sitkBSpline sitkGaussian sitkLabelGaussian"
    " sitkHammingWindowedSinc sitkCosineWindowedSinc sitkWelchWindowedSinc"
    " sitkLanczosWindowedSinc sitkBlackmanWindowedSinc"
).split()

# By upstream's names; what may be missing may also be null.
CHECKS: Mapping[str, Check] = {
    "binWidth": _ABOVE_0,
    "binCount": _COUNT,
    "normalize": _FLAG,
    "normalizeScale": _ABOVE_0,
    "removeOutliers": _ABOVE_0,
    "resampledPixelSpacing": (
        lambda value: _list(value, lambda one: _number(one) and one >= 0) and len(value) == 3,
        "three numbers, x, y and z, 0 to keep one",
    ),
    "interpolator": (
        lambda value: value in _INTERPOLATORS or (_whole(value) and 1 <= value <= 10),
        f"1 to 10, or one of {', '.join(_INTERPOLATORS)}",
    ),
    "padDistance": (lambda value: _whole(value) and value >= 0, "a whole number from 0"),
    "distances": (
        lambda value: _list(value, lambda one: _whole(one) and one >= 1),
        "a list of whole numbers from 1",
    ),
    "force2D": _FLAG,
    "force2Ddimension": (lambda value: _whole(value) and value in {0, 1, 2}, "0, 1 or 2"),
    "resegmentRange": (
        lambda value: _list(value, _number) and len(value) <= 2,
        "one or two numbers",
    ),
    "resegmentMode": _one_of("absolute", "relative", "sigma"),
    "resegmentShape": _FLAG,
    "preCrop": _FLAG,
    "start_level": (lambda value: _whole(value) and value >= 0, "a whole number from 0"),
    "level": _COUNT,
    "wavelet": (lambda value: value in pywt.wavelist(kind="discrete"), "a name of PyWavelets"),
    "gradientUseSpacing": _FLAG,
    "voxelArrayShift": _NUMBER,
    "symmetricalGLCM": _FLAG,
    "weightingNorm": _one_of("infinity", "euclidean", "manhattan", "no_weighting"),
    "gldm_a": (lambda value: _whole(value) and value >= 0, "a whole number from 0"),
    "sigma": (_widths, "a list of widths of 0.05 mm at least, each once"),
    "lbp3DLevels": _COUNT,
    "lbp3DIcosphereRadius": _ABOVE_0,
    "lbp3DIcosphereSubdivision": (lambda value: _whole(value) and 0 <= value <= 4, "0 to 4"),
}
_NEVER_NULL = {"sigma", "binWidth"}
_REAL = set(
    "binWidth normalizeScale removeOutliers resampledPixelSpacing resegmentRange voxelArrayShift"
    " sigma lbp3DIcosphereRadius".split()
)


def check_kinds(options: Mapping[str, Any], where: str) -> None:
    """Refuse a value that its setting cannot have.

    Args:
        options: Settings by upstream's names; unknown ones are others' to refuse.
        where: What they belong to, for the message.

    Raises:
        ValueError: Which setting wants what.
    """
    for key, value in options.items():
        fits, wanted = CHECKS.get(key, (lambda _: True, ""))
        if value is None and key not in _NEVER_NULL:
            continue
        if not fits(value):
            raise ValueError(f"`{where}.{key}` wants {wanted}, not {value!r}")


def canonical(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the one form that enters a recipe's digest, however they were written.

    Null is upstream's default and left out; what need not be whole is a float.

    Examples:
        >>> canonical({"sigma": [2, 2.5], "level": 1, "wavelet": None})
        {'sigma': [2.0, 2.5], 'level': 1}
    """
    return {
        key: _as_float(value) if key in _REAL else value
        for key, value in options.items()
        if value is not None or key in _NEVER_NULL
    }


def _as_float(value: Any) -> Any:
    """What is no number is left to be refused."""
    if isinstance(value, list | tuple):
        return [_as_float(one) for one in value]
    return float(value) if _number(value) else value
