"""Masks that were drawn outside DICOM, beside DICOM images: whose they are, and of which image.

Such a file carries no identifiers. It is given to the patient whose images lie with it, in its
folder or the nearest one above that holds any; where those are, or may be, of several patients, to
the one that its name or folder tells. Of the patient's series that one counts which the file's name
or folder states, or on whose grid it lies. Where that leaves several, none does: nothing is
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.choosing import choose
from radlas.ingest.dicom.header_records import MaskFile, same_patient
from radlas.ingest.dicom.linking import Link
from radlas.ingest.dicom.people import Person
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.dicom.stack import grid_of, has_pixels_of
from radlas.ingest.dicom.strangers import Images, MaskImages
from radlas.ingest.fingerprints import fingerprints, name_fingerprint
from radlas.ingest.mixed.company import Company, Place
from radlas.ingest.nifti.folders import STATED, folders_of, kind_of
from radlas.ingest.nifti.itk import read_grid
from radlas.ingest.nifti.names import is_slicers, name_image, plain_stem, splits, stem_of
from radlas.ingest.placing import lies_on
from radlas.ingest.roi_names import RoiMap, is_known, resolve_roi_map
from radlas.ingest.sequences import OTHER, T2FS, classify
from radlas.reasons import data_error
from radlas.words import counted

_KIND = "mask file"
_INTO = "put it into the folder of its patient's images"
_WHOSE = f"{_INTO}, or name it <PatientID>_<what>"
_SEQUENCES = re.compile(rf"(?<![^\W_])(?:{STATED})(?![^\W_])", re.IGNORECASE)
_ANY_T2 = {"t2", "t2w"}  # with fat suppressed, or not
_WHICH = "put it into the folder of the series it was drawn on, or name that as in t2fs_tumour"


def link_mask_images(
    files: Sequence[FileRef],
    images: Images,
    rules: IngestRules,
    *,
    sequence: str | None,
    source: Path,
) -> MaskImages:
    """Find masks among files that are no DICOM, and link each to its series: see ``FindMasks``."""
    roi_map = resolve_roi_map(rules.names, rules.labels)
    found = [ref for ref in files if stem_of(ref)]
    # Whatever values are declared: converted images lie here too, and hold those values somewhere.
    contents = fingerprints(ref for ref in found if _may_be_mask(ref, roi_map))
    others = (ref for ref in found if ref not in contents)
    company = Company(images, source)
    choice = partial(_choose, sequence=sequence, snap=rules.snap_voxels)

    def link(ref: FileRef, content: str) -> Link:
        name = drawn_name(ref, roi_map)
        place = company.of(ref, plain_stem(ref).removesuffix(name))
        mask = _mask(ref, place.subject, content, name)
        return _link(mask, place, _stated(ref, place, source), choice)

    def awaited(ref: FileRef) -> list[Link]:
        place = company.of(ref, "")
        mask = _mask(ref, place.subject, name_fingerprint(ref), "")
        return [Link(mask, one.key, "file name") for one in place.series if _may_be_drawn_on(one)]

    lost = tuple(ref for ref, text in contents.items() if isinstance(text, OSError))
    unread = [ref for ref in images.unread if stem_of(ref) and _may_be_mask(ref, roi_map)]
    links = [link(ref, text) for ref, text in contents.items() if isinstance(text, str)]
    once = {(one.series, one.mask.subject, one.mask.identity): one for one in links[::-1]}
    return MaskImages(
        tuple(once.values())[::-1],
        tuple(drawn_name(ref, roi_map) for ref in others if not name_image(ref)),
        lost,
        len(links) - len(once),
        tuple(one for ref in (*lost, *unread) for one in awaited(ref)),
    )


def drawn_name(ref: FileRef, roi_map: RoiMap) -> str:
    """The name of a mask file's ROI: the longest end of the file's name that the map knows."""
    stem = plain_stem(ref)
    ends = [stem, *(end for _, end in splits(stem))]
    return next((end for end in ends if is_known(end, roi_map)), ends[-1])


def _may_be_mask(ref: FileRef, roi_map: RoiMap) -> bool:
    """True for a file that is named after a ROI, or holds segments with names of their own."""
    return is_slicers(ref) or is_known(drawn_name(ref, roi_map), roi_map)


def _mask(ref: FileRef, subject: str, content: str, name: str) -> MaskFile:
    """A mask that is the same wherever it lies: people are told to move it, or to call it so.

    The name of its ROI is a part of what it holds.
    """
    return MaskFile(
        ref=ref,
        size=ref.size,
        content=f"{name}:{content}",
        instance=content,
        study="",
        subject=subject,
        person=Person(),
        modality=_KIND,
        description="",
        frames_of_reference=frozenset(),
        listed={},
        drawn=frozenset(),
        drawn_by={},
        frames=frozenset(),
        names=(),
    )


def _stated(ref: FileRef, place: Place, source: Path) -> frozenset[str]:
    """Classes that a file's name states, or else its folder; none if neither does."""
    own = [one for one in folders_of(ref, source)[-1:] if not same_patient(one, place.subject)]
    texts = (plain_stem(ref).removeprefix(place.said_by), *own, kind_of(ref))
    words = next((words for text in texts if (words := _SEQUENCES.findall(text))), [])
    certain = {classify(word)[0] for word in words if word.lower() not in _ANY_T2}
    return frozenset(certain or ({T2FS, OTHER} if words else ()))


def _link(
    mask: MaskFile, place: Place, stated: frozenset[str], choose_one: Callable[..., Link]
) -> Link:
    if not place.subject:
        return Link(mask, None, fault=_nobodys(place))
    own = [one for one in place.series if _may_be_drawn_on(one)]
    fit = [one for one in own if not stated or one.sequence in stated]
    if not fit:
        of_class = f" of the class {' or '.join(sorted(stated))}" if stated else ""
        what = f"no MR series{of_class} lies with it"
        return Link(mask, None, fault=data_error("no_image", f"a mask file, and {what}"))
    by_folder = len(own) == len(place.owners) == 1
    link = choose_one(mask, fit, "folder" if by_folder else "file name")
    if link.series and place.contradicts:
        what = "a mask file lies with the images of one patient and is named after another"
        return Link(mask, link.series, fault=data_error("identity_conflict", what))
    return link


def _nobodys(place: Place) -> DataError:
    if not place.owners:
        return data_error("no_image", "a mask file, and no image lies with it")
    if place.said and not frozenset.intersection(*place.said):
        what = "the name of a mask file and the folders that it lies in are those of two patients"
        return data_error("identity_conflict", what)
    if any(len(whom & place.owners) > 1 for whom in place.said):
        what = "a mask file whose name or folder may mean several patients: it is like the"
        what += " identifiers of two, or the identifier of one and the folder of another"
        return data_error("identity_conflict", what, hint=_INTO)
    whom = counted(len(place.owners), "patient")
    beside = " and files that cannot be read" if place.unread else ""
    what = f"a mask file that lies with the images of {whom}{beside}, and names none of them"
    return data_error("no_image", what, hint=_WHOSE)


def _may_be_drawn_on(series: ImageSeries) -> bool:
    first = series.first
    return first.modality == "MR" and series.slices > 1 and "LOCALIZER" not in first.image_type


def _choose(
    mask: MaskFile, series: Sequence[ImageSeries], alone: str, *, sequence: str | None, snap: float
) -> Link:
    """The one series that is left, by the first of these signs that leaves one."""
    if len(series) == 1:
        return Link(mask, series[0].key, alone)
    try:
        grid = read_grid(mask.ref)
    except DataError as error:
        return Link(mask, None, fault=error.at("mask"))
    on_grid = [one for one in series if _may_lie_on(grid, one, snap)]
    if len(on_grid) == 1:
        return Link(mask, on_grid[0].key, "grid")
    wanted = _asked_for(on_grid or series, sequence) if sequence else []
    if len(wanted) == 1:
        return Link(mask, wanted[0].key, "grid and sequence" if on_grid else "sequence")
    rivals = tuple(one.key for one in on_grid or series)
    return Link(mask, None, "grid" if on_grid else "folder", rivals, remedy=_WHICH)


def _asked_for(series: Sequence[ImageSeries], sequence: str) -> list[ImageSeries]:
    """Those of the kind that is chosen: also those that lose to a longer or earlier one.

    That one was chosen says nothing of which was drawn on, as of a T1 before and after contrast.
    """
    kinds = {
        (one.series.sequence, one.series.derived) for one in choose(series, sequence) if one.wanted
    }
    return [one for one in series if (one.sequence, one.derived) in kinds]


def _may_lie_on(grid: Geometry, series: ImageSeries, snap: float) -> bool:
    """Where slices are missing, say, pixels of one size and direction have to do."""
    own = grid_of(series.files)
    return has_pixels_of(grid, series.first) if own is None else lies_on(grid, own, snap)
