"""N4 bias field correction inside the body, kept by the digest of its image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.digests import digest_of, mask_digest, voxel_digest
from radlas.errors import WorkerError, remedy
from radlas.places.stages import whole
from radlas.reasons import data_error

Mask = NDArray[np.bool_]
sitk: Any = SimpleITK  # it ships no usable types

SHRINK = 4  # in the slices; a bias field is smooth
ITERATIONS = (50, 50, 50)  # by level of the spline
RAISED = 0.003  # of the body's mean: it takes logarithms, and what is dark has none


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
        DataError: ``image_too_small``; ``flat_image``: the body is as dark as it gets.
        WorkerError: The folder cannot be used, or a field that it keeps is damaged.
    """
    if cache is None:
        return _fit(voxels, body, spacing)
    recipe = [SHRINK, list(ITERATIONS), RAISED, list(spacing), version("SimpleITK")]
    kept = cache / f"{digest_of([voxel_digest(voxels), mask_digest(body), recipe])}.npz"
    with _usable():
        cache.mkdir(parents=True, exist_ok=True)
        if kept.exists():
            return _read(kept)
        with whole(kept) as part:  # tried before the minutes that a fit takes
            field = _fit(voxels, body, spacing)
            np.savez(part, field=field)
    return field


@contextmanager
def _usable() -> Iterator[None]:
    """What the system refuses within is told of the setting: the case is not at fault."""
    try:
        yield
    except OSError as error:
        hint = remedy(error) or "name a folder that workers can write to"
        what = f"the folder of bias fields cannot be used: {error.strerror or type(error).__name__}"
        raise WorkerError(what, "`n4_cache`", f"{hint}; then run again", "os_error") from error


def _read(kept: Path) -> NDArray[np.float32]:
    """A field that was kept; its checksum is looked at."""
    try:
        with np.load(kept, allow_pickle=False) as file:
            field: NDArray[np.float32] = file["field"]
    except (BadZipFile, EOFError, KeyError, ValueError) as error:
        what, hint = "a kept bias field is damaged", "remove that file; then run again"
        raise WorkerError(what, f"`n4_cache`, {kept.name}", hint) from error
    return field


def _fit(
    voxels: NDArray[Any], body: Mask, spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    raised = voxels.astype(np.float32) - np.float32(min(float(voxels.min()), 0.0))
    mean = raised[body].mean(dtype=np.float64)
    if not mean > 0:
        raise data_error("flat_image", "no voxel of the body is brighter than the darkest")
    # In units of the body's own brightness, so that a scanner's gain does not matter.
    raised = (raised / mean + RAISED).astype(np.float32)
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
