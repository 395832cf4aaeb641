"""Image files read by SimpleITK: voxels and a checked grid in LPS. Formats without a checksum."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.geometry import Geometry, make_geometry
from radlas.ingest.base import FileRef
from radlas.ingest.deidentify import safe_number
from radlas.ingest.files import name_of, open_file
from radlas.ingest.nifti_size import check_complete
from radlas.ingest.reach import reaching
from radlas.reasons import data_error

# A damaged NIfTI header still loads; no MR voxel or field of view lies outside these [mm].
_FINEST, _WIDEST = 0.01, 3000.0
_BLOCK = 1 << 20


def read_image(ref: FileRef) -> tuple[NDArray[Any], Geometry, dict[str, str]]:
    """Voxels, grid and text fields of a NIfTI, NRRD or MHA file.

    Returns:
        Voxels of shape ``(z, y, x)``, float64 as float32; geometry in LPS; metadata.

    Raises:
        DataError: ``unreadable_file``; ``truncated_pixels``; ``too_few_slices``;
            ``bad_geometry``: no plausible 3D grid of one value per voxel.
        OSError: The file cannot be reached; names no path.
    """
    with _on_disk(ref) as path:
        with reaching():
            check_complete(path)
        try:
            image = SimpleITK.ReadImage(str(path))
        except RuntimeError as error:
            _check_reachable(path)  # ITK tells a lost file and a damaged one alike
            # The text of ITK's error holds the path, and the path may hold a name.
            if "orthonormal" in str(error):
                raise data_error("bad_geometry", "axes are not orthonormal") from None
            what = f"{_kind(ref)} file cannot be parsed"
            raise data_error("unreadable_file", what) from None
    metadata = _metadata(image)
    geometry = _grid(image)
    _check_header(metadata, geometry)
    voxels = SimpleITK.GetArrayFromImage(image)
    if voxels.dtype == np.float64:
        voxels = voxels.astype(np.float32)
    return voxels, geometry, metadata


def _check_reachable(path: Path) -> None:
    with reaching(), path.open("rb") as stream:
        while stream.read(_BLOCK):
            pass


def _grid(image: Any) -> Geometry:
    dimension, values = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if dimension != 3 or values != 1:
        what = f"{dimension} dimensions with {values} values per voxel, not 3 with 1"
        raise data_error("bad_geometry", what)
    x, y, z = image.GetSize()
    if z < 2:
        raise data_error("too_few_slices", f"{z} slice")
    geometry = make_geometry(
        (z, y, x),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=np.array(image.GetDirection()).reshape(3, 3),
    )
    widest = max(edge * size for edge, size in zip(geometry.spacing, (x, y, z), strict=True))
    if min(geometry.spacing) < _FINEST or widest > _WIDEST:
        what = f"spacing {geometry.spacing} mm over {(x, y, z)} voxels is not of a body"
        raise data_error("bad_geometry", what)
    return geometry


def _metadata(image: Any) -> dict[str, str]:
    return {key: str(image.GetMetaData(key)) for key in image.GetMetaDataKeys()}


def _check_header(metadata: Mapping[str, str], geometry: Geometry) -> None:
    """Refuse a NIfTI whose statements of spacing differ: ITK believes one of them, and warns."""
    for stated in _stated_spacings(metadata):
        ratios = np.array(stated) / geometry.spacing
        if not (ratios.min() > 0 and np.ptp(ratios) <= 0.01 * ratios.max()):  # alike: other unit
            what = f"the header states spacing as {stated} and as {geometry.spacing}"
            raise data_error("bad_geometry", what)


def _stated_spacings(metadata: Mapping[str, str]) -> list[list[float]]:
    if "pixdim[1]" not in metadata:
        return []
    spacings = [[_number(metadata.get(f"pixdim[{axis}]")) for axis in (1, 2, 3)]]
    if metadata.get("sform_code", "0") != "0":
        rows = [metadata.get(f"srow_{axis}", "").split()[:3] for axis in "xyz"]
        affine = np.array([[_number(number) for number in row] for row in rows])
        spacings.append(np.linalg.norm(affine, axis=0).tolist())
    return spacings


def _number(text: str | None) -> float:
    number = safe_number(text)
    return 0.0 if number is None else number


def _kind(ref: FileRef) -> str:
    name = name_of(ref).lower()
    return next((kind for kind in ("NIfTI", "NRRD", "MHA") if kind.lower()[:3] in name), "image")


@contextmanager
def _on_disk(ref: FileRef) -> Iterator[Path]:
    """The file as a path: ITK reads no streams, so members of an archive are unpacked."""
    if not ref.member:
        with open_file(ref):  # says why, if it cannot be reached
            pass
        yield ref.path
        return
    with open_file(ref) as stream:
        content = stream.read()
    with tempfile.TemporaryDirectory() as folder:
        ending = ".nii.gz" if ref.member.lower().endswith(".nii.gz") else Path(ref.member).suffix
        path = Path(folder) / f"image{ending.lower()}"
        path.write_bytes(content)
        yield path
