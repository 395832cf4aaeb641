"""Write a synthetic three-centre cohort: all of it, or nothing; the same seed, the same bytes."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from radlas.config import Config
from radlas.engine.spawn import end_with_parent, folder_left_alone, main_left_alone
from radlas.errors import ConfigError, WorkerError
from radlas.phantom.anatomy import make_exam
from radlas.phantom.describe import MARK_FILE, describe_centre, describe_cohort, readme
from radlas.phantom.scanners import SCANNER_OF, SCANNERS, Scanner
from radlas.phantom.subjects import Subject, plan_subjects
from radlas.places.stages import located, staged

TRUTH = (
    "subject", "centre", "grade", "age", "sex", "site",
    "intratumoral", "ring", "deep", "tumour_mm3", "edema_drawn",
)  # fmt: skip


class PhantomConfig(Config):
    """Where a synthetic cohort goes, how large it is, and its seed."""

    out: Path = Field(description="Folder to make; must not hold anything else.")
    subjects: int = Field(default=203, ge=6, description="Patients, split 51:78:74 over centres.")
    seed: int = Field(default=0, ge=0, description="The same seed gives the same bytes.")
    workers: int = Field(default=2, ge=1, description="Processes; no influence on the bytes.")


@dataclass(frozen=True)
class CohortSummary:
    """What a cohort folder holds.

    Attributes:
        out: The folder.
        created: False if it was there already, with these settings.
        subjects: Number of subjects.
        centres: Subjects by grade, by centre: ``{"centre-a": {"high": 33, "low": 18}}``.
    """

    out: Path
    created: bool
    subjects: int
    centres: Mapping[str, Mapping[str, int]]


def write_cohort(
    config: PhantomConfig, progress: Callable[[int, int], None] | None = None
) -> CohortSummary:
    """Write the cohort into ``config.out``, unless it is there already.

    It grows beside its place, in a folder of each run's own, and takes its name when it is
    complete; what killed runs left there goes with the next.

    Args:
        config: Folder, size, seed, processes.
        progress: Called with subjects done and their total, after each one.

    Raises:
        ConfigError: The folder holds something else, or a cohort with other settings.
        WorkerError: A process that draws subjects was killed.
    """
    subjects = plan_subjects(config.subjects, seed=config.seed)
    description = describe_cohort(subjects, seed=config.seed)
    if _already_there(config.out, description):
        return _summary(config, subjects, created=False)
    out = config.out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with located(out), staged(out.parent) as stage:
        made = stage / "cohort"
        made.mkdir()
        volumes = _write_subjects(subjects, made, config.workers, progress)
        _write_tables(subjects, volumes, description, made)
        created = _appears(made, out, description)
    return _summary(config, subjects, created=created)


def _appears(made: Path, out: Path, description: Mapping[str, Any]) -> bool:
    """Give the cohort its name; False if another run made this very one meanwhile."""
    try:
        made.replace(out)
    except OSError:
        if not _already_there(out, description):
            raise
        return False
    return True


def _already_there(out: Path, description: Mapping[str, Any]) -> bool:
    """True if ``out`` is this very cohort; False if it is free.

    Raises:
        ConfigError: It is neither.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    mark = out / MARK_FILE
    if not mark.is_file():
        raise ConfigError(
            "the folder exists and is not a synthetic cohort", str(out), "name a new folder"
        )
    if mark.read_text(encoding="utf-8") != _json(description):
        raise ConfigError(
            "the folder holds a synthetic cohort with other settings",
            str(mark),
            "name a new folder, or remove this one",
        )
    return True


def _write_subjects(
    subjects: Sequence[Subject],
    root: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, tuple[float, bool]]:
    """Tumour volume [mm^3] by subject, and whether edema was drawn."""
    found = {}
    with closing(_each_subject(subjects, root, workers)) as each:
        for done, (name, facts) in enumerate(each, start=1):
            found[name] = facts
            if progress is not None:
                progress(done, len(subjects))
    return found


def _each_subject(
    subjects: Sequence[Subject], root: Path, workers: int
) -> Generator[tuple[str, tuple[float, bool]], None, None]:
    if workers == 1:
        yield from (_write_subject(subject, root) for subject in subjects)
        return
    spawn = multiprocessing.get_context("spawn")  # the same on every platform
    processes = min(workers, len(subjects))
    with (
        main_left_alone(),
        folder_left_alone(),
        ProcessPoolExecutor(processes, spawn, end_with_parent) as pool,
    ):
        futures = [pool.submit(_write_subject, subject, root) for subject in subjects]
        try:
            yield from (future.result() for future in as_completed(futures))
        except BrokenProcessPool as error:
            what, hint = "a process that draws subjects was killed", "fewer at once, or more memory"
            raise WorkerError(what, str(root.parent.parent), hint, "crashed") from error
        finally:
            pool.shutdown(cancel_futures=True)  # it would draw the whole cohort before it ends


def _write_subject(subject: Subject, root: Path) -> tuple[str, tuple[float, bool]]:
    """One subject's files; numbers do not depend on how many threads the processor offers."""
    scanner = SCANNER_OF[subject.centre]
    with threadpool_limits(limits=1):
        exam = make_exam(subject, scanner)
        _writer(scanner).write_subject(subject, exam, scanner, root / subject.centre)
    volume = float((exam.tumour > 0).sum() * exam.volume.geometry.voxel_volume)
    return subject.name, (volume, exam.edema is not None)


def _writer(scanner: Scanner) -> Any:
    """The module that writes a centre's files; imported where it is needed, for it is heavy."""
    return importlib.import_module(f"radlas.phantom.{scanner.format}")


def _write_tables(
    subjects: Sequence[Subject],
    volumes: Mapping[str, tuple[float, bool]],
    description: Mapping[str, Any],
    root: Path,
) -> None:
    for scanner in SCANNERS:
        own = [subject for subject in subjects if subject.centre == scanner.centre]
        folder = root / scanner.centre
        _writer(scanner).write_clinical(own, folder)
        text = _json(describe_centre(scanner, own, seed=description["seed"]))
        (folder / MARK_FILE).write_text(text, encoding="utf-8")
    _write_truth(subjects, volumes, root / "truth.csv")
    key = hashlib.sha256(f"radlas phantom key {description['seed']}".encode()).hexdigest()
    (root / "site.key").write_text(f"{key}\n", encoding="utf-8")
    (root / "README.txt").write_text(readme(description), encoding="utf-8")
    (root / MARK_FILE).write_text(_json(description), encoding="utf-8")


def _write_truth(
    subjects: Sequence[Subject], volumes: Mapping[str, tuple[float, bool]], path: Path
) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(TRUTH)
        for one in subjects:
            signals = (f"{value:.6f}" for value in (one.intratumoral, one.ring, one.deep))
            volume, drawn = volumes[one.name]
            person = (one.name, one.centre, one.grade, one.age, one.sex, one.site)
            writer.writerow((*person, *signals, f"{volume:.1f}", "yes" if drawn else "no"))


def _summary(config: PhantomConfig, subjects: Sequence[Subject], *, created: bool) -> CohortSummary:
    grades = {
        scanner.centre: dict(
            sorted(Counter(one.grade for one in subjects if one.centre == scanner.centre).items())
        )
        for scanner in SCANNERS
    }
    return CohortSummary(config.out, created, len(subjects), grades)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
