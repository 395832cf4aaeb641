"""Every reason for which a case is quarantined: what it means and what to do.

A ``DataError`` names one of these codes; its hint is the remedy unless the place that raises it
knows better. The table in docs/quarantine.md repeats this one by hand; a test compares them.
"""

from __future__ import annotations

from typing import NamedTuple

from radlas.errors import DataError


class Reason(NamedTuple):
    """One way in which data can be at fault."""

    meaning: str
    remedy: str


REASONS: dict[str, Reason] = {
    "unreadable_file": Reason(
        "a file cannot be parsed as its format, or lacks the identifiers that name it",
        "copy the file again from its source and compare sizes",
    ),
    "truncated_pixels": Reason(
        "a file ends before its pixel data does",
        "export the series again; the transfer was cut off",
    ),
    "lossy_pixels": Reason(
        "the pixels were compressed with loss: they are not what the scanner measured",
        "export the series from the archive's original, uncompressed or lossless",
    ),
    "unsupported_format": Reason(
        "a file that may hold an exam is of a format that is not opened, or split into two files",
        "unpack the archive; convert the image to NIfTI, NRRD or MHA in one file",
    ),
    "unknown_encoding": Reason(
        "the pixels are encoded in a way that radlas does not decode",
        "export the series as Explicit VR Little Endian",
    ),
    "not_grey": Reason(
        "the pixels are colours, or not one value per voxel",
        "export the original series, not a screenshot or a colour map",
    ),
    "bad_pixels": Reason(
        "the pixels contradict their own header: their number, their bits or their encoding",
        "export the series again from the archive; a tool on the way damaged it",
    ),
    "bad_rescale": Reason(
        "stored values cannot be turned into intensities: slope, intercept or lookup table",
        "export the series again; with these numbers the voxels mean nothing",
    ),
    "slice_gap": Reason(
        "slices are missing inside the series",
        "export the series again, with every slice",
    ),
    "slices_absent": Reason(
        "the headers or the mask name slices that are not in the source",
        "export the series again, with every slice",
    ),
    "duplicate_slices": Reason(
        "several slices claim the same position, and nothing in their headers tells them apart",
        "keep one acquisition, echo or phase per series",
    ),
    "jittered_slices": Reason(
        "the distances between slices differ by a few per cent",
        "export the original series; a tool on the way rounded or rewrote the positions",
    ),
    "sheared_slices": Reason(
        "the slices are shifted against each other: a slanted stack is no grid",
        "export the original series, not one that was tilted or moved",
    ),
    "uneven_slices": Reason(
        "the distances between slices are uneven, and not by whole missing slices",
        "keep slices of one protocol per series",
    ),
    "mixed_slices": Reason(
        "slices of one series differ in size, pixel spacing, orientation or frame of reference",
        "export the original series; one slice at least is not of this stack",
    ),
    "mosaic": Reason(
        "all slices are tiled into one picture",
        "export the series as enhanced MR or as single slices",
    ),
    "burned_in": Reason(
        "its header says that text is burned into the pixels: it may name the patient",
        "export the series without annotations",
    ),
    "identity_conflict": Reason(
        "identifiers conflict: one patient has several, or several patients share one",
        "find out whose it is, and export it again under one patient",
    ),
    "too_few_slices": Reason(
        "the series holds fewer than two slices, so it has no spacing",
        "check that the whole series was copied; localizers are not volumes",
    ),
    "missing_geometry": Reason(
        "slices carry no position, orientation or pixel spacing",
        "export the original series; screenshots and reformats lack what a volume needs",
    ),
    "bad_geometry": Reason(
        "spacing, origin or direction is zero, not finite or not orthonormal",
        "export or convert the image again; a tool on the way rounded or rewrote its geometry",
    ),
    "ambiguous_geometry": Reason(
        "the file states its geometry twice, and differently",
        "write the image again with one affine: the same qform and sform",
    ),
    "no_sequence": Reason(
        "the subject has no series of the sequence that was asked for",
        "add the series, or name another class with `--sequence`",
    ),
    "ambiguous_series": Reason(
        "the mask may belong to several images, and does not say which it was drawn on",
        "keep one echo or phase per series, or export the mask with its image references",
    ),
    "no_image": Reason(
        "a mask refers to an image series that is not in the source",
        "add the referenced series to the source folder",
    ),
    "no_mask": Reason(
        "no contour or mask belongs to this image",
        "add the RTSTRUCT, SEG or mask file of this subject",
    ),
    "no_tumour": Reason(
        "masks were found, but none is named as the tumour",
        "add the name to the ROI map (`--rois roi_map.yaml`), beside the names it has there",
    ),
    "ambiguous_roi": Reason(
        "several masks of one case map to the same ROI, and differ",
        "make the ROI map more specific, or give the readers names",
    ),
    "label_undeclared": Reason(
        "the mask holds several values, and nothing says which of them means what",
        "declare them: `--label tumour=1 --label edema=2`, after looking at the values listed",
    ),
    "label_missing": Reason(
        "the mask does not hold the label that was asked for",
        "name the label with `--label`, after looking at the values listed",
    ),
    "empty_mask": Reason(
        "the mask holds no voxel on its image",
        "draw the ROI, or leave the subject out of the source",
    ),
    "mask_off_grid": Reason(
        "the mask's grid does not lie on the image's grid",
        "export the mask on the grid of the image it was drawn on",
    ),
    "mask_flipped": Reason(
        "the mask lies on the image only if its x and y axes are negated: RAS taken for LPS",
        "write the mask again in the image's convention; radlas never turns it by itself",
    ),
    "mask_outside": Reason(
        "the mask holds voxels or contours, all of them outside the image",
        "check that the mask was drawn on this image",
    ),
    "bad_contour": Reason(
        "contour data is not made of finite triples, or contradicts what the file says of it",
        "export the RTSTRUCT again",
    ),
    "contour_conflict": Reason(
        "contours or segments name other images than those they lie on",
        "export the RTSTRUCT or SEG again, with the series it was drawn on",
    ),
    "frame_conflict": Reason(
        "the mask lies in another frame of reference than its image",
        "export image and mask together; contours of another frame do not fit by themselves",
    ),
    "contour_off_plane": Reason(
        "contours are tilted against, or lie between, the image planes",
        "draw on the referenced series, or export a mask instead",
    ),
    "case_conflict": Reason(
        "the store or the source holds this image already, with other voxels or masks",
        "keep one copy in the source; a changed exam needs a new store: features never change",
    ),
    "roi_too_small": Reason(
        "the ROI is too small or flat for the features asked for",
        "check the mask; lower `minimum_voxels` only with a reason",
    ),
    "image_too_small": Reason(
        "the image has too few voxels along an axis for a filter that was asked for",
        "leave the filter out, or export the whole series",
    ),
    "undefined_feature": Reason(
        "some features of a row are not defined for its voxels, as a ratio to zero",
        "nothing to do: they are NULL, and the other values of the row are valid",
    ),
    "no_neighbours": Reason(
        "no two voxels of the ROI are neighbours, so it has no texture",
        "check the mask: single voxels or lines are no tissue; the other values are valid",
    ),
    "too_many_levels": Reason(
        "the intensities of an ROI span more grey levels than texture can be made of",
        "widen `bin_width`, use `bin_count`, or normalise; the row is NULL until then",
    ),
    "perturbation_undefined": Reason(
        "a perturbed ROI would vanish or leave the image, or there is no noise to add",
        "nothing to do: the unperturbed rows are valid; use smaller steps if many cases say so",
    ),
    "flat_image": Reason(
        "all voxels of the image are equal inside the body",
        "check that the right series was exported",
    ),
    "not_finite": Reason(
        "the image holds NaN or infinite voxels",
        "write the image again; the software that wrote it is at fault",
    ),
}


def data_error(reason: str, what: str, where: str = "", hint: str = "") -> DataError:
    """A ``DataError`` under a documented reason, with that reason's remedy as default hint.

    Raises:
        KeyError: ``reason`` is not in ``REASONS``: a bug in the caller.
    """
    remedy = REASONS[reason].remedy  # asked for always: a reason of nobody's is no reason
    return DataError(what, where, hint or remedy, reason)
