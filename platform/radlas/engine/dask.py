"""Tasks on Dask's workers: bounded submission, isolated native code, our own retries.

Submitting everything at once with resource restrictions puts every task on a worker, and the death
of that worker takes all of them along; so only a small window is ever submitted. Native code runs
in a child of each worker, so a crash kills no worker at all.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar
from uuid import uuid4

from distributed import Client, Future, LocalCluster, WorkerPlugin, as_completed, get_worker

from radlas.engine.base import GPU_BATCH, LARGEST_BUNDLE, Done
from radlas.engine.isolate import Child, seal, unseal
from radlas.engine.local import Environments, local_cluster
from radlas.engine.scheduler import connected, scheduler_lost, scheduler_there
from radlas.engine.spawn import importable, undisturbed
from radlas.errors import ConfigError, WorkerError

T = TypeVar("T")
R = TypeVar("R")
_AGAIN = {"crashed", "memory", "device", "no_workers"}  # reasons that a fresh process may not meet
_TASKS_PER_WORKER = 3  # that the scheduler knows of
_SEARCH = 20.0  # a scheduler that is lost is not looked for so long [s]
_WATCH_INTERVAL = 20.0  # between looks whether a worker is there [s]


class DaskEngine:
    """Runs tasks on a Dask cluster.

    Args:
        address: ``tcp://…`` of a running scheduler; None starts a cluster on this machine.
        workers: Worker processes of a local cluster; None for one per core, as memory allows.
        timeout: Longest time for one task [s].

    Nothing is started before the first task, so a run with nothing to do costs nothing.
    """

    def __init__(
        self, address: str | None = None, *, workers: int | None = None, timeout: float = 1800.0
    ) -> None:
        self.name = address or "local"
        self._address, self._workers, self._timeout = address, workers, timeout
        self._cluster: LocalCluster | None = None
        self._local = ExitStack()
        self._started: Client | None = None
        self._plugin = f"radlas-child-{uuid4().hex}"  # other runs may be on the same workers

    def map(
        self, work: Callable[[T], R], tasks: Sequence[T], *, gpu: bool = False
    ) -> Iterator[Done[T, R]]:
        """See ``Engine.map``. A task that fails by one of ``_AGAIN`` has a second try at the end.

        Raises:
            ConfigError: No scheduler answers at the address; or workers cannot import the work.
            WorkerError: The scheduler is lost; or no worker of this machine can start its child.
        """
        if not tasks:
            return
        if not importable(work):
            name = getattr(work, "__name__", work)
            what = f"{name} is defined in the program that runs: workers cannot import it"
            raise ConfigError(what, self.name, "put it into a module, or use the serial engine")
        waiting = iter(tasks)
        labelled = self._workers_there(gpu=True) if gpu else 0
        resources = {"GPU": 1} if labelled else None
        window = _TASKS_PER_WORKER * (labelled or self._workers_there())
        owners: dict[Any, T] = {}

        def submit(task: T) -> Future:
            sealed = seal(work, task)
            with scheduler_there():
                future = self._client.submit(
                    _isolated, self._plugin, sealed, pure=False, resources=resources
                )
            owners[future.key] = task
            return future

        answered, crashed = False, list[T]()
        running = as_completed([submit(task) for task in islice(waiting, window)])
        with _lookout(self._client, self.name):
            for future in running:
                done = _collect(future, owners.pop(future.key))
                for task in islice(waiting, 1):
                    running.add(submit(task))
                reason = done.error.reason if isinstance(done.error, WorkerError) else ""
                answered = answered or reason != "no_workers"
                if done.error and not answered and self._cluster:
                    raise done.error  # no other machine may be better, and no task will
                if reason in _AGAIN:
                    crashed.append(done.task)
                else:
                    yield done
            for task in crashed:
                yield _collect(submit(task), task, attempt=2)

    def bundle(self, tasks: int) -> int:
        """See ``Engine.bundle``: so that every worker has a few; a GPU gets whole batches."""
        labelled = self._workers_there(gpu=True)
        if labelled:
            batches = tasks // (_TASKS_PER_WORKER * labelled * GPU_BATCH)
            return min(tasks, max(1, min(LARGEST_BUNDLE // GPU_BATCH, batches)) * GPU_BATCH)
        return max(1, min(LARGEST_BUNDLE, tasks // (_TASKS_PER_WORKER * self._workers_there())))

    def close(self) -> None:
        """Leave the scheduler and end our processes, or the local cluster."""
        with self._undisturbed():
            if self._started is not None:
                self._leave(self._started)
            self._local.close()

    def _leave(self, client: Client) -> None:
        until = time.monotonic() + _SEARCH
        while client.status == "connecting" and time.monotonic() < until:
            time.sleep(0.05)  # a search that is broken off tells its traceback
        if self._cluster is None and client.status == "running":
            # One that is gone has no workers; one that was started anew knows no plugin of ours.
            with suppress(OSError, TimeoutError, RuntimeError, ValueError):
                client.unregister_worker_plugin(self._plugin)
        client.close()

    def _undisturbed(self) -> AbstractContextManager[None]:
        """Where begin and end are short: who waits for another machine may grow tired of it."""
        return nullcontext() if self._address else undisturbed()

    @property
    def _client(self) -> Client:
        if self._started is None:
            with self._undisturbed():
                self._started = self._start()
        return self._started

    def _start(self) -> Client:
        environments: Environments = {}
        if self._address is None:
            here = self._local.enter_context(local_cluster(self._workers))
            self._cluster, environments = here
        client = connected(self._cluster or self._address, self.name)
        with ExitStack() as if_refused:
            if_refused.callback(client.close)
            with scheduler_there():
                plugin = _ChildPlugin(self._timeout, environments)
                client.register_plugin(plugin, name=self._plugin)
            if_refused.pop_all()
        return client

    def _workers_there(self, *, gpu: bool = False) -> int:
        """How many workers there are; or those that are labelled for a GPU's work."""
        told = self._client.scheduler_info(n_workers=-1)
        if "workers" not in told:  # by a client that has given up
            raise scheduler_lost()
        workers = told["workers"].values()
        if gpu:
            return sum(bool(worker["resources"].get("GPU")) for worker in workers)
        return max(1, len(workers))  # one that is lost for a moment comes back


class _ChildPlugin(WorkerPlugin):
    """Gives every worker its child process; one with several threads still has one."""

    child: Child

    def __init__(self, timeout: float, environments: Environments) -> None:
        self.timeout, self.environments = timeout, environments

    def setup(self, worker: Any) -> None:
        self.child = Child(self.timeout, self.environments.get(worker.name))

    def teardown(self, worker: Any) -> None:
        self.child.close()


def _isolated(name: str, sealed: bytes) -> bytes | WorkerError:
    """The worker never opens what it passes on: it would import all that its child does."""
    plugin: Any = get_worker().plugins.get(name)
    if plugin is None:  # its scheduler was started anew, and was never told of it
        return scheduler_lost()
    answer: bytes | WorkerError = plugin.child.call(sealed)
    return answer


@contextmanager
def _lookout(client: Client, where: str) -> Iterator[None]:
    """Say so when no worker is left, and when one is back: a queue of workers may bring new ones.

    Nothing else would tell that a run waits, and for what.
    """
    over = threading.Event()

    def look() -> None:
        alone = False
        while not over.wait(_WATCH_INTERVAL):
            with suppress(OSError, TimeoutError, ValueError, KeyError):  # if lost, told elsewhere
                before, alone = alone, not client.scheduler_info(n_workers=-1)["workers"]
                if alone != before:
                    said = "no worker is left, waiting for one" if alone else "a worker is back"
                    print(f"{where}: {said}", file=sys.stderr, flush=True)

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()


def _collect(future: Future, task: T, attempt: int = 1) -> Done[T, Any]:
    """What became of a future; the loss of its whole worker is the task's error, and told.

    Raises:
        WorkerError: The scheduler is gone, and with it everything that was not finished.
    """
    with scheduler_there():
        error = future.exception()
        answer: bytes | WorkerError = b"" if error is not None else future.result()
    if error is not None:
        # Dask's text names machines, and the ledger, where this is kept, travels to other sites.
        what = f"the task's whole worker was lost ({type(error).__name__})"
        lost = WorkerError(what, hint="its log on that machine says more", reason="crashed")
        return Done(task, error=lost, attempt=attempt)
    if isinstance(answer, WorkerError):
        if answer.reason == scheduler_lost().reason:
            raise answer
        return Done(task, error=answer, attempt=attempt)
    return replace(unseal(answer), task=task, attempt=attempt)
