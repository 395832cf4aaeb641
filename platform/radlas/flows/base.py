"""The one shape of every flow: plan, work, commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field

from radlas.config import Config
from radlas.engine.base import Bundle, Done, Engine, SerialEngine
from radlas.errors import ConfigError
from radlas.model import Outcome
from radlas.places.place import Address
from radlas.store.layout import open_store
from radlas.store.locks import writing

T = TypeVar("T")
C = TypeVar("C", bound="StoreConfig")


class StoreConfig(Config):
    """Base of all flow configurations: which store."""

    store: Address = Field(
        description="Folder of the store, or s3://bucket/prefix, made by `radlas init`."
    )

    @property
    def purpose(self) -> str:
        """What of the verb a run locks, as one centre; empty for all of it."""
        return ""


Cell = str | int | float  # of a table for people; numbers stay numbers in JSON


@dataclass(frozen=True)
class Listing:
    """A plan as a table for people.

    Attributes:
        columns: Their names.
        rows: One per thing that was found.
        cost: What running it would take, in words.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    cost: str = ""


@dataclass(frozen=True)
class Plan(Generic[T]):
    """What a flow would do. Reads keys only, so it costs little and `--dry-run` prints it.

    Attributes:
        tasks: To be run on any worker.
        gpu_tasks: To be run where there is a GPU, if there is one.
        refused: Inputs that cannot become tasks, with their reason.
        known: Outcomes of earlier runs, per state: not planned again.
        notes: What the reader should know, one line each.
        extra: What ``commit`` needs and workers do not.
        listing: Everything that was found and what is done with it, if the flow can tell.
    """

    tasks: tuple[T, ...] = ()
    gpu_tasks: tuple[T, ...] = ()
    refused: tuple[Outcome, ...] = ()
    known: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    extra: Any = None
    listing: Listing | None = None

    @property
    def size(self) -> int:
        """Tasks to run."""
        return len(self.tasks) + len(self.gpu_tasks)


@dataclass(frozen=True)
class Report:
    """What a run did: lines for a person, the same as data, and the exit code."""

    lines: tuple[str, ...]
    data: Mapping[str, Any]
    exit_code: int = 0


@dataclass(frozen=True)
class Flow(Generic[C, T]):
    """A verb of the platform.

    Attributes:
        name: The verb.
        Config: Type of its configuration.
        plan: Configuration to plan; refuses what cannot work.
        work: One task; runs on workers, returns small rows, never writes to tables.
        commit: The single writer: takes every finished task, stores, reports.
        writes: False for a flow that leaves the store as it is: it waits for nobody.
        work_many: Several GPU tasks in one call, one ``Done`` for each; None if work takes one.
    """

    name: str
    Config: type[C]
    plan: Callable[[C], Plan[T]]
    work: Callable[[T], Any]
    commit: Callable[[C, Plan[T], Iterator[Done[T, Any]]], Report]
    writes: bool = True
    work_many: Callable[[Bundle[T]], list[Done[T, Any]]] | None = None

    def __call__(self, config: C, *, engine: Engine | None = None) -> Report:
        """Run the flow. Safe to run twice: what is stored already is not planned.

        Raises:
            StoreError: The same run is going on, or one that must be alone with the store.
        """
        engine = engine or SerialEngine()
        purpose = f"{self.name} {config.purpose}".strip()
        with writing(open_store(config.store), purpose) if self.writes else _freely() as check:
            plan = self.plan(config)
            done = chain(
                engine.map(self.work, plan.tasks),
                self._on_gpu(engine, plan.gpu_tasks),
            )
            return self.commit(config, plan, _checked(done, check))

    def _on_gpu(self, engine: Engine, tasks: tuple[T, ...]) -> Iterator[Done[T, Any]]:
        """In bundles, where the flow takes them; the tasks of a bundle that was lost go one by one.

        Not if every bundle failed by the device: each task would start two more processes in vain.
        """
        if self.work_many is None or not tasks:
            yield from engine.map(self.work, tasks, gpu=True)
            return
        lost: list[Done[Bundle[T], Any]] = []
        worked = False
        for done in engine.map(self.work_many, bundles(tasks, engine.bundle(len(tasks))), gpu=True):
            if done.result is None:
                lost.append(done)
            else:
                worked = True
                yield from done.result
        if not worked and all(one.error and one.error.reason == "device" for one in lost):
            for one in lost:
                for task in one.task.tasks:
                    yield Done(task, error=one.error, worker=one.worker, attempt=one.attempt)
            return
        again = [task for one in lost for task in one.task.tasks]
        yield from engine.map(self.work, again, gpu=True)


def _freely() -> nullcontext[Callable[[], None]]:
    return nullcontext(lambda: None)


def _checked(done: Iterator[T], check: Callable[[], None]) -> Iterator[T]:
    """What an engine gives, for as long as this run may write what comes of it."""
    for one in done:
        check()
        yield one
    check()


def bundles(tasks: Sequence[T], size: int) -> list[Bundle[T]]:
    """Tasks in their order, ``size`` at a time."""
    return [Bundle(tuple(tasks[start : start + size])) for start in range(0, len(tasks), size)]


def check_page(path: Path) -> None:
    """Before any work: whether a page can be written there.

    Raises:
        ConfigError: Its folder does not exist, or it is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise ConfigError("no such folder", str(path.parent), "make it first")
    if path.is_dir():
        raise ConfigError("this is a folder", str(path), f"name a file: {path}/page.html")
