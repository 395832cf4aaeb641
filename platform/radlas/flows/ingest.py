"""Ingest: a source folder of one centre in, volumes and catalogue rows out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from pydantic import Field, NonNegativeInt

from radlas.digests import pseudonym
from radlas.engine.base import Done
from radlas.errors import ConfigError, DataError, StoreError, WorkerError
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.batch import commit_batches, unsettled
from radlas.flows.cases.exams import IngestTask, case_row, clinical_row, make_task, refused
from radlas.flows.cases.grades import tell_grades
from radlas.flows.cases.listing import (
    estimate,
    left_out_lines,
    list_scan,
    namesake_lines,
    twin_lines,
    twins,
)
from radlas.flows.cases.mended import mended, only_source
from radlas.ingest import IMPORTERS
from radlas.ingest.base import ExamData, IngestRules, Scan
from radlas.ingest.checks import roi_facts
from radlas.ingest.files import was_changed
from radlas.ingest.issuers import two_issuers
from radlas.ingest.labels import ANY
from radlas.ingest.promises import hold_to_promises
from radlas.ingest.roi_names import RoiMap, read_roi_map
from radlas.ingest.sequences import sequence_class
from radlas.learn.settings import OutcomeMapping
from radlas.model import Outcome, Row
from radlas.reasons import data_error
from radlas.store import delta
from radlas.store.clinical import newest_records, revisions
from radlas.store.known import known_cases, known_centres, known_patients
from radlas.store.layout import Store, open_store
from radlas.store.ledger import Recorder, case_standings, standings
from radlas.store.sources import note_source
from radlas.volumes.zarr import is_committed, roi_key, write_case
from radlas.words import counted

IngestDone = Done[IngestTask, Mapping[str, tuple[Row, ...]]]
_ILL = ("quarantined", "failed", "released")
_IMAGE_OF = ["case_id", "subject_id", "centre", "voxel_digest"]


class IngestConfig(StoreConfig):
    """Where a centre's exams lie and how they are read."""

    source: Path = Field(description="Folder or zip archive with the centre's exams.")
    centre: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=64,  # it names folders
        description="Name of the hospital or collection: letters, digits, - and _, without blanks.",
    )
    importer: str = Field(default="dicom", description="dicom, tcia-sts, nifti or table.")
    rois: Path | None = Field(default=None, description="YAML: ROI to a list of name patterns.")
    sequence: str | None = Field(default=None, description="Keep only T2FS, STIR or T1 series.")
    label: tuple[str, ...] = Field(
        default=(),
        description="Voxel values in mask files: one (`255`), or one for each ROI (`tumour=1`).",
    )
    resample_masks: float = Field(
        default=0.0, ge=0, description="Masks displaced by up to this are resampled [mm]."
    )
    minimum_voxels: int = Field(default=1, ge=1, description="Smaller ROIs are refused [1].")
    grades: Path | None = Field(
        default=None, description="YAML: which grades are positive, negative or excluded."
    )
    tolerated: NonNegativeInt = Field(
        default=0, description="Troubled cases and files out of reach before exit code 1."
    )

    @property
    def purpose(self) -> str:
        """Centres may be ingested beside each other."""
        return self.centre

    def rules(self) -> IngestRules:
        """The part that decides what a case is."""
        roi_map = read_roi_map(self.rois) if self.rois else RoiMap({})
        values = {
            "sequence": sequence_class(self.sequence) if self.sequence else None,
            "labels": dict(_label(text) for text in self.label),
            "resample_mm": self.resample_masks,
            "minimum_voxels": self.minimum_voxels,
            "roi_map": roi_map.patterns,
            "readers": roi_map.readers,
        }
        return IngestRules.parse(values, str(self.rois or "ingest"))

    def outcome(self) -> OutcomeMapping | None:
        """What the grades mean, if it is declared."""
        return OutcomeMapping.read(self.grades) if self.grades else None


@dataclass(frozen=True)
class _Scanned:
    """Beside exams: clinical records to store, the declared meaning of their grades, what is lost.

    Attributes:
        unreached: Files and folders that could not be reached.
        mended: What ends the refusals of earlier runs that are over.
    """

    records: tuple[Row, ...]
    outcome: OutcomeMapping | None
    unreached: int
    mended: tuple[Outcome, ...]


def plan(config: IngestConfig) -> Plan[IngestTask]:
    """Scan the source's headers; plan what the ledger does not hold.

    Raises:
        ConfigError: The source is missing or holds nothing this importer can read, or the store
            spells the centre otherwise.
        StoreError: There is no store, or its site key is missing.
    """
    store, rules, outcome = open_store(config.store), config.rules(), config.outcome()
    key = store.key()
    _check_spelling(config.centre, known_centres(store))
    scan: Scan = IMPORTERS[config.importer]().find(config.source, rules)
    pseudonyms = partial(pseudonym, key, "subject", config.centre)
    new_task = partial(
        make_task,
        place=store.place,
        centre=config.centre,
        key=key,
        told=known_cases(store),
        patients=known_patients(store),
    )
    tasks = [new_task(exam, rules) for exam in scan.exams]
    # What was stored, missed its mask for a day and is whole again: said once more, or the case
    # would stand as it was on that day for good.
    ended = case_standings(store, stage="ingest", states=(*_ILL, "mended"))
    ill = [one for one in ended if one.state in _ILL]
    ended_ill = {one.case_id for one in ill}
    only = only_source(store, config.centre, config.source)
    # Under whichever of its tasks what is mended is refused; of several sources one may lack for
    # good what another has, and each would end what the other tells, every night.
    again = {"released", "mended"} if only else {"released"}
    anew = {one.case_id for one in ended if one.state in again}

    def stands(task: IngestTask) -> bool:
        return task.case_id not in ended_ill and is_committed(store.place, task.case_id)

    open_tasks, known = unsettled(store, "ingest", tasks, is_there=stands)
    refusals = [refused(config.centre, key, refusal) for refusal in scan.refusals]
    asked = {*(task.key for task in tasks), *(outcome.key for outcome in refusals)}
    seen = standings(store, "ingest", asked)

    def is_new(one: Outcome) -> bool:
        return one.case_id in anew or one.key not in seen or seen[one.key].state == "released"

    new = tuple(one for one in refusals if is_new(one))
    if len(refusals) > len(new):
        known["quarantined"] = known.get("quarantined", 0) + len(refusals) - len(new)
    settled = {task.exam.fingerprint: seen[task.key].state for task in tasks if task.key in seen}
    settled = {name: state for name, state in settled.items() if state in {"ok", "quarantined"}}
    for task in open_tasks:
        settled.pop(task.exam.fingerprint, None)
    pairs = zip(scan.refusals, refusals, strict=True)
    settled |= {refusal.fingerprint: "quarantined" for refusal, o in pairs if o not in new}
    size = sum(task.exam.size for task in open_tasks)
    cost = estimate(size, _history(store)) if open_tasks else ""
    return Plan(
        tasks=open_tasks,
        refused=new,
        known=known,
        notes=(*scan.notes, *left_out_lines(scan), *namesake_lines(scan, pseudonyms)),
        extra=_Scanned(
            tuple(clinical_row(config.centre, key, record) for record in scan.clinical),
            outcome,
            scan.unreached,
            mended(scan, ill, partial(pseudonym, key, "case", config.centre), only),
        ),
        listing=list_scan(scan, settled, pseudonyms, cost=cost),
    )


def work(task: IngestTask) -> dict[str, tuple[Row, ...]]:
    """Read one exam, store its volume, describe it in rows.

    Raises:
        DataError: The exam is not exactly right.
        WorkerError: A file cannot be reached, or the importer breaks its promises.
    """
    try:
        data = _read(task)
        hold_to_promises(data, task.exam.importer)
        _check_readers(data)
        _check_patient(task, data)
        commit_record = write_case(
            task.place, task.case_id, data.volume, data.rois, known=task.known
        )
    except DataError as error:
        raise error.at(f"case {task.case_id[:8]}") from error
    names = {"case_id": task.case_id, "centre": task.centre, "subject_id": task.subject_id}
    return {
        "cases": (names | case_row(task, data, commit_record),),
        "rois": tuple(
            names | {"feature_set": ""} | roi_facts(roi, data.volume.geometry) for roi in data.rois
        ),
    }


def _read(task: IngestTask) -> ExamData:
    try:
        data: ExamData = IMPORTERS[task.exam.importer]().read(task.exam, task.rules)
    except OSError as error:
        told = os.strerror(error.errno) if error.errno else type(error).__name__
        what = f"a file of the source cannot be read: {told}"  # its own text may hold names
        hint = "check the source, its mount and its permissions, then run again"
        raise WorkerError(what, f"case {task.case_id[:8]}", hint, "os_error") from error
    except WorkerError as error:  # as of too little memory for it
        raise error.at(f"case {task.case_id[:8]}") from error
    return data


def _as_planned(done: IngestDone) -> IngestDone:
    """What was refused while its files changed is planned again, and not settled.

    A transfer writes a file anew with what was there before: that would stay refused for good.
    """
    refs = (*done.task.exam.images, *done.task.exam.masks)
    if not isinstance(done.error, DataError) or not any(map(was_changed, refs)):
        return done
    what = f"a file was changed while it was read; as it was then: {done.error.what}"
    hint = "run again when nothing writes to the source any more"
    where = f"case {done.task.case_id[:8]}"
    return replace(done, error=WorkerError(what, where, hint, "source_changed"))


def commit(
    config: IngestConfig,
    plan: Plan[IngestTask],
    done: Iterator[IngestDone],
) -> Report:
    """Store every outcome and the clinical records; count them all."""
    store = open_store(config.store)
    store.place.sweep("volumes")
    noted = _note_source(store, config)
    clinical: _Scanned = plan.extra
    new = revisions(newest_records(store), clinical.records)
    Recorder(store).append("clinical", new)
    held = map(_as_planned, done)
    report = commit_batches(store, "ingest", plan, held, tolerated=config.tolerated)
    Recorder(store).record(clinical.mended)  # now that the exams stand in their place
    shared = twins(delta.read(store, "cases", _IMAGE_OF).to_pylist(), config.centre)
    troubled = sum(report.data[name] for name in ("quarantined", "failed")) + clinical.unreached
    report = Report(
        (*report.lines, *_over(clinical.mended), *twin_lines(shared), *noted),
        {
            **report.data,
            "unreached": clinical.unreached,
            "mended": len(clinical.mended),
            "shared_images": shared,
        },
        exit_code=int(troubled > config.tolerated),
    )
    if not clinical.records:
        return report
    known = set(delta.read(store, "cases", ["subject_id"]).column("subject_id").to_pylist())
    told, facts = tell_grades(store, clinical.outcome, known)
    met = sum(record["subject_id"] in known for record in clinical.records)
    records = counted(len(clinical.records), "clinical record")
    line = f"  {records} of centre {config.centre}, {len(new)} new; {met} of patients with an exam"
    if not met:
        line += ": if those are stored, see that --centre and the identifiers are theirs"
    counts = {"clinical": len(clinical.records), "clinical_new": len(new), "clinical_met": met}
    data = {**report.data, **counts, **facts}
    return Report((*report.lines, line, *told), data, report.exit_code)


def _over(refusals: tuple[Outcome, ...]) -> list[str]:
    told = counted(len(refusals), "refusal")
    return [f"  {told} of earlier runs ended: what they told is no longer so"] if refusals else []


def _check_spelling(centre: str, known: set[str]) -> None:
    """One hospital under two names would be two, and its patients two people each."""
    alike = sorted(one for one in known if _spelt(one) == _spelt(centre))
    if alike and centre not in alike:
        raise ConfigError(
            f"the store spells centre {centre!r} otherwise: {alike[0]!r}",
            "centre",
            f"--centre {alike[0]}; another hospital wants a name that differs in a letter",
        )


def _spelt(centre: str) -> str:
    return centre.casefold().replace("_", "-")


def _label(text: str) -> tuple[str, int]:
    roi, equals, value = text.rpartition("=")
    if not value.strip().isdigit() or (equals and not roi.strip()):
        hint = "`--label 255`, or one for each ROI: `--label tumour=1 --label edema=2`"
        raise ConfigError(f"{text!r} is no label", "label", hint)
    return roi.strip() or ANY, int(value)


def _note_source(store: Store, config: IngestConfig) -> list[str]:
    values = config.model_dump(mode="json", exclude={"store"})
    paths = {"source": config.source, "rois": config.rois, "grades": config.grades}
    values |= {name: str(path.absolute()) for name, path in paths.items() if path}
    try:
        note_source(store, values)
    except (OSError, StoreError) as error:  # the exams are stored all the same
        why = error.strerror if isinstance(error, OSError) else str(error)
        return [f"  where this source lies was not noted beside the store: {why}"]
    return []


def _history(store: Store) -> list[tuple[int, float]]:
    """Size [B] and time [s] of every exam that was read before."""
    sizes = delta.read(store, "cases", ["case_id", "source_bytes"]).to_pylist()
    known = {row["case_id"]: row["source_bytes"] for row in sizes if row["source_bytes"]}
    ended = delta.read(store, "outcomes", ["case_id", "stage", "state", "seconds"])
    read = pc.and_(pc.equal(ended.column("stage"), "ingest"), pc.equal(ended.column("state"), "ok"))
    ended = ended.filter(read).select(["case_id", "seconds"]).to_pylist()
    return [(known[row["case_id"]], row["seconds"]) for row in ended if row["case_id"] in known]


def _check_readers(data: ExamData) -> None:
    keys = [roi_key(roi) for roi in data.rois]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise data_error("ambiguous_roi", f"several masks are named {', '.join(doubled)}")


def _check_patient(task: IngestTask, data: ExamData) -> None:
    """One scan sees two people in its own headers; what came before, the store alone knows."""
    sex = data.facts.get("sex")
    if sex in {"F", "M"} and task.patient.sexes - {sex}:
        fact = "sex"
    elif two_issuers(task.issuer, task.patient.issuers):
        fact = "issuer of the identifier"
    else:
        return
    what = f"its header states another {fact} than those of this patient's stored exams"
    hint = "find out whose each exam is: one of another patient goes in under another --centre,"
    hint += " and `radlas snapshot create --cohort` leaves a stored one out"
    raise data_error("identity_conflict", what, hint=hint)


ingest = Flow("ingest", IngestConfig, plan, work, commit)
