"""Image files other than DICOM: voxels and a checked grid in LPS. Formats without a checksum."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.geometry import Geometry, make_geometry
from radlas.ingest.base import FileRef
from radlas.ingest.files import name_of, open_file
from radlas.ingest.memory import check_memory
from radlas.ingest.nifti.names import is_slicers
from radlas.ingest.nifti.nifti_file import read_nifti
from radlas.ingest.nifti.text_data import check_data
from radlas.ingest.nifti.text_headers import ONE_IMAGE, check_header, read_header
from radlas.ingest.reach import on_disk, reaching
from radlas.reasons import data_error
from radlas.words import counted

# A damaged NIfTI header still loads; no MR voxel or field of view lies outside these [mm].
_FINEST, _WIDEST = 0.01, 3000.0
_BLOCK = 1 << 20
_MOST_BITS = 64  # of a number
_Read = tuple[NDArray[Any], Geometry, dict[str, str], tuple[str, ...]]  # voxels to flags


@dataclass(frozen=True, eq=False)
class ImageContent:
    """An image file as read.

    Attributes:
        voxels: Shape ``(z, y, x)``, of a mask ``(layer, z, y, x)``; float64 as float32.
        geometry: In LPS [mm].
        metadata: Text fields.
        flags: ``no_orientation``: the file does not say where it lies in the patient.
    """

    voxels: NDArray[Any]
    geometry: Geometry
    metadata: dict[str, str]
    flags: tuple[str, ...]


def read_image(ref: FileRef) -> ImageContent:
    """Voxels, grid and text fields of a NIfTI, NRRD or MHA file.

    Raises:
        DataError: ``unreadable_file``; ``truncated_pixels``; ``bad_geometry``: no plausible
            grid; ``not_grey``: not three dimensions of one real number per voxel;
            ``ambiguous_geometry``: a NIfTI header that contradicts itself; ``missing_geometry``;
            ``bad_rescale``; ``bad_pixels``: the header and the voxels contradict each other;
            ``unsupported_format`` or ``unknown_encoding``.
        WorkerError: ``memory``: it is too large for this machine.
        OSError: The file cannot be reached; names no path.
    """
    return _read(ref, read_nifti if _is_nifti(ref) else _read_by_itk)


def read_mask(ref: FileRef) -> ImageContent:
    """The same of a mask, in layers: one, but for segments that overlap in a ``.seg.nrrd``.

    Raises:
        DataError, WorkerError, OSError: See ``read_image``.

    Source:
        3D Slicer, developer guide, "Segmentation labelmap file format (.seg.nrrd)".
    """
    slicers = is_slicers(ref)
    content = _read(ref, partial(_read_by_itk, layered=True)) if slicers else read_image(ref)
    found = content.voxels  # layers lie within each voxel
    layers = found[None] if found.ndim == 3 else np.ascontiguousarray(np.moveaxis(found, -1, 0))
    return replace(content, voxels=layers)


def read_grid(ref: FileRef) -> Geometry:
    """The grid of a file by its header alone, not checked as that of what is read.

    Raises:
        DataError: ``unreadable_file``, ``not_grey`` or ``bad_geometry``.
        OSError: The file cannot be reached; names no path.
    """
    with _on_disk(ref) as path, reaching(), _parsed(path):
        reader = _reader(path)
        reader.ReadImageInformation()
    size, rank = reader.GetSize(), reader.GetDimension()
    if rank < 3 or any(edge > 1 for edge in size[3:]):
        raise data_error("not_grey", f"{rank} dimensions, not 3", hint=ONE_IMAGE)
    x, y, z = size[:3]
    axes = np.array(reader.GetDirection()).reshape(rank, rank)[:3, :3]
    spacing, origin = reader.GetSpacing()[:3], reader.GetOrigin()[:3]
    return make_geometry((z, y, x), spacing=spacing, origin=origin, direction=axes)


def _read(ref: FileRef, read: Callable[[Path], _Read]) -> ImageContent:
    with _on_disk(ref) as path, reaching():
        voxels, geometry, metadata, flags = read(path)
    _check_plausible(geometry)
    if voxels.dtype == np.float64:
        voxels = _of_32_bits(voxels)
    return ImageContent(voxels, geometry, metadata, flags)


def _of_32_bits(voxels: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rounded = voxels.astype(np.float32)
    beyond = np.isinf(rounded) & np.isfinite(voxels)
    if beyond.any():
        worst = float(np.abs(voxels[beyond]).max())
        raise data_error("bad_rescale", f"voxels reach {worst:.3g}, beyond what 32 bits hold")
    return rounded


def _read_by_itk(path: Path, *, layered: bool = False) -> _Read:
    header = read_header(path)
    flags = check_header(header)
    with _parsed(path):
        reader = _reader(path)
        reader.ReadImageInformation()
        check_memory(_promised(reader), "an image")
        image = reader.Execute()
    kinds = header.fields.get("kinds", "").split()
    grid = _grid(image, layered=layered and kinds[:1] == ["list"])
    voxels = SimpleITK.GetArrayFromImage(image)
    check_data(path, header, voxels)
    return voxels, grid, _metadata(image), flags


def _reader(path: Path) -> Any:
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # type: ignore[no-untyped-call]  # they hold paths
    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetFileName(str(path))
    return reader


@contextmanager
def _parsed(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        _check_reachable(path)  # ITK tells a lost file and a damaged one alike
        # The text of ITK's error holds the path, and the path may hold a name.
        if "orthonormal" in str(error):
            raise data_error("bad_geometry", "axes are not orthonormal") from None
        kind = "NIfTI" if path.name.lower().endswith((".nii", ".nii.gz")) else "NRRD or MHA"
        raise data_error("unreadable_file", f"{kind} file cannot be parsed") from None


def _promised(reader: Any) -> int:
    """Bytes of all voxels, by the header alone."""
    named: Any = SimpleITK.GetPixelIDValueAsString  # as "16-bit signed integer"
    kind = re.search(r"(\d+)-bit", named(reader.GetPixelID()))
    bits = int(kind[1]) if kind else _MOST_BITS
    return int(math.prod(reader.GetSize()) * reader.GetNumberOfComponents() * bits // 8)


def _check_reachable(path: Path) -> None:
    with reaching(), path.open("rb") as stream:
        while stream.read(_BLOCK):
            pass


def _grid(image: Any, *, layered: bool) -> Geometry:
    dimension, values = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if dimension != 3 or (values != 1 and not layered):
        what = f"{dimension} dimensions and {counted(values, 'value')} per voxel, not 3 and 1"
        raise data_error("not_grey", what, hint=ONE_IMAGE)
    x, y, z = image.GetSize()
    return make_geometry(
        (z, y, x),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=np.array(image.GetDirection()).reshape(3, 3),
    )


def _check_plausible(geometry: Geometry) -> None:
    z, y, x = geometry.shape
    widest = max(edge * size for edge, size in zip(geometry.spacing, (x, y, z), strict=True))
    if min(geometry.spacing) < _FINEST or widest > _WIDEST:
        what = f"spacing {geometry.spacing} mm over {(x, y, z)} voxels is not of a body"
        raise data_error("bad_geometry", what)


def _metadata(image: Any) -> dict[str, str]:
    return {key: str(image.GetMetaData(key)) for key in image.GetMetaDataKeys()}


def _is_nifti(ref: FileRef) -> bool:
    return name_of(ref).lower().endswith((".nii", ".nii.gz"))


@contextmanager
def _on_disk(ref: FileRef) -> Iterator[Path]:
    """The file as a path: ITK reads no streams, so members of an archive are unpacked.

    Nor does it know a ``.MHA``, or nibabel a ``.Nii.gz``: a link in small letters leads there.
    """
    name = name_of(ref)
    ending = ".nii.gz" if name.lower().endswith(".nii.gz") else Path(name).suffix.lower()
    with open_file(ref) as stream:  # says why, if it cannot be reached
        content = stream.read() if ref.member else b""
    if not ref.member and name.endswith(ending):
        yield ref.path
        return

    def write(path: Path) -> None:
        if ref.member:
            path.write_bytes(content)
        else:
            path.symlink_to(ref.path.absolute())

    with on_disk(f"image{ending}", write) as path:
        yield path
