"""From an exam to its task, and from what was read to rows, under the site key's pseudonyms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radlas.digests import pseudonym
from radlas.ingest.base import Exam, ExamData, IngestRules, Refusal
from radlas.ingest.deidentify import coarse, study_day
from radlas.ingest.issuers import is_number
from radlas.model import Outcome, Row
from radlas.places.place import Place
from radlas.store.known import KnownPatient
from radlas.store.layout import Store
from radlas.volumes.record import KnownCase

# A subject's secret clock starts on any of so many days. Of a mere century of them, days near its
# ends would tell the dates near the ends of an archive.
_CLOCKS = 2**40
_UNKNOWN = KnownPatient()


@dataclass(frozen=True)
class IngestTask:
    """One exam to read. The raw identifiers in ``exam`` reach workers, never the store."""

    key: str
    centre: str
    case_id: str
    subject_id: str
    place: Place
    store_id: str
    exam: Exam
    rules: IngestRules
    study_day: int | None = None
    source: str = ""  # keyed digest of the files' identities
    known: KnownCase | None = None  # what the tables speak of, if they know the case
    patient: KnownPatient = _UNKNOWN  # what the subject's stored exams say of them
    issuer: frozenset[str] = frozenset()  # keyed digests of what names it
    feature_set: str = ""


def make_task(
    exam: Exam,
    rules: IngestRules,
    *,
    store: Store,
    centre: str,
    key: bytes,
    told: Mapping[str, KnownCase],
    patients: Mapping[str, KnownPatient],
) -> IngestTask:
    """The task that reads an exam.

    Args:
        exam: As the scan found it.
        rules: How it is read.
        store: Where its volume will lie.
        centre: Whose exam it is.
        key: The site's.
        told: Of which cases tables speak already, and what they say.
        patients: What they say of subjects.
    """
    subject_id = pseudonym(key, "subject", centre, exam.subject)
    case_id = pseudonym(key, "case", centre, exam.subject, exam.series)
    clock = int(pseudonym(key, "clock", centre, exam.subject), 16) % _CLOCKS
    return IngestTask(
        # Keyed: a list of UIDs or of file names could be tried against a plain digest.
        key=pseudonym(key, "task", case_id, exam.fingerprint, exam.importer, rules.digest()),
        centre=centre,
        case_id=case_id,
        subject_id=subject_id,
        place=store.place,
        store_id=store.store_id,
        exam=exam,
        rules=rules,
        study_day=study_day(exam.study_date, clock),
        source=pseudonym(key, "source", exam.fingerprint),
        known=told.get(case_id),
        patient=patients.get(subject_id, _UNKNOWN),
        issuer=frozenset(_issuer_digest(key, centre, name) for name in exam.issuer),
    )


def refused(centre: str, key: bytes, refusal: Refusal) -> Outcome:
    """What became of an exam that the scan refuses already."""
    case_id = pseudonym(key, "case", centre, refusal.subject, refusal.series)
    error = refusal.error.at(f"case {case_id[:8]}")
    return Outcome(
        key=pseudonym(key, "task", case_id, refusal.fingerprint, refusal.error.reason),
        stage="ingest",
        centre=centre,
        case_id=case_id,
        state="quarantined",
        reason=error.reason,
        message=str(error),
    )


def clinical_row(centre: str, key: bytes, values: Mapping[str, Any]) -> Row:
    """A record of a clinical table under its subject's pseudonym."""
    known = {name: value for name, value in values.items() if name != "subject"}
    subject_id = pseudonym(key, "subject", centre, str(values["subject"]))
    return {"subject_id": subject_id, "centre": centre, **known}


def case_row(task: IngestTask, data: ExamData, commit_record: Mapping[str, Any]) -> Row:
    """What the catalogue tells of a stored exam, but for its keys."""
    geometry = data.volume.geometry
    z, y, x = geometry.shape
    spacing_x, spacing_y, spacing_z = geometry.spacing
    return {
        **data.facts,
        "importer": task.exam.importer,
        "sequence": task.exam.sequence,
        "series_rule": task.exam.rule,
        "slices": z,
        "rows": y,
        "columns": x,
        "spacing_x_mm": spacing_x,
        "spacing_y_mm": spacing_y,
        "spacing_z_mm": spacing_z,
        "obliquity_deg": geometry.obliquity,
        "voxel_dtype": str(data.volume.voxels.dtype),
        "voxel_digest": commit_record["image"],
        "input_digest": task.source,
        "source_bytes": coarse(task.exam.size),
        "flags": ",".join((*task.exam.flags, *data.flags)),
        "study_day": task.study_day,
        "issuer": ",".join(sorted(task.issuer)) or None,
    }


def _issuer_digest(key: bytes, centre: str, name: str) -> str:
    """A number stays a number in kind: see ``two_issuers``."""
    digest = pseudonym(key, "issuer", centre, name)[:16]
    return str(int(digest, 16)) if is_number(name) else f"x{digest}"
