"""N4 bias field correction inside the body, kept by the digest of its image."""

from __future__ import annotations

import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.digests import digest_of, mask_digest, voxel_digest
from radlas.reasons import data_error

Mask = NDArray[np.bool_]
sitk: Any = SimpleITK  # it ships no usable types

SHRINK = 4  # in the slices; a bias field is smooth
ITERATIONS = (50, 50, 50)  # by level of the spline


def bias_field(
    voxels: NDArray[Any],
    body: Mask,
    *,
    spacing: tuple[float, float, float],
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """The field by which a coil's sensitivity multiplied the image; its mean in the body is 1.

    N. Tustison et al., "N4ITK: improved N3 bias correction" (IEEE Trans Med Imaging 2010), by
    SimpleITK, on every fourth row and column.

    Args:
        voxels: Shape ``(z, y, x)``.
        body: Where to fit, same shape.
        spacing: Voxel edges along ``(x, y, z)`` [mm].
        cache: Folder of fields that were computed before; made if it is missing.

    Raises:
        DataError: ``image_too_small``.
    """
    if cache is None:
        return _fit(voxels, body, spacing)
    recipe = [SHRINK, list(ITERATIONS), list(spacing), version("SimpleITK")]
    key = digest_of([voxel_digest(voxels), mask_digest(body), recipe])
    kept = cache / f"{key}.npy"
    if kept.exists():
        field: NDArray[np.float32] = np.load(kept, allow_pickle=False)
        return field
    field = _fit(voxels, body, spacing)
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".{key}.{uuid.uuid4().hex}.npy"  # whole or absent, whoever else is at it
    np.save(part, field, allow_pickle=False)
    part.replace(kept)
    return field


def _fit(
    voxels: NDArray[Any], body: Mask, spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    raised = voxels.astype(np.float32) - min(float(voxels.min()), 0.0) + 1.0  # it takes logarithms
    image, mask = sitk.GetImageFromArray(raised), sitk.GetImageFromArray(body.astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing(spacing)
    factors = [min(SHRINK, size) for size in voxels.shape[:0:-1]] + [1]
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(ITERATIONS)
    try:
        corrector.Execute(sitk.Shrink(image, factors), sitk.Shrink(mask, factors))
    except RuntimeError as error:  # ITK's, of an image too small for the spline
        raise data_error("image_too_small", f"{voxels.shape} voxels are too few for N4") from error
    logarithm = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image))
    field: NDArray[np.float32] = np.exp(logarithm - logarithm[body].mean()).astype(np.float32)
    return field
