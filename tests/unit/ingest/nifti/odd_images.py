"""Odd and broken image files other than DICOM, and their masks: see ``odd``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from radlas.geometry import Geometry

from ..dicom.corpus import (
    CENTRE,
    RADII,
    Series,
    grid,
    inside_ellipse,
)
from ..odd import EXACT, ODD, Odd

GRID = grid("oblique")
MASK = np.zeros(GRID.shape, np.uint8)
MASK[2:4] = inside_ellipse(GRID, centre=CENTRE, radii=RADII)


def files(expected: str) -> Callable[[Any], Any]:
    """Register a class of image files; the function gets the image's voxels."""

    def register(make: Callable[[Path, np.ndarray], None]) -> Callable[..., Any]:
        def write(folder: Path) -> Series:
            voxels = np.random.default_rng(5).integers(1, 800, GRID.shape).astype(np.int16)
            folder.mkdir(parents=True, exist_ok=True)
            make(folder, voxels)
            return Series([], GRID, voxels)

        ODD[make.__name__] = Odd(make.__name__, expected, write)
        return make

    return register


def write(path: Path, voxels: np.ndarray, geometry: Geometry = GRID, **meta: str) -> None:
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel())
    for key, text in meta.items():
        image.SetMetaData(key, text)
    SimpleITK.WriteImage(image, str(path))


def write_layers(
    path: Path, layers: list[np.ndarray], *lost: str, **segments: tuple[int, int]
) -> None:
    """A NRRD of layers by hand; segments are named, with their value and layer, but for `lost`."""
    *axes, origin = ["(" + ",".join(map(repr, row)) + ")" for row in GRID.affine.T[:, :3].tolist()]
    z, y, x = GRID.shape
    fields = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {len(layers)} {x} {y} {z}",
        f"space directions: none {' '.join(axes)}",
        "kinds: list domain domain domain",
        "encoding: raw",
        f"space origin: {origin}",
    ]
    for at, (name, (value, layer)) in enumerate(segments.items()):
        told = {"Name": name, "LabelValue": value, "Layer": layer}
        fields += [f"Segment{at}_{key}:={told[key]}" for key in told if key not in lost]
    path.write_bytes("\n".join([*fields, "", ""]).encode() + np.stack(layers, axis=-1).tobytes())


def moved(geometry: Geometry, matrix: Any) -> Geometry:
    return replace(geometry, affine=np.asarray(matrix, dtype=float) @ geometry.affine)


@files(EXACT)
def nifti_pair(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)


@files(EXACT)
def nrrd_image_and_mha_mask(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_tumour.mha", MASK)


@files(EXACT)
def mask_of_a_box(folder, voxels):
    """A mask file that holds only the slices that were drawn on."""
    box = replace(GRID, shape=(2, *GRID.shape[1:]), affine=GRID.affine.copy())
    box.affine[:3, 3] += 2 * GRID.affine[:3, 2]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[2:4], box)


@files(EXACT)
def mask_with_slices_the_other_way(folder, voxels):
    """The same voxels in patient space, stored from the last slice to the first."""
    turned = replace(GRID, affine=GRID.affine.copy())
    turned.affine[:3, 3] += 5 * GRID.affine[:3, 2]
    turned.affine[:3, 2] *= -1
    turned.affine[:3, 0] *= -1  # a left-handed grid cannot be written: turn another axis as well
    turned.affine[:3, 3] += 51 * GRID.affine[:3, 0]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[::-1, :, ::-1].copy(), turned)


@files(EXACT)
def segments_that_name_themselves(folder, voxels):
    meta = {"Segment0_Name": "Tumor", "Segment0_LabelValue": "3", "Segment0_Layer": "0"}
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_masks.seg.nrrd", MASK * 3, **meta)


@files(EXACT)
def segments_that_overlap(folder, voxels):
    """An oedema around the tumour, in a layer of its own, as 3D Slicer writes them."""
    around = np.ones_like(MASK)
    write(folder / "P1_image.nrrd", voxels)
    write_layers(folder / "P1_masks.seg.nrrd", [around, MASK * 2], edema=(1, 0), tumour=(2, 1))


@files("label_undeclared")
def layers_without_names(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write_layers(folder / "P1_masks.seg.nrrd", [MASK, MASK])


@files("bad_pixels")
def segment_in_a_layer_that_is_not_there(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write_layers(folder / "P1_masks.seg.nrrd", [MASK, MASK], edema=(1, 0), tumour=(1, 2))


@files("label_undeclared")
def segment_of_fractions(folder, voxels):
    meta = {"Segment0_Name": "tumour", "Segmentation_SourceRepresentation": "Fractional labelmap"}
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_masks.seg.nrrd", MASK, **meta)


@files("not_grey")
def layers_in_a_file_that_is_not_slicers(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write_layers(folder / "P1_tumour.nrrd", [MASK, MASK], edema=(1, 0), tumour=(1, 1))


@files(EXACT)
def mask_named_as_slicer_does(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.seg.nrrd", MASK)


@files("ambiguous_roi")
def two_segments_of_one_name(folder, voxels):
    meta = {"Segment0_Name": "Tumor", "Segment0_LabelValue": "3"}
    meta |= {"Segment1_Name": "Tumor", "Segment1_LabelValue": "4"}
    labels = MASK * 3
    labels[3] = MASK[3] * 4
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_masks.seg.nrrd", labels, **meta)


@files("unsupported_format")
def archive_in_an_archive(folder, voxels):
    nifti_pair(folder, voxels)
    shutil.make_archive(str(folder / "inner"), "tar", folder)


@files("unsupported_format")
def header_apart_from_its_voxels(folder, voxels):
    nifti_pair(folder, voxels)
    write(folder / "P2_image.mhd", voxels)


def header_of(path: Path, old: str, new: str) -> None:
    """Change the text header of a NRRD or MHA file."""
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


@files("unsupported_format")
def nrrd_that_names_another_file(folder, voxels):
    nifti_pair(folder, voxels)
    (folder / "P1_image.nii.gz").unlink()
    write(folder / "P1_image.nrrd", voxels)
    (folder / "voxels.raw").write_bytes(voxels.tobytes())
    whole = (folder / "P1_image.nrrd").read_bytes().partition(b"\n\n")[0]
    raw = whole.replace(b"encoding: gzip", b"encoding: raw")
    (folder / "P1_image.nrrd").write_bytes(raw + b"\ndata file: voxels.raw\n\n")


@files("unsupported_format")
def mha_that_names_another_file(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    (folder / "voxels.raw").write_bytes(voxels.tobytes())
    header = (folder / "P1_image.mha").read_bytes().partition(b"ElementDataFile")[0]
    header = header.replace(b"CompressedData = True", b"CompressedData = False")
    (folder / "P1_image.mha").write_bytes(header + b"ElementDataFile = voxels.raw\n")


@files("missing_geometry")
def mha_without_spacing(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    for stem in ("image", "mask"):
        header_of(folder / f"P1_{stem}.mha", "ElementSpacing", "ElementComment")


@files("bad_geometry")
def mha_with_a_negative_spacing(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    header_of(folder / "P1_image.mha", "ElementSpacing = 0.8", "ElementSpacing = -0.8")


@files("bad_rescale")
def mha_with_a_slope(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    line = "ElementToIntensityFunctionSlope = 2\nElementSpacing"
    header_of(folder / "P1_image.mha", "ElementSpacing", line)


@files("truncated_pixels")
def mha_of_damaged_voxels(folder, voxels):
    """One bit of a compressed file: ITK reads other voxels, without a word."""
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    path = str(folder / "P1_image.mha")
    SimpleITK.WriteImage(SimpleITK.ReadImage(path), path, useCompression=True)
    content = bytearray(Path(path).read_bytes())
    content[-2000] ^= 4
    (folder / "P1_image.mha").write_bytes(content)


@files("unknown_encoding")
def nrrd_packed_by_bzip2(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    header_of(folder / "P1_image.nrrd", "encoding: raw", "encoding: bzip2")


@files("bad_geometry")
def nrrd_in_centimetres(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    line = 'space units: "cm" "cm" "cm"\nspace origin:'
    header_of(folder / "P1_image.nrrd", "space origin:", line)


@files("bad_geometry")
def mha_in_centimetres(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    header_of(folder / "P1_image.mha", "Offset =", "DistanceUnits = cm\nOffset =")


@files(EXACT)
def nrrd_in_millimetres_spelt_out(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    for unit, stem in (("Millimeters", "image"), ("MM", "mask")):
        line = f'space units: "{unit}" "{unit}" "{unit}"\nspace origin:'
        header_of(folder / f"P1_{stem}.nrrd", "space origin:", line)


@files("mask_flipped")
def mask_in_ras(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK, moved(GRID, np.diag([-1, -1, 1, 1])))


@files("mask_flipped")
def mask_box_in_ras(folder, voxels):
    box = replace(GRID, shape=(2, *GRID.shape[1:]), affine=GRID.affine.copy())
    box.affine[:3, 3] += 2 * GRID.affine[:3, 2]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[2:4], moved(box, np.diag([-1, -1, 1, 1])))


@files("mask_off_grid")
def mask_half_a_voxel_off(folder, voxels):
    shifted = replace(GRID, affine=GRID.affine.copy())
    shifted.affine[:3, 3] += 0.45 * GRID.affine[:3, 0]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK, shifted)


@files("mask_off_grid")
def mask_of_another_patient(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[:, :30, :30], grid("axial", (6, 30, 30), (1, 1, 3)))


@files("label_missing")
def label_255(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK * 255)


@files("label_undeclared")
def two_labels(folder, voxels):
    both = MASK.copy()
    both[4, :5, :5] = 2
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", both)


@files("label_undeclared")
def mask_of_probabilities(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", (MASK * np.linspace(0.2, 1, 52)).astype(np.float32))


@files("empty_mask")
def mask_of_zeros(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK * 0)


@files("no_image")
def mask_file_alone(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)
    write(folder / "P2_mask.nii.gz", MASK)


@files("case_conflict")
def two_images_of_one_name(folder, voxels):
    for place, shift in (("a", 0), ("b", 1)):
        (folder / place).mkdir()
        write(folder / place / "P1_image.nii.gz", voxels + np.int16(shift))
    write(folder / "P1_mask.nii.gz", MASK)


@files("not_finite")
def image_with_nan(folder, voxels):
    spoilt = voxels.astype(np.float32)
    spoilt[0, 0, 0] = np.nan
    write(folder / "P1_image.nii.gz", spoilt)
    write(folder / "P1_mask.nii.gz", MASK)


@files("flat_image")
def image_of_one_value(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels * 0 + 7)
    write(folder / "P1_mask.nii.gz", MASK)


@files("truncated_pixels")
def image_cut(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)
    content = (folder / "P1_image.nii.gz").read_bytes()
    (folder / "P1_image.nii.gz").write_bytes(content[: len(content) // 2])


@files("too_few_slices")
def image_of_one_slice(folder, voxels):
    one = replace(GRID, shape=(1, *GRID.shape[1:]))
    write(folder / "P1_image.nii.gz", voxels[:1], one)
    write(folder / "P1_mask.nii.gz", MASK[2:3], one)


for _ending in ("nii.gz", "mha", "nrrd"):

    @files("not_grey")
    def image_in_four_dimensions(folder, voxels, ending=_ending):
        image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(voxels)] * 2)
        SimpleITK.WriteImage(image, str(folder / f"P1_image.{ending}"))
        write(folder / "P1_mask.nii.gz", MASK)

    @files("not_grey")
    def image_of_colours(folder, voxels, ending=_ending):
        colours = SimpleITK.GetImageFromArray(np.stack([voxels.astype(np.uint8)] * 3, -1), True)
        SimpleITK.WriteImage(colours, str(folder / f"P1_image.{ending}"))
        write(folder / "P1_mask.nii.gz", MASK)

    for _made in ("image_in_four_dimensions", "image_of_colours"):
        ODD[f"{_made}_{_ending}"] = replace(ODD.pop(_made), name=f"{_made}_{_ending}")


# Fields of a NIfTI-1 header that state geometry, with their places in the file.
HEADER = np.dtype(
    {
        "names": [
            *("pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units"),
            *("qform_code", "sform_code", "quatern", "srow_x"),
        ],
        "formats": [("<f4", 8), "<f4", "<f4", "<f4", "u1", "<i2", "<i2", ("<f4", 3), ("<f4", 4)],
        "offsets": [76, 108, 112, 116, 123, 252, 254, 256, 280],
        "itemsize": 348,
    }
)


def _nifti(text: str, expected: str, edit: Callable[[np.ndarray], None]) -> None:
    """Register a class of a NIfTI pair in both of whose raw headers fields are changed."""

    def make(folder: Path) -> Series:
        voxels = np.random.default_rng(5).integers(1, 800, GRID.shape).astype(np.int16)
        folder.mkdir(parents=True, exist_ok=True)
        for stem, values in (("image", voxels), ("mask", MASK)):
            path = folder / f"P1_{stem}.nii"
            write(path, values)
            content = bytearray(path.read_bytes())
            head = np.frombuffer(content, HEADER, 1)
            edit(head[0])
            path.write_bytes(bytes(content))
        return Series([], GRID, voxels)

    ODD[text] = Odd(text, expected, make)


def _set(**values: Any) -> Callable[[np.ndarray], None]:
    def edit(head: np.ndarray) -> None:
        for field, value in values.items():
            head[field] = value

    return edit


def _shift_sform(head: np.ndarray) -> None:
    head["srow_x"][3] += 30


def _turn_qform(head: np.ndarray) -> None:
    head["quatern"] = (0.6, 0.3, 0.1)


_nifti("spacing_nan", "bad_geometry", _set(pixdim=[1, np.nan, 0.7, 4, 0, 0, 0, 0]))
_nifti("spacing_zero", "bad_geometry", _set(pixdim=[1, 0, 0.7, 4, 0, 0, 0, 0], sform_code=0))
_nifti("sform_moved_against_qform", "ambiguous_geometry", _shift_sform)
_nifti("qform_turned_against_sform", "ambiguous_geometry", _turn_qform)
_nifti("sform_sheared", "bad_geometry", _set(qform_code=0, srow_x=[0.8, 0.3, 0, 0]))
_nifti("voxels_inside_the_header", "unreadable_file", _set(vox_offset=0))
_nifti("slope_infinite", "bad_rescale", _set(scl_slope=np.inf))
_nifti(
    "sform_doubled", "ambiguous_geometry", _set(qform_code=0, pixdim=[1, 0.4, 0.35, 2] + [0] * 4)
)
_nifti("slope_without_meaning", EXACT, _set(scl_slope=np.nan, scl_inter=np.nan))
_nifti("metres_by_its_header", "bad_geometry", _set(xyzt_units=1))
_nifti("micrometres_by_its_header", "bad_geometry", _set(xyzt_units=3 | 8))
_nifti("no_unit_in_its_header", EXACT, _set(xyzt_units=0))
_nifti("only_sform", EXACT, _set(qform_code=0))
_nifti("only_qform", EXACT, _set(sform_code=0))
