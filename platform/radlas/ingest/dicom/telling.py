"""What a scan of DICOM tells of a source beside its exams. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from radlas.errors import ConfigError
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.crawl import Crawl
from radlas.ingest.dicom.header_records import MaskFile
from radlas.ingest.dicom.strangers import MaskImages
from radlas.ingest.files import Listing, name_of, told_endings
from radlas.ingest.roi_names import RoiMap, is_known, safe_name
from radlas.ingest.table.importer import is_table
from radlas.ingest.unopened import what_to_open
from radlas.words import tallied

_IMAGES = (".nii", ".nii.gz", ".nrrd", ".mha")


def counts(listing: Listing, headers: Crawl, copies: int, drawn: MaskImages) -> tuple[str, ...]:
    """How many files are passed over, and why."""
    others = sum(not is_table(name_of(ref)) for ref in headers.strangers)
    found = {
        "hidden, passed over": listing.hidden,
        "no DICOM, ignored": others - len(drawn.links) - drawn.copies - len(drawn.lost),
        "DICOM, but neither image nor mask": headers.others,
        "in the source twice, of which one copy is used": copies + drawn.copies,
    }
    return tallied(found, "file")


def mask_images_told(files: Sequence[FileRef]) -> tuple[str, ...]:
    """That another importer would look at files that are passed over."""
    found = sum(name_of(ref).lower().endswith(_IMAGES) for ref in files)
    what = "of them is" if found == 1 else "of them are"
    told = f"{found} {what} NIfTI, NRRD or MHA: `--importer dicom-masks` reads those that are masks"
    return (told,) if found else ()


def unknown_names(masks: Sequence[MaskFile], drawn: MaskImages, roi_map: RoiMap) -> tuple[str, ...]:
    """What is drawn under names that the map of names does not know."""
    names = {name for mask in masks for name in mask.names if not is_known(name, roi_map)}
    shown = ", ".join(safe_name(name) for name in sorted(names.union(drawn.unknown))[:20])
    return (f"drawn names that the ROI map does not know: {shown}",) if shown else ()


def nothing_found(source: Path, listing: Listing, headers: Crawl) -> ConfigError:
    """Why a source is none of DICOM, and what to try."""
    listing = replace(listing, unreachable=headers.unreachable)
    found = told_endings(listing)
    images = any(ending in found for ending in _IMAGES)
    hint = "`--importer nifti`" if images else "name the folder above the DICOM files"
    hint = what_to_open(listing) or hint
    if headers.unreachable:
        hint = "check the mount and the permissions"
    return ConfigError(f"no DICOM file here; found {found}", str(source), hint)
