"""One NIfTI file as voxels on an LPS grid, by nibabel, with its header checked against itself.

ITK reads a zero spacing as 1, NaN voxels as 0, and one of two affines that disagree, without a
word. Here such files are refused.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.openers import ImageOpener
from nibabel.quaternions import mat2quat
from nibabel.spatialimages import HeaderDataError, ImageDataError
from numpy.typing import NDArray

from radlas.geometry import Affine, Geometry, worst_corner_displacement
from radlas.ingest.grids import geometry_of
from radlas.ingest.nifti.size import check_complete
from radlas.ingest.nifti.text_headers import NO_ORIENTATION, ONE_IMAGE
from radlas.ingest.reach import is_unreachable
from radlas.reasons import data_error

# What it would print of a damaged header quotes the header.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_OTHER_UNITS = {1: "metres", 3: "micrometres"}  # of the lowest three bits of xyzt_units
_AGREE_VOXELS = 0.1  # qform and sform may differ by rounding, not by more
_ROUNDED = 2 * float(np.finfo(np.float32).eps)  # of a quaternion's numbers, as they are stored
_DAMAGED = (
    nibabel.filebasedimages.ImageFileError,
    HeaderDataError,
    ImageDataError,
    ValueError,
    OverflowError,
    KeyError,
)


def read_nifti(path: Path) -> tuple[NDArray[Any], Geometry, dict[str, str], tuple[str, ...]]:
    """Voxels of shape ``(z, y, x)``, grid in LPS [mm], the description field, and flags.

    Raises:
        DataError: ``truncated_pixels``, ``unreadable_file``, ``bad_geometry``,
            ``ambiguous_geometry``, ``bad_rescale`` or ``not_grey``.
    """
    check_complete(path)
    try:
        # Not mapped: an edit of the file would change what was checked, and a cut end the process.
        image: Any = nibabel.load(path, mmap=False)
        with ImageOpener(str(path)) as stream:  # as it is: nibabel's own copy is mended already
            header = type(image.header).from_fileobj(stream, check=False)
        _check_scaling(header)
        if header["pixdim"][0] == 0:  # the standard: read as 1
            header["pixdim"][0] = 1
        shape = _three(header.get_data_shape())
        geometry = _geometry(header, shape)
        voxels = np.asanyarray(image.dataobj).reshape(shape).transpose(2, 1, 0)
    except OSError as error:
        if is_unreachable(error):
            raise
        what = "the file ends before the voxels that its header speaks of"
        raise data_error("truncated_pixels", what) from None
    except _DAMAGED as error:
        # The library's text holds the path, and the path may hold a name.
        what = f"NIfTI file cannot be parsed ({type(error).__name__})"
        raise data_error("unreadable_file", what) from None
    if voxels.dtype.kind not in "iuf":
        kind = "colours" if voxels.dtype.fields else f"numbers of type {voxels.dtype}"
        raise data_error("not_grey", f"voxels are {kind}, not one real number each")
    described = bytes(header["descrip"]).rstrip(b"\0").decode("latin-1")
    placed = header["qform_code"] > 0 or header["sform_code"] > 0
    flags = () if placed else (NO_ORIENTATION,)
    native = voxels.dtype.newbyteorder("=")
    return np.ascontiguousarray(voxels, native), geometry, {"descrip": described}, flags


def _check_scaling(header: Any) -> None:
    slope, shift = float(header["scl_slope"]), float(header["scl_inter"])
    meant = slope != 0 and not (np.isnan(slope) and (np.isnan(shift) or shift == 0))
    if meant and not np.isfinite([slope, shift]).all():
        raise data_error("bad_rescale", f"scl_slope {slope:g}, scl_inter {shift:g}")


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    trimmed = list(shape)
    while len(trimmed) > 3 and trimmed[-1] == 1:
        trimmed.pop()
    if len(trimmed) != 3:
        what = f"{len(trimmed)} dimensions of {shape} voxels, not 3"
        raise data_error("not_grey", what, hint=ONE_IMAGE)
    x, y, z = trimmed
    return x, y, z


def _geometry(header: Any, shape: tuple[int, int, int]) -> Geometry:
    if unit := _OTHER_UNITS.get(int(header["xyzt_units"]) & 7):  # ITK converts, others do not
        hint = "write the image again in millimetres, and with the code that says so"
        raise data_error("bad_geometry", f"the header says that it counts in {unit}", hint=hint)
    spacing = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not np.isfinite(spacing).all() or spacing.min() <= 0:
        raise data_error("bad_geometry", f"pixdim states a spacing of {spacing.tolist()} mm")
    stated = {
        name: _lps(affine, shape)
        for name, affine in (("sform", header.get_sform(True)), ("qform", header.get_qform(True)))
        if affine[1] > 0
    }
    grids = list(stated.values()) or [_lps((np.diag([*spacing, 1.0]), 0), shape)]
    for name, grid in stated.items():
        stretch = np.array(grid.spacing) / spacing
        if np.abs(stretch - 1).max() > 0.01:
            what = f"pixdim states {_told(spacing)} mm and {name} {_told(grid.spacing)}"
            raise data_error("ambiguous_geometry", what)
    if len(grids) > 1 and _turned_alike(header, grids[0]):
        affine = grids[1].affine.copy()
        affine[:3, :3] = grids[0].direction * np.array(grids[1].spacing)
        grids[1] = replace(grids[1], affine=affine)
    off = worst_corner_displacement(grids[0], grids[-1])
    if off > _AGREE_VOXELS * min(grids[0].spacing):
        what = f"qform and sform place the corners of the image {off:.2f} mm apart"
        raise data_error("ambiguous_geometry", what)
    return grids[0]


def _turned_alike(header: Any, sform: Geometry) -> bool:
    """True if the qform turns as the sform does, to the last digits that it is stored with.

    Of a quaternion's four numbers a header leaves out the first, the root of what the others leave
    of 1. After half a turn, as of most axial images, that is next to nothing: the last digit of
    the others then turns the image by a thousandth, tenths of a millimetre at its corners.
    """
    axes = _RAS_TO_LPS[:3, :3] @ sform.direction
    side = np.sign(np.linalg.det(axes))
    if side != (-1 if header["pixdim"][0] < 0 else 1):
        return False
    first, *rest = mat2quat(axes * [1, 1, side])  # type: ignore[no-untyped-call]
    stored = [float(header[f"quatern_{letter}"]) for letter in "bcd"]
    off = np.abs(np.subtract(rest, stored)).max()
    if first < np.sqrt(_ROUNDED):  # by half a turn to one side or to the other
        off = min(off, np.abs(np.add(rest, stored)).max())
    return bool(off < _ROUNDED)


def _lps(stated: tuple[Affine, int], shape: tuple[int, int, int]) -> Geometry:
    x, y, z = shape
    return geometry_of((z, y, x), _RAS_TO_LPS @ np.asarray(stated[0], dtype=np.float64))


def _told(numbers: Any) -> str:
    return " x ".join(f"{number:.3g}" for number in numbers)
