"""A Dask cluster in this process: a worker per core, and more for each GPU, each with a child.

Workers that only pass on what their children do need no processes of their own: each would take a
second to start and a hundred megabytes to keep.
"""

from __future__ import annotations

import logging
import multiprocessing
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import dask
from dask.system import cpu_count
from distributed import LocalCluster

from radlas.engine.gpus import GPU_SHARES, gpus, shares_of
from radlas.engine.memory import memory
from radlas.errors import WorkerError, remedy
from radlas.words import counted

_SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    # They live as long as the scheduler. After Ctrl-Z or a laptop's sleep all would seem lost.
    "distributed.scheduler.worker-ttl": None,
    # Workers only wait for their children: what watches them would take a twelfth of two cores.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}
_CHILD = 5 << 28  # what a worker's child takes of memory, half of it a network's filters [B]
_CLOSE_TIMEOUT = 60  # who hears nothing meanwhile is not to wait for ever [s]
Environments = Mapping[str, Mapping[str, str]]


def cores() -> int:
    """How many there are for us: a container that sees all of a machine may have a share of it."""
    there: int = cpu_count()
    return there


def workers_there() -> int:
    """How many start if nobody says how many: one per core, if there is memory for all of them.

    Those for whom there is none would be killed by the system, and with them what they worked on.
    """
    return max(1, min(cores(), memory() // _CHILD))


@contextmanager
def local_cluster(workers: int | None) -> Iterator[tuple[LocalCluster, Environments]]:
    """Workers of this machine, while the context lasts; and what variables some give their child.

    Args:
        workers: How many; None for those of ``workers_there``. Those of GPUs come
            on top.

    Raises:
        WorkerError: This process is a worker's child.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        hint = 'start it only under `if __name__ == "__main__":`'
        raise WorkerError("a process that starts as a worker ran the script again", hint=hint)
    with _quiet(), ExitStack() as until_the_end:
        with dask.config.set(_SETTINGS):
            cluster = _start(workers or workers_there())
            until_the_end.callback(cluster.close, timeout=_CLOSE_TIMEOUT)
            environments = _with_gpus(cluster)
        yield cluster, environments


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs nothing within: a worker that ends may find its scheduler gone, with a traceback.

    What matters of it is raised. Several engines may end in any order.
    """

    def nothing(record: logging.LogRecord) -> bool:
        return False

    handlers = logging.getLogger("distributed").handlers.copy()
    for handler in handlers:
        handler.addFilter(nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(nothing)


def _start(workers: int) -> LocalCluster:
    with warnings.catch_warnings():
        # Its name for this process holds the machine's address, which one without a network lacks.
        warnings.filterwarnings("ignore", "Couldn't detect a suitable IP", RuntimeWarning)
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=False,
                memory_limit=0,  # what is large is their children's
                dashboard_address=None,
                # A page is served all the same, and is to be in nobody's way.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=False,  # not until the end of its end: see above
            )
        except RuntimeError as error:
            if told := _unstarted(error, workers):
                raise told from error
            raise
    # What its coroutines wait for may come as they end, and its own loop would tell of it.
    if cluster.loop is not None:
        cluster.loop.asyncio_loop.set_exception_handler(_nobody)  # type: ignore[attr-defined]
    return cluster


def _unstarted(error: BaseException, workers: int) -> WorkerError | None:
    """Dask's error of workers that do not start, if the system refused them something."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    what = f"{counted(workers, 'worker')} could not start: {cause.strerror or cause}"
    hint = remedy(cause) or "look at the folder for temporary files"
    return WorkerError(what, hint=f"{hint}; or fewer workers, as local:2", reason="no_workers")


def _nobody(loop: AbstractEventLoop, context: Mapping[str, object]) -> None:
    """Nobody is told, as by the loggers within."""


def _with_gpus(cluster: LocalCluster) -> Environments:
    """More workers for each GPU, labelled for the work; their children see that one alone.

    While one computes, the others prepare images, each under an interpreter's lock of its own.
    dask-cuda's worker does the same and keeps Dask's own data on the device; our tasks return rows.
    """
    environments: dict[str, Mapping[str, str]] = {}
    for device in gpus():
        shares = shares_of(device)
        for share in range(shares):
            (spec,) = cluster.new_worker_spec().values()
            options = {**spec["options"], "resources": {"GPU": 1}}
            name = f"gpu-{device}-{share}"
            cluster.worker_spec[name] = {**spec, "options": options}
            environments[name] = {"CUDA_VISIBLE_DEVICES": device, GPU_SHARES: str(shares)}
    if environments:
        cluster.scale(len(cluster.worker_spec))
        cluster.wait_for_workers(len(cluster.worker_spec))
    return environments
