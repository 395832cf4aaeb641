"""Everything a DICOM source holds: exams, refusals, and what was left out and why. Headers only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from radlas.ingest.base import IngestRules, Scan
from radlas.ingest.dicom.copies import drop_copies
from radlas.ingest.dicom.crawl import crawl
from radlas.ingest.dicom.damage import doubtful
from radlas.ingest.dicom.identity import called_alike
from radlas.ingest.dicom.linking import link_masks
from radlas.ingest.dicom.series import group_series
from radlas.ingest.dicom.sorting import sort_out
from radlas.ingest.dicom.strangers import FindMasks, Images, leave_alone
from radlas.ingest.dicom.telling import (
    counts,
    mask_images_told,
    nothing_found,
    unknown_names,
)
from radlas.ingest.doubts import hold_back, refuse_doubtful, settle_twins
from radlas.ingest.files import list_files
from radlas.ingest.roi_names import resolve_roi_map
from radlas.ingest.sequences import sequence_class
from radlas.ingest.table.importer import find_records
from radlas.ingest.unopened import refuse_unopened, unopened


def scan_dicom(
    source: Path,
    rules: IngestRules,
    *,
    importer: str,
    spellings: Mapping[str, str] | None = None,
    mask_images: FindMasks | None = None,
) -> Scan:
    """Everything in a folder or zip of DICOM files, whatever they are called.

    Args:
        source: Folder or zip.
        rules: Which sequence to keep, and the names of ROIs.
        importer: Name the exams shall carry.
        spellings: Series descriptions that this collection uses in its own sense.
        mask_images: Finds masks among the files that are no DICOM; None to leave them alone.

    Raises:
        ConfigError: The source does not exist or holds no DICOM file; the rules are wrong.
    """
    sequence = sequence_class(rules.sequence) if rules.sequence else None
    roi_map = resolve_roi_map(rules.names)
    listing = list_files(source)
    headers = crawl(listing)
    if not (headers.images or headers.masks or headers.refusals):
        raise nothing_found(source, listing, headers)
    images, lost = drop_copies(headers.images)
    masks = list({mask.identity: mask for mask in reversed(headers.masks)}.values())[::-1]
    there, kept = ({file.ref for file in files} for files in (headers.images, images))
    copies = len(there) + len(headers.masks) - len(kept) - len(masks) - len(lost)
    refs = [*(file.ref for file in headers.images), *(mask.ref for mask in headers.masks)]
    series = group_series(images, spellings)
    find = mask_images or leave_alone
    passed = [file for file in headers.images if file.ref not in kept]
    subjects = {one.first.subject for one in series}
    damaged = [one.ref for one in headers.damaged if one.patient not in subjects]
    around = Images(series, passed, [*headers.unreachable, *damaged, *unopened(listing)])
    drawn = find(headers.strangers, around, rules, sequence=sequence, source=listing.source)
    links = (*link_masks(masks, series, roi_map), *drawn.links, *drawn.awaited)
    parts = sort_out(series, links, sequence=sequence, importer=importer)
    records = find_records(headers.strangers)
    packed = refuse_unopened(listing, pairs=mask_images is not None)
    scan = Scan(
        exams=tuple(sorted(parts.exams, key=lambda exam: (exam.subject, exam.series))),
        refusals=(*packed, *headers.refusals, *parts.refusals),
        left_out=tuple(sorted(parts.left_out, key=lambda out: (out.subject, out.series))),
        clinical=records.rows,
        notes=(
            *counts(listing, headers, copies, drawn),
            *(mask_images_told(headers.strangers) if mask_images is None else ()),
            *unknown_names(masks, drawn, roi_map),
            *records.notes,
        ),
        unreached=records.lost,
        called_alike=called_alike(series),
        read=tuple(dict.fromkeys([*refs, *(link.mask.ref for link in drawn.links)])),
    )
    certain = hold_back(scan, [*headers.unreachable, *lost, *drawn.lost], folders=True)
    return settle_twins(refuse_doubtful(certain, doubtful(headers.damaged, series, links)))
