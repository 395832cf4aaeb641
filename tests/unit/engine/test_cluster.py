"""A scheduler and worker of somebody else's, reached by tcp."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import poison
import pytest
import torch
from distributed import Client

from radlas.engine.dask import DaskEngine
from radlas.engine.gpus import (
    SHARES,
    _seen_by_torch,
    gpus,
    may_be_there,
    share_of_memory,
    shares_of,
)
from radlas.errors import ConfigError, WorkerError


@contextmanager
def cluster(*, daemon: bool, without: str = ""):
    """A scheduler with one worker, started as a person would: its address, and their processes.

    The worker's Python may be without a package.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    environment = os.environ | {"DASK_DISTRIBUTED__WORKER__DAEMON": str(daemon)}
    quiet = {"env": environment, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    port = address.rpartition(":")[2]
    worker = [*dask, "worker"]
    if without:
        start = "from distributed.cli.dask_worker import main; main()"
        lacking = f"import sys; sys.modules['{without}'] = None; {start}"
        worker = [sys.executable, "-c", lacking, "--no-nanny"]
    commands = (
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        [*worker, address, "--nthreads", "1", "--no-dashboard"],
    )
    processes = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        yield address, processes
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(10)


def test_tasks_run_on_a_cluster_that_was_there_before():
    """A second run on it ends no task of the first, and no process outlives its run."""
    with cluster(daemon=False) as (address, _):
        first, second = DaskEngine(address), DaskEngine(address)
        with ThreadPoolExecutor(1) as beside:
            long = beside.submit(lambda: list(first.map(poison.waits, [4.0])))
            time.sleep(2)
            done = {one.task: one.result for one in second.map(poison.work, [0, 1, 2, 4])}
            (waited,) = long.result()
        second.close()
        assert (waited.error, waited.attempt) == (None, 1)
        assert Path(f"/proc/{waited.result}").exists()
        first.close()
        assert not Path(f"/proc/{waited.result}").exists()
    assert done == {0: 0, 1: 1, 2: 4, 4: 16}


@pytest.mark.parametrize("when", ["in a task", "before a task", "long before"])
def test_a_scheduler_that_is_lost_is_told_as_that_whenever_it_goes(when, caplog):
    """Dask has an error of its own for every moment, and one that follows when all is closed."""
    with cluster(daemon=False) as (address, (scheduler, _)):
        engine = DaskEngine(address)
        list(engine.map(poison.work, [1]))
        engine._client._timeout = 1  # for so long it is looked for [s]
        tasks = engine.map(poison.waits, [0.1, 60])  # begins with what is asked of it first
        if when == "in a task":
            next(tasks)
        scheduler.kill()
        scheduler.wait()
        while when == "long before" and engine._client.status != "closed":
            time.sleep(0.1)
        with pytest.raises(WorkerError, match="the scheduler was lost") as caught:
            list(tasks)
        assert caught.value.reason == "scheduler_lost"
        engine.close()
    assert "CancelledError" not in caplog.text  # of a search that was broken off


@pytest.mark.parametrize("step", ["wait_for_workers", "run", "register_plugin"])
def test_a_scheduler_that_is_lost_while_a_run_begins_is_told_as_that(step, monkeypatch):
    """Dask tells it as an error of the system, which would read as a full disk."""
    ask, worker_came = getattr(Client, step), Client.wait_for_workers
    with cluster(daemon=False) as (address, (scheduler, _)):

        def too_late(client, *args, **kwargs):
            worker_came(client, 1)
            scheduler.kill()
            scheduler.wait()
            client._timeout = 1  # for so long it is looked for [s]
            return ask(client, *args, **kwargs)

        engine = DaskEngine(address)
        monkeypatch.setattr(Client, step, too_late)
        with pytest.raises(WorkerError, match="the scheduler was lost") as caught:
            list(engine.map(poison.work, [1]))
        engine.close()
    assert "run the same command again" in caught.value.hint


def test_a_scheduler_that_was_started_anew_in_the_place_of_one_is_left_in_peace():
    """It was never told what the first one was, and that is no defect of the run that leaves."""
    with cluster(daemon=False) as (address, (scheduler, _)):
        engine = DaskEngine(address)
        list(engine.map(poison.work, [1]))
        client = engine._client
        client._timeout = 60  # for so long it is looked for [s]
        scheduler.kill()
        scheduler.wait()
        anew = subprocess.Popen(
            scheduler.args, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            for wanted in ("connecting", "running"):
                while client.status != wanted:
                    time.sleep(0.02)
            engine.close()
        finally:
            anew.terminate()
            anew.wait(10)
    assert client.status == "closed"


def test_who_leaves_while_a_scheduler_is_looked_for_tells_nothing_of_the_search(
    monkeypatch, caplog
):
    """One that was started anew may answer before the client that looks for it has found it."""

    def unknown(_):
        raise ValueError("no such plugin")

    with cluster(daemon=False) as (address, (scheduler, _)):
        engine = DaskEngine(address)
        list(engine.map(poison.work, [1]))
        client = engine._client
        client._timeout = 1  # for so long it is looked for [s]
        monkeypatch.setattr(client, "unregister_worker_plugin", unknown)
        scheduler.kill()
        scheduler.wait()
        while client.status != "connecting":
            time.sleep(0.02)
        engine.close()
    assert client.status == "closed"
    assert "CancelledError" not in caplog.text


def test_a_cluster_that_was_started_anew_between_two_steps_of_a_run_is_told_as_that():
    """Its workers know nothing of the run; none of them was lost with a task."""
    with cluster(daemon=False) as (address, processes):
        engine = DaskEngine(address)
        list(engine.map(poison.work, [1]))
        client = engine._client
        client._timeout = 60  # for so long it is looked for [s]
        for process in reversed(processes):
            process.kill()
            process.wait()
        quiet = {
            "env": os.environ | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"},
            "stderr": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
        }
        anew = [subprocess.Popen(process.args, **quiet) for process in processes]
        try:
            while client.status != "running":
                time.sleep(0.02)
            client.wait_for_workers(1)
            with pytest.raises(WorkerError, match="the scheduler was lost") as caught:
                list(engine.map(poison.work, [1]))
            assert "run the same command again" in caught.value.hint
            engine.close()
        finally:
            for process in reversed(anew):
                process.terminate()
                process.wait(10)


def test_a_gpus_work_goes_to_the_workers_that_have_it_and_see_it_alone(monkeypatch):
    """Named here, not there: what a worker is labelled for needs no GPU to be seen."""
    monkeypatch.setattr("radlas.engine.local.gpus", lambda: ["0", "1"])
    engine = DaskEngine(workers=1)
    try:
        assert [engine.bundle(tasks) for tasks in (10, 100, 600, 9000)] == [10, 16, 32, 32]
        waits = [0.5] * 4 * SHARES
        found = list(engine.map(poison.visible_gpus, waits, gpu=True))
        elsewhere = [one.result for one in engine.map(poison.work, [1, 2])]
    finally:
        engine.close()
    assert len(found) == len(waits)
    for device in "01":
        workers = {one.worker for one in found if one.result == (device, str(SHARES))}
        assert len(workers) == SHARES
    assert sorted(elsewhere) == [1, 4]


@pytest.mark.parametrize(
    ("mode", "shares"), [("Default", SHARES), ("Exclusive_Process", 1), ("[N/A]", SHARES)]
)
def test_a_gpu_that_lets_in_one_process_gets_one_worker(mode, shares, monkeypatch, tmp_path):
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\ntest $1 = --id=7 && echo '{mode}'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shares_of("7") == shares


@pytest.mark.parametrize("said", ["0", "-1", "three", ""])
def test_a_share_that_is_none_is_wrong_use(said, monkeypatch):
    monkeypatch.setenv("RADLAS_GPU_SHARES", said)
    with pytest.raises(ConfigError, match="no number of workers that share a GPU"):
        share_of_memory()


def test_where_there_is_no_driver_to_ask_a_gpu_is_shared(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shares_of("0") == SHARES


@pytest.mark.parametrize(
    ("named", "expected"),
    [("", []), ("-1", []), ("2", ["2"]), ("0, 3", ["0", "3"]), ("GPU-8a", ["GPU-8a"])],
)
def test_the_gpus_are_those_that_the_environment_names(monkeypatch, named, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 2)
    assert gpus() == expected


def test_parts_of_a_gpu_are_used_all_though_cuda_shows_one_at_a_time(monkeypatch):
    parts = ["MIG-1a", "MIG-2b", "MIG-3c"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(parts))
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 1)
    assert gpus() == parts
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 0)
    assert gpus() == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], ["0", "1"]),
        (["dxg"], ["0", "1"]),  # Linux within Windows: else every worker would take it for its own
        (["nvidiactl", "null"], []),
    ],
)
def test_a_gpu_is_known_by_its_device_file(monkeypatch, tmp_path, files, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("radlas.engine.gpus._DEVICES", tmp_path)
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 2)
    for name in files:
        (tmp_path / name).touch()
    assert gpus() == expected


@pytest.mark.parametrize(
    ("files", "named", "expected"),
    [
        (["null"], None, False),
        (["nvidia0"], None, True),
        (["kfd", "dri"], None, True),  # AMD's, which torch calls cuda
        (["nvidia0"], "", False),
        (["nvidia0"], "-1", False),
        (["null"], "0abc", True),  # CUDA reads it as 0
    ],
)
def test_torch_is_asked_wherever_it_might_find_a_gpu(monkeypatch, tmp_path, files, named, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr("radlas.engine.gpus._DEVICES", tmp_path)
    for name in files:
        (tmp_path / name).touch()
    assert may_be_there() == expected


def test_gpus_that_torch_cannot_use_get_no_worker_and_are_told(monkeypatch, caplog):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 1)
    assert gpus() == ["0"]
    assert not caplog.messages
    monkeypatch.setattr("radlas.engine.gpus._seen_by_torch", lambda: 0)
    assert gpus() == []
    assert caplog.messages == [
        "there are GPUs, but torch cannot use them: processors do their work (0, 1)"
    ]


def test_torch_is_asked_in_a_process_of_its_own():
    assert _seen_by_torch() == torch.cuda.device_count()


@pytest.mark.parametrize(
    "words", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_a_port_where_something_else_listens_is_told_and_not_waited_for(words, monkeypatch):
    """Of one that says nothing Dask hears for ever; of another's words it takes the memory."""
    monkeypatch.setattr("radlas.engine.scheduler._CONNECT_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as beside:
        port = server.getsockname()[1]

        def answer():
            line, _ = server.accept()
            with line:
                line.sendall(words)
                line.settimeout(60)
                while line.recv(4096):  # until who asks hangs up
                    pass

        beside.submit(answer)
        engine = DaskEngine(f"tcp://127.0.0.1:{port}")
        with pytest.raises(ConfigError, match="does not answer as a Dask scheduler") as caught:
            list(engine.map(poison.work, [1]))
        engine.close()
    assert "look at host and port" in caught.value.hint


def test_workers_that_may_not_have_a_child_are_refused_with_the_remedy():
    with cluster(daemon=True) as (address, _):
        engine = DaskEngine(address)
        with pytest.raises(ConfigError, match="DASK_DISTRIBUTED__WORKER__DAEMON=False"):
            list(engine.map(poison.work, [1]))
        engine.close()


def test_a_worker_without_this_radlas_is_named_with_the_remedy():
    with cluster(daemon=False, without="radlas") as (address, _):
        engine = DaskEngine(address)
        with pytest.raises(ConfigError, match=r"the worker at tcp://.* cannot open") as caught:
            list(engine.map(poison.work, [1]))
        engine.close()
    assert "No module named 'radlas" in caught.value.what
    assert "the same radlas" in caught.value.hint
