"""Ingest: a source folder of one centre in, volumes and catalogue rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from pydantic import Field, NonNegativeInt

from radlas.digests import pseudonym
from radlas.errors import ConfigError, DataError, StoreError
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.batch import commit_batches
from radlas.flows.cases.contradicted import COLUMNS, contradicted, contradicted_lines
from radlas.flows.cases.earlier import earlier_ingests
from radlas.flows.cases.exams import IngestTask, case_row, clinical_row, make_task, refused
from radlas.flows.cases.listing import (
    estimate,
    left_out_lines,
    list_scan,
    namesake_lines,
    twin_lines,
    twins,
)
from radlas.flows.cases.reading import IngestDone, as_planned, read_exam
from radlas.flows.cases.records import plan_records, tell_records
from radlas.flows.cases.undone import undone
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Exam, IngestRules
from radlas.ingest.checks import roi_facts
from radlas.ingest.labels import declared_labels
from radlas.ingest.promises import hold_scan_to_promises
from radlas.ingest.roi_names import RoiMap, read_roi_map
from radlas.ingest.sequences import sequence_class
from radlas.learn.settings import OutcomeMapping
from radlas.model import Outcome, Row
from radlas.store import delta
from radlas.store.clinical import newest_records, revisions
from radlas.store.known import known_cases, known_centres, known_patients
from radlas.store.layout import Store, check_here, open_store
from radlas.store.ledger import Recorder
from radlas.store.sources import note_source
from radlas.volumes.zarr import write_case
from radlas.words import counted

_IMAGE_OF = ["case_id", "subject_id", "centre", "voxel_digest"]


class IngestConfig(StoreConfig):
    """Where a centre's exams lie and how they are read."""

    source: Path = Field(description="Folder or zip archive with the centre's exams.")
    centre: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=64,  # it names folders
        description="Name of the hospital or collection: letters, digits, - and _, without blanks.",
    )
    importer: str = Field(
        default="dicom", description="dicom, dicom-masks, tcia-sts, nifti, table."
    )
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
            "labels": declared_labels(self.label),
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
        StudyError: `grades` does not declare a value that the store would hold.
    """
    store, rules, outcome = open_store(config.store), config.rules(), config.outcome()
    key = store.key()
    _check_spelling(config.centre, known_centres(store))
    found = IMPORTERS[config.importer]().find(config.source, rules)
    scan = hold_scan_to_promises(found, config.importer)
    records = tuple(clinical_row(config.centre, key, record) for record in scan.clinical)
    stays, new = plan_records(store, records, outcome, mapping=str(config.grades))
    refusals = [(one, refused(config.centre, key, one)) for one in scan.refusals]
    earlier = earlier_ingests(store, config.centre, config.source)
    left = undone(store, _tasks(store, config.centre, scan.exams, rules), refusals, earlier)
    subject, case = (partial(pseudonym, key, kind, config.centre) for kind in ("subject", "case"))
    size = sum(task.exam.size for task in left.tasks)
    cost = estimate(size, _history(store)) if left.tasks else ""
    return Plan(
        tasks=left.tasks,
        refused=left.refusals,
        known=left.known,
        notes=(
            *scan.notes,
            *left_out_lines(scan),
            *namesake_lines(scan, subject),
            *stays,
        ),
        extra=_Scanned(records, outcome, scan.unreached, earlier.mended(scan, case)),
        listing=list_scan(scan, left.settled, subject, cost="; ".join(filter(None, (cost, new)))),
    )


def _tasks(
    store: Store, centre: str, exams: Sequence[Exam], rules: IngestRules
) -> list[IngestTask]:
    key = store.key()
    cases = {pseudonym(key, "case", centre, one.subject, one.series) for one in exams}
    subjects = {pseudonym(key, "subject", centre, one.subject) for one in exams}
    new_task = partial(
        make_task,
        store=store,
        centre=centre,
        key=key,
        told=known_cases(store, cases),
        patients=known_patients(store, subjects),
    )
    return [new_task(exam, rules) for exam in exams]


def work(task: IngestTask) -> dict[str, tuple[Row, ...]]:
    """Read one exam, store its volume, describe it in rows.

    Raises:
        DataError: The exam is not exactly right.
        WorkerError: A file or the store cannot be reached, or the importer breaks its promises.
    """
    check_here(task.place, task.store_id)
    try:
        data = read_exam(task)
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


def commit(
    config: IngestConfig,
    plan: Plan[IngestTask],
    done: Iterator[IngestDone],
) -> Report:
    """Store every outcome and the clinical records; count them all."""
    store = open_store(config.store)
    store.place.sweep("volumes")
    noted = _note_source(store, config)
    found: _Scanned = plan.extra
    new = revisions(newest_records(store), found.records)
    Recorder(store).append("clinical", new)
    held = map(as_planned, done)
    report = commit_batches(store, "ingest", plan, held, tolerated=config.tolerated)
    Recorder(store).record(found.mended)  # now that the exams stand in their place
    shared = twins(delta.read(store, "cases", _IMAGE_OF).to_pylist(), config.centre)
    strange = contradicted(
        delta.read(store, "cases", COLUMNS).to_pylist(), newest_records(store), config.centre
    )
    told, counts = tell_records(store, config.centre, found.records, found.outcome, len(new))
    troubled = sum(report.data[name] for name in ("quarantined", "failed")) + found.unreached
    return Report(
        (
            *report.lines,
            *_over(found.mended),
            *twin_lines(shared),
            *contradicted_lines(strange),
            *noted,
            *told,
        ),
        {
            **report.data,
            "unreached": found.unreached,
            "mended": len(found.mended),
            "shared_images": shared,
            "contradicted": strange,
            **counts,
        },
        exit_code=int(troubled > config.tolerated),
    )


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


ingest = Flow("ingest", IngestConfig, plan, work, commit)
