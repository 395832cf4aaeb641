"""Everything a source of image files holds, by their names: exams, refusals, what was left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import Exam, FileRef, IngestRules, LeftOut, Refusal, Scan
from radlas.ingest.doubts import hold_back, settle_twins
from radlas.ingest.files import Listing, list_files, name_of, place_of, told_endings
from radlas.ingest.fingerprints import (
    fingerprints,
    joint_fingerprint,
    name_fingerprint,
)
from radlas.ingest.nifti.choosing import Choice, choose_images
from radlas.ingest.nifti.folders import subject_folder
from radlas.ingest.nifti.names import (
    NamedImage,
    NamedMask,
    is_slicers,
    name_image,
    name_mask,
    name_orphan,
    splits,
    stem_of,
)
from radlas.ingest.nifti.patients import folder_of_subject, home_of, masks_of, odd_subjects
from radlas.ingest.roi_names import RoiMap, match_name, resolve_roi_map, safe_name
from radlas.ingest.sequences import classify, sequence_class
from radlas.ingest.table.importer import find_records, is_table
from radlas.ingest.unopened import refuse_unopened, what_to_open
from radlas.reasons import data_error
from radlas.words import tallied

IMPORTER = "nifti"
F = TypeVar("F", NamedImage, NamedMask)


def scan_files(source: Path, rules: IngestRules) -> Scan:
    """Everything in a folder tree or zip of NIfTI, NRRD and MHA files.

    Raises:
        ConfigError: The source does not exist or holds no image by the grammar; the rules are
            wrong.
    """
    sequence = sequence_class(rules.sequence) if rules.sequence else None
    roi_map = resolve_roi_map(rules.names, rules.labels)
    listing = list_files(source)
    # A file out of reach still says by its name whose it is: that exam is held back.
    refs = [ref for ref in (*listing.files, *listing.unreachable) if stem_of(ref)]
    images = _images(refs, listing.source, roi_map)
    if not images:
        raise _nothing_found(source, listing)
    masks, strays = _masks(refs, images, listing.source)
    contents, lost = _contents(refs, listing.unreachable)
    there = set(refs).difference(lost)
    own_images, own_masks = _by_subject(images, contents), _by_subject(masks, contents)
    odd = odd_subjects(images, listing.source)
    bound = _bind(own_images, own_masks)
    scans = [
        Scan(refusals=_refuse(own, error, contents))
        if (error := _doubt(own, own_masks.get(one, []), odd.get(one, "")))
        else _scan_subject(own, bound, sequence, contents, listing.source)
        for one, own in sorted(own_images.items())
    ]
    orphans = [stray for stray in strays if match_name(stray.name, roi_map)]
    records = find_records(listing.files)
    kept, kept_masks = (sum(map(len, own.values())) for own in (own_images, own_masks))
    counts = {
        **_passed_over(listing),
        "named outside the grammar <subject>_<what>, ignored": len(strays) - len(orphans),
        "masks of another sequence, exam or folder than the subject's images, ignored": (
            kept_masks - len(set(chain(*bound.values())))
        ),
        "in the source twice, of which one copy is used": (
            len(images) + len(masks) - kept - kept_masks
        ),
    }
    scan = Scan(
        exams=tuple(exam for scan in scans for exam in scan.exams),
        refusals=(
            *refuse_unopened(listing, pairs=True),
            *(refusal for scan in scans for refusal in scan.refusals),
            *(_no_image(orphan, listing.source, contents) for orphan in orphans),
        ),
        left_out=tuple(out for scan in scans for out in scan.left_out),
        clinical=records.rows,
        notes=(*tallied(counts, "file"), *_unknown_names(masks, roi_map), *records.notes),
        unreached=records.lost,
        read=tuple(ref for ref in refs if ref in there),
    )
    return settle_twins(hold_back(scan, lost, folders=False))


def _images(refs: Iterable[FileRef], source: Path, roi_map: RoiMap) -> list[NamedImage]:
    named = [image for ref in refs if (image := name_image(ref, source))]
    subjects = {image.subject for image in named}
    return [image for image in named if not _is_mask(image, subjects, roi_map)]


def _passed_over(listing: Listing) -> dict[str, int]:
    others = [ref for ref in listing.files if not (stem_of(ref) or is_table(name_of(ref)))]
    return {"hidden, passed over": listing.hidden, "no NIfTI, NRRD or MHA, ignored": len(others)}


def _masks(
    refs: Sequence[FileRef], images: Sequence[NamedImage], source: Path
) -> tuple[list[NamedMask], list[NamedMask]]:
    """Masks of subjects with an image, and what belongs to none."""
    subjects = {image.subject for image in images}
    taken = {image.ref for image in images}
    others = [ref for ref in refs if ref not in taken]
    masks = [(ref, name_mask(ref, subjects, source)) for ref in others]
    words = {(image.subject, word) for image in images for word in {image.word, *image.kinds}}
    stated = {image.subject for image in images if not image.generic}
    return [_bound(mask, words, stated) for _, mask in masks if mask], [
        name_orphan(ref) for ref, mask in masks if not mask
    ]


def _bound(mask: NamedMask, words: set[tuple[str, str]], stated: set[str]) -> NamedMask:
    """A mask whose name ends with the word of an image belongs to that image alone.

    So does one in a folder of a kind of image, unless no image of the subject states its kind.
    """
    last = mask.name.lower().rpartition("_")[2]
    image = last if (mask.subject, last) in words else mask.image
    return replace(mask, image=image, kind=mask.kind if mask.subject in stated else "")


def _is_mask(image: NamedImage, subjects: set[str], roi_map: RoiMap) -> bool:
    """True for a mask that names its image behind its ROI, as ``P1_GTV_Mass_MR_T1``.

    Else it would be the T1 of a patient ``P1_GTV_Mass``; and ``P1/mask_T1`` of one ``mask``.
    """
    parts = splits(stem_of(image.ref) or "")
    names = [name for one, name in parts if one != image.subject and one in subjects]
    folder = subject_folder(image.ref)
    if folder != image.subject and folder in subjects:
        names.append(image.subject)
    try:
        return any(match_name(name, roi_map) for name in names)
    except DataError:  # it means two ROIs: said when it is read
        return True


def _contents(
    refs: Sequence[FileRef], unreachable: Sequence[FileRef]
) -> tuple[dict[FileRef, str], list[FileRef]]:
    """What each file is, and what could not be reached to find out."""
    known = set(unreachable)
    found = fingerprints(ref for ref in refs if ref not in known)
    lost = [*unreachable, *(ref for ref, content in found.items() if isinstance(content, OSError))]
    contents = {ref: content for ref, content in found.items() if isinstance(content, str)}
    return contents | {ref: name_fingerprint(ref) for ref in lost}, lost


def _by_subject(files: Sequence[F], contents: Mapping[FileRef, str]) -> dict[str, list[F]]:
    """Files of each subject, one of those with the same name and content."""
    kept: dict[str, dict[tuple[str, str, str], F]] = defaultdict(dict)
    for file in files:
        kept[file.subject].setdefault((file.kind, name_of(file.ref), contents[file.ref]), file)
    return {subject: list(own.values()) for subject, own in kept.items()}


def _bind(
    images: Mapping[str, Sequence[NamedImage]], masks: Mapping[str, Sequence[NamedMask]]
) -> dict[NamedImage, list[NamedMask]]:
    """Each image with its masks."""
    homes = {home_of(image) for own in images.values() for image in own}
    return {
        image: masks_of(image, own, masks.get(subject, ()), homes)
        for subject, own in images.items()
        for image in own
    }


def _doubt(images: Sequence[NamedImage], masks: Sequence[NamedMask], odd: str) -> DataError | None:
    """Why a subject's files are perhaps of several patients."""
    refs = [*(image.ref for image in images), *(mask.ref for mask in masks)]
    places = len({folder_of_subject(ref, images[0].subject) for ref in refs} - {()})
    homes: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for image in images:
        homes[_series(image)].add(home_of(image))
    most = max(map(len, homes.values()))
    hint = "name the folders by the patient, or the files <patient>_<what>;"
    hint += " of several exams of one patient sub-<patient>_ses-<exam>_<what>"
    if places > 1:
        odd = f"folders of one name in {places} places, which may be of {places} patients"
    elif most > 1 and not odd:
        what = f"different files of one name in {most} folders, which may be of {most} patients"
        return data_error("case_conflict", what, hint=f"keep one copy of each image; or {hint}")
    return data_error("identity_conflict", odd, hint=hint) if odd else None


def _refuse(
    images: Iterable[NamedImage], error: DataError, contents: Mapping[FileRef, str]
) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(one.subject, _series(one), error, joint_fingerprint([contents[one.ref]]))
        for one in images
    )


def _scan_subject(
    images: Sequence[NamedImage],
    bound: Mapping[NamedImage, Sequence[NamedMask]],
    sequence: str | None,
    contents: Mapping[FileRef, str],
    source: Path,
) -> Scan:
    masked = [image for image in images if bound[image]]
    bare = [image for image in images if not bound[image]]
    choices = choose_images(masked, sequence)
    exams = tuple(_exam(one, bound[one.image], contents, source) for one in choices if one.wanted)
    missing = [] if exams else [one.image for one in choose_images(bare, sequence) if one.wanted]
    refused = set(missing)
    unmasked = [image for image in bare if image not in refused]
    return Scan(
        exams=exams,
        refusals=_refuse(missing, _no_mask(), contents),
        left_out=(
            *(_left_out(one.image, one.why) for one in choices if not one.wanted),
            *(_left_out(image, "no mask belongs to it") for image in unmasked),
        ),
    )


def _exam(
    choice: Choice, masks: Sequence[NamedMask], contents: Mapping[FileRef, str], source: Path
) -> Exam:
    refs = [choice.image.ref, *(mask.ref for mask in masks)]
    # The name says which ROI a mask is: files that trade their names are another exam.
    drawn = [f"{mask.name}:{contents[mask.ref]}" for mask in masks]
    return Exam(
        importer=IMPORTER,
        subject=choice.image.subject,
        series=_series(choice.image),
        images=(choice.image.ref,),
        masks=tuple(refs[1:]),
        sequence=choice.sequence,
        rule=f"{choice.why}; mask by file name",
        fingerprint=joint_fingerprint([contents[choice.image.ref], *drawn]),
        size=sum(ref.size for ref in refs),
        parts=tuple((name_orphan(one.ref).subject, place_of(one.ref, source)) for one in masks),
    )


def _series(image: NamedImage) -> str:
    # Without its ending: what was unpacked or converted is the same image, and no second case.
    folder = f"{image.kind}/" if image.told != image.word else ""
    return f"{image.subject}/{folder}{stem_of(image.ref)}"


def _no_mask() -> DataError:
    what = "an image file without a mask file of the same subject"
    hint = "add the mask file; the subject, and what exam or sequence name or folder state, must"
    hint += " be spelt alike for both, and a mask beside images is of one of those"
    return data_error("no_mask", what, hint=hint)


def _no_image(mask: NamedMask, source: Path, contents: Mapping[FileRef, str]) -> Refusal:
    what = "a mask file without an image file of the same subject"
    hint = "add the image file; the subject must be spelt alike in both names"
    error = data_error("no_image", what, hint=hint)
    content = joint_fingerprint([contents[mask.ref]])
    return Refusal(mask.subject, place_of(mask.ref, source), error, content)


def _left_out(image: NamedImage, why: str) -> LeftOut:
    return LeftOut(image.subject, _series(image), why, classify(image.told)[0])


def _unknown_names(masks: Iterable[NamedMask], roi_map: RoiMap) -> tuple[str, ...]:
    """Of masks that are named by their files alone."""
    names = {mask.name for mask in masks if not is_slicers(mask.ref)}
    unknown = sorted(name for name in names if not match_name(name, roi_map))
    shown = ", ".join(safe_name(name) for name in unknown[:20])
    return (f"mask names that the ROI map does not know: {shown}",) if shown else ()


def _nothing_found(source: Path, listing: Listing) -> ConfigError:
    found = told_endings(listing)
    named = "name images <subject>_image.nii.gz and masks <subject>_mask.nii.gz"
    hint = "`--importer dicom`" if ".dcm" in found else what_to_open(listing) or named
    return ConfigError(f"no image by the naming rule here; found {found}", str(source), hint)
