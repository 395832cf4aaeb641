"""What every importer promises of an exam, ours and third parties': held before a byte is stored.

What is stored cannot be told from what is true: a mask of another shape, or a name among the facts
of a header, would come to light years later, or never.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from radlas.errors import ConfigError, DataError, WorkerError
from radlas.geometry import Geometry
from radlas.ingest.base import Exam, ExamData, FileRef, LeftOut, Refusal, Scan
from radlas.ingest.clinical_words import OLDEST
from radlas.ingest.deidentify import image_facts, safe_number, safe_sex, safe_text
from radlas.ingest.grids import checked_volume
from radlas.ingest.sequences import OTHER, STIR, T1, T2FS
from radlas.model import ROI_NAME, Roi, Volume

_LIST = (tuple, list)
_SEQUENCES = {T2FS, STIR, T1, OTHER, ""}
_CLINICAL = ("sex", "age_years", "grade", "histology", "laterality", "region", "site_group")
_CODE = re.compile(r"[a-z][a-z0-9_]*")
_COUNTED = re.compile(r"(?:(?:[-+.e\d]+|nan|-?inf)=\d+ ?)*(?:and \d+ more values)?")
_READER = re.compile(r"[A-Za-z0-9]{0,8}")
_FACTS = tuple(sorted(image_facts({}, beside_phantom=False)))
_SAFE: Mapping[str, Callable[[Any], Any]] = {
    "manufacturer": safe_text,
    "scanner_model": safe_text,
    "sex": safe_sex,
    "synthetic": lambda value: value if isinstance(value, bool) else None,
    "age_years": lambda value: _at_most(value, OLDEST),
}


def hold_to_promises(data: ExamData, importer: str) -> None:
    """Refuse what an importer should not have returned; its own refusals come before.

    Args:
        data: What ``Importer.read`` returned.
        importer: Its name, for the message.

    Raises:
        DataError: ``not_finite`` or ``flat_image``: those faults are the image's.
        WorkerError: The rest are the importer's: voxels that are no real numbers in three
            dimensions or do not lie on their grid, a mask of another shape or of other values than
            true and false, a name that is no ROI's, a flag that is no code, a fact that may not
            leave its source, or anything of another type than ``ExamData`` says.
    """
    fault = _fault(data)
    if fault:
        hint = f"a defect of the importer {importer!r}, not of the exam; see radlas.ingest.base"
        raise WorkerError(fault, hint=hint, reason="bug")
    checked_volume(data.volume.voxels, data.volume.geometry)


def hold_scan_to_promises(scan: Any, importer: str) -> Scan:
    """Refuse what an importer should not have found, before anything of it is planned.

    Args:
        scan: What ``Importer.find`` returned.
        importer: Its name, for the message.

    Raises:
        ConfigError: Something is of another type than ``Scan`` says, a sequence is none of the
            vocabulary, a flag is no code, or a clinical record has what the table has no place for.
    """
    for fault in filter(None, _faults_of_scan(scan)):
        hint = "a defect of the importer, not of the source; see radlas.ingest.base"
        raise ConfigError(fault, f"importer {importer}", hint)
    kept: Scan = scan
    return kept


def _faults_of_scan(scan: Any) -> Iterator[str]:
    if not isinstance(scan, Scan):
        yield f"`find` returned {type(scan).__name__}, not Scan"
    lists = ("exams", "refusals", "left_out", "clinical", "notes", "called_alike", "read")
    yield _mistyped(scan, dict.fromkeys(lists, _LIST) | {"unreached": int})
    yield from (_fault_of_exam(exam) for exam in scan.exams)
    for one, kind in [
        *((one, Refusal) for one in scan.refusals),
        *((one, LeftOut) for one in scan.left_out),
    ]:
        if not isinstance(one, kind):
            yield f"one of what is not read is {type(one).__name__}, not {kind.__name__}"
        yield _mistyped(one, dict.fromkeys(("subject", "series", "sequence"), str))
        if isinstance(one, Refusal):
            yield _mistyped(one, {"error": DataError, "fingerprint": str})
    yield from (_fault_of_record(record) for record in scan.clinical)


def _fault_of_exam(exam: Any) -> str:
    if not isinstance(exam, Exam):
        return f"one of the exams is {type(exam).__name__}, not Exam"
    texts = ("importer", "subject", "series", "sequence", "rule", "fingerprint", "study_date")
    lists = ("images", "masks", "flags", "issuer", "parts")
    if fault := _mistyped(exam, dict.fromkeys(texts, str) | dict.fromkeys(lists, _LIST)):
        return fault
    if odd := [one for one in (*exam.images, *exam.masks) if not isinstance(one, FileRef)]:
        return f"one of an exam's files is {type(odd[0]).__name__}, not FileRef"
    if exam.sequence not in _SEQUENCES:
        return f"the sequence of an exam is none of {', '.join(sorted(filter(None, _SEQUENCES)))}"
    return _fault_of_flags(exam.flags)


def _fault_of_record(record: Any) -> str:
    if not (isinstance(record, Mapping) and record.get("subject")):
        return "a clinical record is no mapping, or has no subject"
    if unknown := len(set(record) - {"subject", *_CLINICAL}):
        return f"{unknown} columns of a clinical record are none of {', '.join(_CLINICAL)}"
    for name in _CLINICAL:
        value = record.get(name)
        fits = safe_number(value) == value if name == "age_years" else isinstance(value, str)
        if value is not None and not fits:
            return f"{name} of a clinical record is {type(value).__name__}"
    return ""


def _fault(data: Any) -> str:
    """The first broken promise, or nothing. Values are not quoted: they may name a patient."""
    return next(filter(None, _faults(data)), "")


def _faults(data: Any) -> Iterator[str]:
    """Of the first that is one nothing that comes after could be asked."""
    if not isinstance(data, ExamData):
        yield f"`read` returned {type(data).__name__}, not ExamData"
    # A generator of ROIs would be used up here: the exam would be stored without them.
    yield _mistyped(data, {"volume": Volume, "rois": _LIST, "facts": Mapping, "flags": _LIST})
    yield _mistyped(data.volume, {"voxels": np.ndarray, "geometry": Geometry})
    yield _fault_of_image(data.volume)
    yield _fault_of_flags(data.flags)
    for roi in data.rois:
        if not isinstance(roi, Roi):
            yield f"one of the rois is {type(roi).__name__}, not Roi"
        yield _mistyped(roi, dict.fromkeys(("name", "reader", "origin", "values"), str))
        yield _mistyped(roi, {"mask": np.ndarray, "flags": _LIST})
        yield _fault_of(roi, data.volume)
    yield _fault_of_facts(data.facts)


def _mistyped(thing: Any, kinds: Mapping[str, type | tuple[type, ...]]) -> str:
    for name, kind in kinds.items():
        value = getattr(thing, name)
        if not isinstance(value, kind):
            wanted = kind[0] if isinstance(kind, tuple) else kind
            told = f"the {name} of {type(thing).__name__}"
            return f"{told}: {type(value).__name__}, not {wanted.__name__}"
    return ""


def _fault_of_image(volume: Volume) -> str:
    voxels, affine = volume.voxels, np.asarray(volume.geometry.affine)
    if voxels.ndim != 3 or voxels.dtype.kind not in "iuf" or not voxels.size:
        return f"voxels are {voxels.dtype} of shape {voxels.shape}, not real numbers (z, y, x)"
    if voxels.shape != volume.geometry.shape:
        return f"voxels have shape {voxels.shape}, their grid {volume.geometry.shape}"
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or not volume.geometry.voxel_volume:
        return "the affine does not lead from voxels to millimetres"
    return ""


def _fault_of(roi: Roi, volume: Volume) -> str:
    if not (ROI_NAME.fullmatch(roi.name) and _READER.fullmatch(roi.reader)):
        what = "a ROI's name is not small letters, digits and single `_`"
        return f"{what}, or its reader is not at most 8 letters and digits"
    if roi.mask.shape != volume.voxels.shape:
        return f"the mask of {roi.name} has shape {roi.mask.shape}, its image {volume.voxels.shape}"
    if roi.mask.dtype != bool:
        return f"the mask of {roi.name} is {roi.mask.dtype}, not bool"
    if not (_CODE.fullmatch(roi.origin) and _COUNTED.fullmatch(roi.values)):
        return f"the origin of {roi.name} is no code, or its values are not as `0=9000 1=120`"
    return _fault_of_flags(roi.flags)


def _fault_of_flags(flags: Sequence[Any]) -> str:
    """A flag is stored as it is: a text of a header would be, too."""
    coded = all(isinstance(flag, str) and _CODE.fullmatch(flag) for flag in flags)
    return "" if coded else "a flag is no code of small letters, digits and `_`"


def _fault_of_facts(facts: Mapping[str, Any]) -> str:
    unknown = len(set(facts) - set(_FACTS))
    if unknown:
        return f"{unknown} facts are none of those that may leave a source: {', '.join(_FACTS)}"
    unsafe = sorted(name for name, value in facts.items() if not _is_safe(name, value))
    if unsafe:
        return f"{unsafe[0]} is not as radlas.ingest.deidentify writes it"
    return ""


def _is_safe(name: str, value: Any) -> bool:
    safe: Callable[[Any], Any] = _SAFE.get(name, safe_number)
    return value is None or bool(safe(value) == value)


def _at_most(value: Any, bound: float) -> float | None:
    number = safe_number(value)
    return None if number is None else min(max(number, 0.0), bound)
