"""A Dask cluster on this machine: a worker per core, and more for each GPU."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dask
from distributed import LocalCluster

from radlas.engine.gpus import GPU_SHARES, gpus, shares_of
from radlas.engine.spawn import deaf_to_interrupts, main_left_alone
from radlas.errors import WorkerError

_GUARD = 'start fewer, as local:1; and in a script only under `if __name__ == "__main__":`'
_START = 60  # workers that can start have started [s]
_SETTINGS = {
    "distributed.worker.daemon": False,  # a daemon may not have the child
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    # Workers only wait for their children: what watches them would take a twelfth of two cores.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


@contextmanager
def local_cluster(workers: int | None) -> Iterator[LocalCluster]:
    """Workers on this machine, while the context lasts; a worker that dies is started again.

    Args:
        workers: Processes; None for one per core. Those of GPUs come on top.

    Raises:
        WorkerError: They did not start.
    """
    with dask.config.set(_SETTINGS), main_left_alone():
        cluster = _start(workers)
        try:
            yield cluster
        finally:
            cluster.close()


def _start(workers: int | None) -> LocalCluster:
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise WorkerError("a worker that starts ran into the script's engine", hint=_GUARD)
    with deaf_to_interrupts():
        try:
            cluster = LocalCluster(
                n_workers=workers or len(os.sched_getaffinity(0)),
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                # A page is served all the same, and is to be in nobody's way.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.ERROR,
            )
        except RuntimeError as error:  # each has told why, above
            what = f"the workers of this machine did not start: {error}"
            raise WorkerError(what, "local engine", _GUARD, "no_workers") from None
        return _with_gpus(cluster, gpus())


def _with_gpus(cluster: LocalCluster, devices: Sequence[str]) -> LocalCluster:
    """More workers for each GPU, which see that one alone and are labelled for the work.

    While one computes, the others prepare images, each under an interpreter's lock of its own.
    dask-cuda's worker does the same and keeps Dask's own data on the device; our tasks return rows.
    """
    for device in devices:
        shares = shares_of(device)
        for share in range(shares):
            template = cluster.new_worker_spec()
            (spec,) = template.values()
            sees = {"CUDA_VISIBLE_DEVICES": device, GPU_SHARES: str(shares)}
            environment = {**spec["options"].get("env", {}), **sees}
            options = {**spec["options"], "resources": {"GPU": 1}, "env": environment}
            cluster.worker_spec[f"gpu-{device}-{share}"] = {**spec, "options": options}
    if devices:
        cluster.scale(len(cluster.worker_spec))
        try:
            cluster.wait_for_workers(len(cluster.worker_spec), timeout=_START)
        except TimeoutError:
            cluster.close()
            hint = "fewer processes on this machine, or a cluster of your own: --engine tcp://…"
            what = f"the GPUs' workers did not start within {_START} s"
            raise WorkerError(what, "local engine", hint, "no_workers") from None
    return cluster
