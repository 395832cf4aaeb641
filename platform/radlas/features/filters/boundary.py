"""What happens at the edge of an image, and what every filter asks of one. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radlas.config import Config
from radlas.errors import ConfigError
from radlas.reasons import data_error

Voxels = NDArray[np.floating[Any]]
Map = NDArray[np.float64]
Kernel = NDArray[np.float64]
Kernels = tuple[Kernel | None, Kernel | None, Kernel | None]  # along z, y, x; None leaves an axis
Spacing = tuple[float, float, float]
Support = tuple[int, int, int]
Boundary = Literal["zero", "nearest", "mirror", "periodic"]

# IBSI's mirror repeats the outermost voxel (c b a | a b c). What scipy calls "mirror" does not.
_SCIPY_MODES = {"zero": "constant", "nearest": "nearest", "mirror": "reflect", "periodic": "wrap"}
_NUMPY_MODES: dict[str, Literal["constant", "edge", "symmetric", "wrap"]] = {
    "zero": "constant",
    "nearest": "edge",
    "mirror": "symmetric",
    "periodic": "wrap",
}


class FilterSettings(Config):
    """What all filters can be asked."""

    boundary: Boundary = Field(
        default="mirror", description="What lies outside the image, as IBSI 2 names it."
    )

    @property
    def name(self) -> str:
        """Slug of the filtered image, the same for the same settings."""
        raise NotImplementedError

    def _slug(self, *parts: object) -> str:
        words = [str(part).lower().replace(".", "-") for part in parts]
        return "-".join(words if self.boundary == "mirror" else [*words, self.boundary])


def checked(voxels: Voxels, *, spacing_zyx: Spacing, planar: bool) -> Map:
    """The voxels as float64, once they are known to be fit for filtering.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm].
        planar: True if the filter works slice by slice.

    Raises:
        DataError: ``not_finite``: one such voxel would spread over the whole map.
        ConfigError: The voxels are not isotropic: not cubes, or not squares if ``planar``.
    """
    isotropic_spacing(spacing_zyx, planar=planar)
    values = np.asarray(voxels, dtype=np.float64)
    wrong = int(values.size - np.count_nonzero(np.isfinite(values)))
    if wrong:
        raise data_error("not_finite", f"{wrong} of {values.size} voxels are NaN or infinite")
    return values


def isotropic_spacing(spacing_zyx: Spacing, *, planar: bool) -> float:
    """The one spacing of isotropic voxels [mm].

    Kernels are defined by voxels: on others, a filter would be stretched, and its name would lie.
    Headers round spacings, so a tenth of a per cent is no difference.

    Raises:
        ConfigError: The voxels are not isotropic.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470): images are isotropic before they are filtered,
        in the slice if the filter is two-dimensional.
    """
    used = spacing_zyx[1:] if planar else spacing_zyx
    if not all(math.isclose(step, used[-1], rel_tol=1e-3) for step in used):
        shown = " x ".join(f"{step:g}" for step in spacing_zyx)
        raise ConfigError(
            f"this filter needs {'square pixels' if planar else 'cubic voxels'}, but the spacing"
            f" (z, y, x) is {shown} mm",
            hint="resample to isotropic voxels first"
            + ("" if planar else ", or filter slice by slice"),
        )
    return used[-1]


def convolve(values: Map, kernels: Kernels, *, boundary: Boundary) -> Map:
    """Convolve with a separable kernel, one axis after the other.

    Args:
        values: Image, shape ``(z, y, x)``.
        kernels: Weights along z, y and x, each of odd length; ``None`` leaves an axis as it is.
        boundary: What lies outside.
    """
    for axis, kernel in enumerate(kernels):
        if kernel is not None:
            mode = _SCIPY_MODES[boundary]
            values = ndimage.convolve1d(values, kernel, axis=axis, mode=mode, cval=0.0)
    return values


def pad(values: Map, margins: Sequence[int], *, boundary: Boundary) -> Map:
    """The image with as many voxels more at both ends of each axis.

    Args:
        values: Image, shape ``(z, y, x)``.
        margins: Voxels to add, one number per axis.
        boundary: What they hold.
    """
    return np.pad(values, [(margin, margin) for margin in margins], mode=_NUMPY_MODES[boundary])


def radii(kernels: Kernels) -> Support:
    """Voxels that a kernel reaches from its centre, along z, y and x."""
    z, y, x = (0 if kernel is None else len(kernel) // 2 for kernel in kernels)
    return z, y, x
