"""Every reason for which a case is quarantined: what it means and what to do.

A ``DataError`` names one of these codes; its hint is the remedy unless the place that raises it
knows better. The README's table and the tests are made from this one.
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
        "a file cannot be parsed as the format it claims",
        "copy the file again from its source and compare sizes",
    ),
    "truncated_pixels": Reason(
        "a file ends before its pixel data does",
        "export the series again; the transfer was cut off",
    ),
    "slice_gap": Reason(
        "slices are missing inside the series",
        "export the series again, with every slice",
    ),
    "duplicate_slices": Reason(
        "several slices claim the same position",
        "keep one acquisition or echo per series folder",
    ),
    "irregular_slices": Reason(
        "slices are jittered, sheared or of mixed orientation or size",
        "export the original series, not a reformatted one",
    ),
    "too_few_slices": Reason(
        "the series holds fewer than two slices, so it has no spacing",
        "check that the whole series was copied; localizers are not volumes",
    ),
    "bad_geometry": Reason(
        "spacing, origin or direction is missing, zero, not finite or not orthonormal",
        "write the image again from its DICOM source",
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
        "add the name to the ROI map (`--rois roi_map.yaml`)",
    ),
    "ambiguous_roi": Reason(
        "several masks of one case map to the same ROI",
        "make the ROI map more specific, or give the readers names",
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
    "contour_off_plane": Reason(
        "contours are tilted against, or lie between, the image planes",
        "draw on the referenced series, or export a mask instead",
    ),
    "case_conflict": Reason(
        "the store holds this case already, with other voxels or masks",
        "ingest the changed exam into a new store; features of the old one stay as they are",
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
        "nothing: they are NULL, and the rest of the row stands",
    ),
    "flat_image": Reason(
        "all voxels of the image are equal inside the body",
        "check that the right series was exported",
    ),
    "not_finite": Reason(
        "the image holds NaN or infinite voxels",
        "write the image again; name the converter that made it",
    ),
}


def data_error(reason: str, what: str, where: str = "", hint: str = "") -> DataError:
    """A ``DataError`` under a documented reason, with that reason's remedy as default hint.

    Raises:
        KeyError: ``reason`` is not in ``REASONS``: a bug in the caller.
    """
    return DataError(what, where, hint or REASONS[reason].remedy, reason)
