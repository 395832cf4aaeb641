"""Reading one exam on a worker: what its importer makes of it, and whether that may be stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from radlas.engine.base import Done
from radlas.errors import DataError, WorkerError
from radlas.flows.cases.exams import IngestTask
from radlas.ingest import IMPORTERS
from radlas.ingest.base import ExamData
from radlas.ingest.files import was_changed
from radlas.ingest.issuers import two_issuers
from radlas.ingest.promises import hold_to_promises
from radlas.model import Row
from radlas.reasons import data_error
from radlas.volumes.zarr import roi_key

IngestDone = Done[IngestTask, Mapping[str, tuple[Row, ...]]]


def read_exam(task: IngestTask) -> ExamData:
    """What an importer makes of an exam, if it is fit to be stored.

    Raises:
        DataError: The exam is not exactly right.
        WorkerError: A file cannot be reached, or the importer breaks its promises.
    """
    data = _read(task)
    hold_to_promises(data, task.exam.importer)
    _check_readers(data)
    _check_patient(task, data)
    return data


def as_planned(done: IngestDone) -> IngestDone:
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
