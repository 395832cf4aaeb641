"""Everything a DICOM source holds: exams, refusals, and what was left out and why. Headers only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import Exam, FileRef, IngestRules, LeftOut, Refusal, Scan
from radlas.ingest.choosing import choose, sequence_class
from radlas.ingest.clinical import find_records
from radlas.ingest.crawl import Crawl, crawl
from radlas.ingest.doubts import hold_back, refuse_beside, settle_twins
from radlas.ingest.files import Listing, list_files, name_of, place_of
from radlas.ingest.fingerprints import fingerprint, fingerprints, joint_fingerprint
from radlas.ingest.header_records import ImageFile, MaskFile
from radlas.ingest.linking import Link, link_masks
from radlas.ingest.roi_names import RoiMap, match_name, resolve_roi_map
from radlas.ingest.series import ImageSeries, group_series
from radlas.reasons import data_error


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
    roi_map = resolve_roi_map(rules.roi_map)
    listing = list_files(source)
    headers = crawl(listing)
    if not (headers.images or headers.masks or headers.refusals):
        raise _nothing_found(source, listing, headers)
    images, lost = _drop_copies(headers.images)
    masks = list({mask.identity: mask for mask in reversed(headers.masks)}.values())[::-1]
    copies = len(headers.images) + len(headers.masks) - len(images) - len(masks) - len(lost)
    series = group_series(images, spellings)
    parts = _sort_out(series, link_masks(masks, series), sequence, importer)
    records, table_notes = find_records(headers.strangers)
    scan = Scan(
        exams=tuple(sorted(parts.exams, key=lambda exam: (exam.subject, exam.series))),
        refusals=(*_broken_archives(listing), *headers.refusals, *parts.refusals),
        left_out=tuple(sorted(parts.left_out, key=lambda out: (out.subject, out.series))),
        clinical=records,
        notes=(*_notes(headers, copies, masks, roi_map), *table_notes),
    )
    certain = hold_back(scan, [*headers.unreachable, *lost], folders=True)
    return settle_twins(refuse_beside(certain, headers.damaged))


@dataclass(frozen=True)
class _Parts:
    exams: tuple[Exam, ...]
    refusals: tuple[Refusal, ...]
    left_out: tuple[LeftOut, ...]


def _sort_out(
    series: Sequence[ImageSeries], links: Sequence[Link], sequence: str | None, importer: str
) -> _Parts:
    subjects: dict[str, list[ImageSeries]] = defaultdict(list)
    for one in series:
        subjects[one.first.subject].append(one)
    of_subject = [
        _sort_out_subject(members, links, sequence, importer)
        for _, members in sorted(subjects.items())
    ]
    exams = tuple(exam for part in of_subject for exam in part.exams)
    refusals = tuple(refusal for part in of_subject for refusal in part.refusals)
    left_out = tuple(out for part in of_subject for out in part.left_out)
    orphans = _orphans([link.mask for link in links if link.series is None], exams)
    return _Parts(exams, (*refusals, *orphans.refusals), (*left_out, *orphans.left_out))


def _sort_out_subject(
    series: Sequence[ImageSeries], links: Sequence[Link], sequence: str | None, importer: str
) -> _Parts:
    """One subject: choose among series with masks; without any, say which one lacks its mask."""
    unfit = {one.key: why for one in series if (why := _unfit(one))}
    fit = [one for one in series if one.key not in unfit]
    of_series: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        of_series[link.series or ""].append(link)
    masked = [one for one in fit if of_series[one.key]]
    bare = [one for one in fit if not of_series[one.key]]
    verdicts = choose(masked, sequence)
    left_out = {**unfit, **{one.series.key: one.why for one in verdicts if not one.wanted}}
    exams = [
        _exam(verdict.series, of_series[verdict.series.key], verdict.why, importer)
        for verdict in verdicts
        if verdict.wanted
    ]
    missing = {v.series.key for v in choose(bare, sequence) if v.wanted} if not exams else set()
    left_out |= {one.key: _bare_reason(one) for one in bare if one.key not in missing}
    return _Parts(
        tuple(exams),
        tuple(_no_mask(one) for one in bare if one.key in missing),
        tuple(_left_out(one, left_out[one.key]) for one in series if one.key in left_out),
    )


def _unfit(series: ImageSeries) -> str:
    first = series.first
    if first.modality != "MR":
        return f"modality {first.modality}, not MR"
    if first.burned_in:
        return "its header says that text is burned into the pixels"
    if first.shape[0] == 1 and not first.orientation:
        return "no position in the patient: a screenshot or secondary capture"
    return ""


def _bare_reason(series: ImageSeries) -> str:
    why = "no contour or mask belongs to it"
    return f"{why}; {series.part} in a mixed series" if series.part else why


def _exam(series: ImageSeries, links: Sequence[Link], why: str, importer: str) -> Exam:
    images = [file.identity for file in series.files]
    told = " and ".join(sorted({link.told_by for link in links}))
    part = f", {series.part} of a mixed series" if series.part else ""
    return Exam(
        importer=importer,
        subject=series.first.subject,
        series=series.key,
        images=tuple(file.ref for file in series.files),
        masks=tuple(link.mask.ref for link in links),
        sequence=series.sequence,
        rule=f"{why}{part}; mask by {told}",
        fingerprint=joint_fingerprint([*images, *(link.mask.identity for link in links)]),
    )


def _no_mask(series: ImageSeries) -> Refusal:
    error = data_error("no_mask", f"{series.sequence} series of {series.slices} slices")
    identity = joint_fingerprint(file.identity for file in series.files)
    return Refusal(series.first.subject, series.key, error, identity)


def _left_out(series: ImageSeries, why: str) -> LeftOut:
    return LeftOut(series.first.subject, series.key, series.first.description, why)


def _orphans(masks: Sequence[MaskFile], exams: Iterable[Exam]) -> _Parts:
    served = {exam.subject for exam in exams}
    return _Parts(
        (),
        tuple(_no_image(mask) for mask in masks if mask.subject not in served),
        tuple(
            LeftOut(mask.subject, mask.instance, mask.description, "its image is not in the source")
            for mask in masks
            if mask.subject in served
        ),
    )


def _no_image(mask: MaskFile) -> Refusal:
    what = f"{mask.modality} refers to {len(mask.series)} series, none of them in the source"
    error = data_error("no_image", what)
    return Refusal(mask.subject, mask.instance, error, joint_fingerprint([mask.identity]))


def _drop_copies(files: Sequence[ImageFile]) -> tuple[list[ImageFile], list[FileRef]]:
    """One file per instance and content, and those that could not be reached to compare them.

    Two contents of one instance both stay, and clash.
    """
    claims = Counter(file.instance for file in files)
    rivals = [file.ref for file in files if claims[file.instance] > 1]
    contents = fingerprints(sorted(rivals, key=lambda ref: (ref.path, ref.member)))
    kept: dict[tuple[str, str], ImageFile] = {}
    for file in files:
        content = contents.get(file.ref, "")
        if isinstance(content, str):
            kept.setdefault((file.instance, content), file)
    return list(kept.values()), [ref for ref in rivals if isinstance(contents[ref], OSError)]


def _broken_archives(listing: Listing) -> tuple[Refusal, ...]:
    error = data_error("unreadable_file", "a zip archive cannot be opened")
    return tuple(
        Refusal("", place_of(ref, listing.source), error, joint_fingerprint([fingerprint(ref)]))
        for ref in listing.broken
    )


def _notes(
    headers: Crawl, copies: int, masks: Sequence[MaskFile], roi_map: RoiMap
) -> tuple[str, ...]:
    counts = {
        "files are no DICOM and were ignored": len(headers.strangers),
        "DICOM files are neither image nor mask": headers.others,
        "files lie in the source twice; one copy of each is used": copies,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    names = sorted({name for mask in masks for name in mask.names if not _known(name, roi_map)})
    shown = ", ".join(name[:32] for name in names[:20])
    return (*notes, f"drawn names that the ROI map does not know: {shown}") if shown else (*notes,)


def _known(name: str, roi_map: RoiMap) -> bool:
    try:
        return match_name(name, roi_map) is not None
    except DataError:  # known twice: the exam that holds it is refused when it is read
        return True


def _nothing_found(source: Path, listing: Listing, headers: Crawl) -> ConfigError:
    kinds = Counter(
        "".join(PurePosixPath(name_of(ref)).suffixes[-2:]) or "no ending" for ref in listing.files
    )
    shown = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5)) or "nothing"
    images = any(kind.endswith((".nii", ".nii.gz", ".nrrd", ".mha")) for kind in kinds)
    hint = "try `--importer nifti`" if images else "name the folder above the DICOM files"
    if headers.unreachable:
        shown += f", and {len(headers.unreachable)} files or folders that cannot be reached"
        hint = "check the mount and the permissions"
    return ConfigError(f"no DICOM file here; found {shown}", str(source), hint)
