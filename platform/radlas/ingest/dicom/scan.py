"""Everything a DICOM source holds: exams, refusals, and what was left out and why. Headers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import IngestRules, Scan
from radlas.ingest.dicom.copies import drop_copies
from radlas.ingest.dicom.crawl import Crawl, crawl
from radlas.ingest.dicom.damage import doubtful
from radlas.ingest.dicom.header_records import MaskFile
from radlas.ingest.dicom.identity import called_alike
from radlas.ingest.dicom.linking import link_masks
from radlas.ingest.dicom.series import group_series
from radlas.ingest.dicom.sorting import sort_out
from radlas.ingest.doubts import hold_back, refuse_doubtful, settle_twins
from radlas.ingest.files import Listing, list_files, name_of, told_endings
from radlas.ingest.roi_names import RoiMap, match_name, resolve_roi_map, safe_name
from radlas.ingest.sequences import sequence_class
from radlas.ingest.table.importer import find_records, is_table
from radlas.ingest.unopened import UNPACK, refuse_unopened
from radlas.words import tallied


def scan_dicom(
    source: Path,
    rules: IngestRules,
    *,
    importer: str,
    spellings: Mapping[str, str] | None = None,
) -> Scan:
    """Everything in a folder or zip of DICOM files, whatever they are called.

    Args:
        source: Folder or zip.
        rules: Which sequence to keep, and the names of ROIs.
        importer: Name the exams shall carry.
        spellings: Series descriptions that this collection uses in its own sense.

    Raises:
        ConfigError: The source does not exist or holds no DICOM file; the rules are wrong.
    """
    sequence = sequence_class(rules.sequence) if rules.sequence else None
    roi_map = resolve_roi_map(rules.names)
    listing = list_files(source)
    headers = crawl(listing)
    if not (headers.images or headers.masks or headers.refusals):
        raise _nothing_found(source, listing, headers)
    images, lost = drop_copies(headers.images)
    masks = list({mask.identity: mask for mask in reversed(headers.masks)}.values())[::-1]
    there, kept = ({file.ref for file in files} for files in (headers.images, images))
    copies = len(there) + len(headers.masks) - len(kept) - len(masks) - len(lost)
    refs = [*(file.ref for file in headers.images), *(mask.ref for mask in headers.masks)]
    series = group_series(images, spellings)
    links = link_masks(masks, series, roi_map)
    parts = sort_out(series, links, sequence=sequence, importer=importer)
    records = find_records(headers.strangers)
    scan = Scan(
        exams=tuple(sorted(parts.exams, key=lambda exam: (exam.subject, exam.series))),
        refusals=(*refuse_unopened(listing), *headers.refusals, *parts.refusals),
        left_out=tuple(sorted(parts.left_out, key=lambda out: (out.subject, out.series))),
        clinical=records.rows,
        notes=(*_notes(listing, headers, copies, masks, roi_map), *records.notes),
        unreached=records.lost,
        called_alike=called_alike(series),
        read=tuple(dict.fromkeys(refs)),
    )
    certain = hold_back(scan, [*headers.unreachable, *lost], folders=True)
    return settle_twins(refuse_doubtful(certain, doubtful(headers.damaged, series, links)))


def _notes(
    listing: Listing, headers: Crawl, copies: int, masks: Sequence[MaskFile], roi_map: RoiMap
) -> tuple[str, ...]:
    counts = {
        "hidden, passed over": listing.hidden,
        "no DICOM, ignored": sum(not is_table(name_of(ref)) for ref in headers.strangers),
        "DICOM, but neither image nor mask": headers.others,
        "in the source twice, of which one copy is used": copies,
    }
    notes = tallied(counts, "file")
    names = sorted({name for mask in masks for name in mask.names if not _known(name, roi_map)})
    shown = ", ".join(safe_name(name) for name in names[:20])
    return (*notes, f"drawn names that the ROI map does not know: {shown}") if shown else notes


def _known(name: str, roi_map: RoiMap) -> bool:
    try:
        return match_name(name, roi_map) is not None
    except DataError:  # known twice: the exam that holds it is refused when it is read
        return True


def _nothing_found(source: Path, listing: Listing, headers: Crawl) -> ConfigError:
    listing = replace(listing, unreachable=headers.unreachable)
    found = told_endings(listing)
    images = any(ending in found for ending in (".nii", ".nrrd", ".mha"))
    hint = "try `--importer nifti`" if images else "name the folder above the DICOM files"
    if refuse_unopened(listing):
        hint = UNPACK
    if headers.unreachable:
        hint = "check the mount and the permissions"
    return ConfigError(f"no DICOM file here; found {found}", str(source), hint)
