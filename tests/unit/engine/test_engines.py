"""Engines: serial is the reference; a poisoned task costs itself and nothing else."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import poison
import pytest
from dask import config
from distributed.comm import CommClosedError
from distributed.deploy.cluster import Cluster
from distributed.scheduler import KilledWorker

from radlas.engine import dask, isolate
from radlas.engine.base import SerialEngine
from radlas.engine.dask import DaskEngine, _collect, _lookout
from radlas.engine.isolate import Child, seal, unseal
from radlas.engine.local import local_cluster, workers_there
from radlas.engine.memory import memory
from radlas.entry import make_engine
from radlas.errors import ConfigError, WorkerError


@pytest.fixture
def child():
    child = Child(timeout=20)
    yield child
    child.stop()


@pytest.fixture(scope="module")
def dask_engine():
    engine = DaskEngine(workers=2, timeout=4)
    yield engine
    engine.close()


def test_dask_gives_what_serial_gives(dask_engine):
    tasks = [0, 1, 2, 4, 6, 8]
    serial = {one.task: one.result for one in SerialEngine().map(poison.work, tasks)}
    here = {one.task: one.result for one in dask_engine.map(poison.work, tasks)}
    assert serial == here == {task: task * task for task in tasks}


def test_workers_of_this_machine_are_no_processes_but_their_children_are(dask_engine):
    done = list(dask_engine.map(poison.parent, list(range(8))))
    assert {one.result for one in done} == {os.getpid()}
    assert len({one.worker for one in done}) == 2


def test_a_container_gets_a_worker_per_core_of_its_share(monkeypatch):
    """As `docker run --cpus 3` gives it, or a pod's limit: it sees all cores of the machine."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64))
    monkeypatch.setattr("os.process_cpu_count", lambda: 64, raising=False)
    monkeypatch.setattr("dask.system.psutil", None)
    monkeypatch.setattr("dask.system._try_extract_cgroup_cpu_quota", lambda: (300_000, 100_000))
    with local_cluster(None) as (cluster, _):
        assert len(cluster.workers) == 3


@pytest.mark.parametrize(("gib", "workers"), [(1, 1), (4, 3), (20, 16), (64, 16)])
def test_no_more_workers_start_by_themselves_than_memory_holds(monkeypatch, gib, workers):
    """A laptop of sixteen cores and as many gigabytes would have some of them killed."""
    monkeypatch.setattr("radlas.engine.local.cores", lambda: 16)
    monkeypatch.setattr("radlas.engine.local.memory", lambda: gib << 30)
    assert workers_there() == workers
    with local_cluster(None if gib < 20 else 4) as (cluster, _):
        assert len(cluster.workers) == min(workers, 4)


def test_a_container_has_the_memory_that_it_was_given(tmp_path, monkeypatch):
    whole = memory()
    group = tmp_path / "slurm" / "job_7" / "step_0"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text("123456\n")
    told = tmp_path / "cgroup"
    told.write_text("0::/slurm/job_7/step_0\n")
    monkeypatch.setattr("radlas.engine.memory._GROUPS", tmp_path)
    monkeypatch.setattr("radlas.engine.memory._OWN_GROUPS", told)
    assert memory() == 123456 < whole


def test_a_second_cluster_on_this_machine_is_in_nobodys_way(dask_engine):
    list(dask_engine.map(poison.work, [0]))
    engine = DaskEngine(workers=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert [one.result for one in engine.map(poison.work, [2])] == [4]
        engine.close()
    assert not [one for one in said if "port" in str(one.message).lower()]


def test_a_run_without_workers_says_once_what_it_waits_for_and_when_it_is_over(capsys, monkeypatch):
    monkeypatch.setattr(dask, "_WATCH_INTERVAL", 0.01)
    there = iter([{"a": 1}, {}, {}, {}, {"b": 1}, {"b": 1}])
    seen = threading.Event()

    def scheduler_info(n_workers):
        workers = next(there, None)
        if workers is None:
            seen.set()
            raise OSError("gone")
        return {"workers": workers}

    with _lookout(SimpleNamespace(scheduler_info=scheduler_info), "tcp://here:8786"):
        assert seen.wait(10)
    assert capsys.readouterr().err.splitlines() == [
        "tcp://here:8786: no worker is left, waiting for one",
        "tcp://here:8786: a worker is back",
    ]


def test_a_crash_a_hang_bad_data_and_a_bug_cost_one_task_each(dask_engine):
    """Of 40 tasks 4 are poisoned: those 4 are named, the other 36 finish."""
    done = {one.task: one for one in dask_engine.map(poison.work, list(range(40)))}
    assert sorted(done) == list(range(40))
    reasons = {task: one.error.reason for task, one in done.items() if one.error}
    assert reasons == {3: "crashed", 5: "timeout", 7: "empty_mask", 9: "bug"}
    assert done[3].attempt == 2, "a crash has one more try, alone"
    assert "exit code -11" in done[3].error.what


def test_a_process_whose_device_failed_is_replaced_and_its_task_tried_again(dask_engine, tmp_path):
    markers = [str(tmp_path / "first"), str(tmp_path / "second")]
    done = list(dask_engine.map(poison.fails_with_its_device, markers))
    assert [one.error for one in done] == [None, None]
    assert {one.attempt for one in done} == {2}
    for one in done:
        assert str(one.result) != Path(one.task).read_text()


def test_a_process_that_nobody_asks_ends(monkeypatch):
    """It may hold a GPU's memory, and its run may have been killed."""
    monkeypatch.setattr(isolate, "_IDLE_TIMEOUT", 0.1)
    ours, theirs = multiprocessing.Pipe()
    ours.send_bytes(seal(poison.work, 4))
    isolate._answer_all(theirs)  # answers, and returns
    assert ours.recv_bytes() == isolate._HERE
    assert unseal(ours.recv_bytes()[1:]).result == 16


def test_a_process_whose_asker_was_killed_ends_without_a_word():
    """Its traceback would stand where somebody looks for why the run ended."""
    ours, theirs = multiprocessing.Pipe()
    ours.send_bytes(seal(poison.work, 4))
    ours.close()  # the task is in its hands: nobody will take the answer
    isolate._answer_all(theirs)


def test_a_process_ends_with_its_worker_in_the_middle_of_a_task():
    """It would compute for nobody, beside the run that was started anew."""
    code = (
        "import poison\n"
        "from radlas.engine.isolate import Child, seal\n"
        "Child(timeout=600).call(seal(poison.says_who_it_is, 600))\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        number = int(worker.stderr.readline())
        worker.kill()
        try:  # who can still write to it lives
            assert worker.communicate(timeout=30) == (None, "")
        except subprocess.TimeoutExpired:
            os.kill(number, signal.SIGKILL)
            raise


def test_ctrl_c_is_heard_by_one_process_which_ends_the_others():
    """A terminal sends it to all of them: each worker would print its traceback.

    And Python's tracker would tell of the locks that they left.
    """
    code = (
        "import signal\n"
        "import poison\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from radlas.engine.dask import DaskEngine\n"
        "engine = DaskEngine(workers=2)\n"
        "try:\n"
        "    for done in engine.map(poison.waits, [0.1, 60, 60, 60]):\n"
        "        print(done.result, flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "finally:\n"
        "    engine.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        run.stdout.readline()
        os.killpg(run.pid, signal.SIGINT)
        said, erred = run.communicate(timeout=60)
    assert (said, erred, run.returncode) == ("interrupted\n", "", 0)


PROGRAM = """
import poison
from radlas.engine.dask import DaskEngine
def work(task):
    return -task
print("begun", flush=True)
engine = DaskEngine(workers=1)
try:
    print(sum(done.result for done in engine.map({work}, [4, 6])))
finally:
    engine.close()
print(__spec__)
"""


def run_program(way, work, folder):
    """As people run one: its exit code, and what it said."""
    program = PROGRAM.format(work=work)
    if way == "guarded":
        top, bottom = program.split("print", 1)
        body = ("print" + bottom).replace("\n", "\n    ")
        program = f"{top}if __name__ == '__main__':\n    {body}\n"
    (folder / "program.py").write_text(program)
    asked = {"stdin": ["-"], "command": ["-c", program]}.get(way, ["program.py"])
    run = subprocess.run(
        [sys.executable, *asked],
        input=program,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr


@pytest.mark.parametrize("way", ["script", "guarded", "stdin", "command"])
def test_a_program_runs_once_however_it_was_started(way, tmp_path):
    """What Python spawns would run it again: for a script without a guard, all of its work."""
    assert run_program(way, "poison.work", tmp_path) == (0, "begun\n52\nNone\n", "")


def test_what_dask_waited_for_in_vain_as_it_ended_is_told_to_nobody(caplog):
    """A timer of its own that runs out then would look like a failure of the run."""
    with local_cluster(1) as (cluster, _):
        loop = cluster.loop.asyncio_loop
        waited = loop.create_future()
        waited.set_exception(TimeoutError("Timeout"))
        del waited
        gc.collect()
    assert "asyncio" not in {record.name for record in caplog.records}


def test_work_of_a_guarded_script_is_found_by_its_workers(tmp_path):
    assert run_program("guarded", "work", tmp_path) == (0, "begun\n-10\nNone\n", "")


def test_no_process_runs_what_lies_in_the_folder_that_somebody_stands_in(tmp_path):
    """Of a hospital's files one may be called like a module of Python's."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("signal", "socket", "pickle", "runpy", "struct"):
        (source / f"{name}.py").write_text(f"print('of the source: {name}')\nraise SystemExit(9)")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(work="poison.work"))
    run = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        cwd=source,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "begun\n52\nNone\n", "")


def test_what_dask_says_of_a_lost_worker_names_no_machine():
    """The ledger keeps it and travels, and machines are called like the people who sit there."""
    said = KilledWorker("_isolated-1", SimpleNamespace(address="tcp://janes-pc:4711"), 3)
    future = SimpleNamespace(exception=lambda: said)
    done = _collect(future, "task")
    assert done.error.reason == "crashed"
    assert "KilledWorker" in done.error.what
    assert "jane" not in str(done.error)


@pytest.mark.parametrize("way", ["script", "stdin"])
def test_work_that_no_worker_can_import_is_refused_with_the_remedy(way, tmp_path):
    code, _, told = run_program(way, "work", tmp_path)
    assert code == 1
    assert "ConfigError: work is defined in the program that runs" in told
    assert "try: put it into a module" in told


def test_an_engine_outside_of_a_scripts_guard_ends_it_with_the_remedy(tmp_path):
    """Each child runs into it; none starts workers of its own, and nobody waits for them."""
    code, _, told = run_program("script", "poison.work if '__main__' else 0", tmp_path)
    assert code == 1
    assert "a process that starts as a worker ran the script again" in told
    assert told.splitlines()[-2].endswith("a worker's process did not start (exit code 1)")
    assert "__name__" in told.splitlines()[-1]


def test_an_engine_that_nobody_closes_ends_with_its_program():
    """In the middle of a task: nobody waits for its end, and nobody lives on."""
    code = (
        "import poison\n"
        "from radlas.engine.dask import DaskEngine\n"
        "tasks = DaskEngine(workers=1).map(poison.waits, [0.1, 600])\n"
        "print(next(tasks).result)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stderr == ""
    assert not Path(f"/proc/{int(run.stdout)}").exists()


def test_a_run_that_was_stopped_for_long_goes_on():
    """As by Ctrl-Z, or with the laptop it is on: then nobody gave a sign of life."""
    code = (
        "import distributed.scheduler\n"
        "import poison\n"
        "distributed.scheduler.heartbeat_interval = lambda workers: 0.1\n"
        "from radlas.engine.dask import DaskEngine\n"
        "engine = DaskEngine(workers=2)\n"
        "for done in engine.map(poison.waits, [0.1] * 20):\n"
        "    print(done.error, flush=True)\n"
        "engine.close()\n"
    )
    alive = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1s"}
    with subprocess.Popen(  # unbuffered: `communicate` does not see what `readline` read ahead
        [sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0, env=alive
    ) as run:
        first = run.stdout.readline()
        os.kill(run.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(run.pid, signal.SIGCONT)
        try:
            said, _ = run.communicate(timeout=30)
        finally:
            run.kill()
    assert first + said == b"None\n" * 20


def test_engines_of_one_program_may_end_in_any_order(tmp_path):
    """What one changes of its process is no later than what the other needs."""
    (tmp_path / "program.py").write_text(
        "import sys\n"
        "import poison\n"
        "from dask import config\n"
        "from radlas.engine.dask import DaskEngine\n"
        "before = str(config.get('distributed'))\n"
        "one, other = DaskEngine(workers=1), DaskEngine(workers=1)\n"
        "print([next(engine.map(poison.work, [2])).result for engine in (one, other)])\n"
        "one.close()\n"
        "print([done.attempt for done in other.map(poison.work, [3, 2])])\n"
        "other.close()\n"
        "print(str(config.get('distributed')) == before, __spec__)\n"
    )
    run = subprocess.run(
        [sys.executable, "program.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("[4, 4]\n[1, 2]\nTrue None\n", "")


def test_nothing_of_dasks_log_is_told_of_an_engine_until_it_has_ended(monkeypatch):
    """A worker on its way out may find its scheduler gone: a traceback beside the run's report."""
    told, log = list[str](), logging.getLogger("distributed")
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    log.addHandler(handler)
    ends = Cluster._close

    async def last(cluster):
        log.error("of the engine")
        await ends(cluster)

    monkeypatch.setattr(Cluster, "_close", last)
    engine = DaskEngine(workers=1)
    try:
        list(engine.map(poison.work, [0]))
        engine.close()
        log.error("of somebody else")
    finally:
        log.removeHandler(handler)
    assert told == ["of somebody else"]


def test_a_child_that_nobody_closes_is_not_waited_for():
    """As where a second Ctrl-C came before anybody closed it: it would wait for more work."""
    code = (
        "import poison\n"
        "from radlas.engine.isolate import Child, seal, unseal\n"
        "child = Child(timeout=600)\n"
        "print(unseal(child.call(seal(poison.waits, 0))).result)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stderr == ""
    ended = time.monotonic() + 10
    while Path(f"/proc/{int(run.stdout)}/exe").exists():  # not of one that only waits to be counted
        assert time.monotonic() < ended
        time.sleep(0.05)


@pytest.fixture
def hears_ctrl_c():
    """As a program does that a person started; what runs in the background is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_second_ctrl_c_is_heard_when_all_has_ended(monkeypatch):
    """Not in the middle: Dask's own end would wait for ten seconds, and tell tracebacks."""
    engine = DaskEngine(workers=1)
    (done,) = engine.map(poison.waits, [0])
    ends = engine._client.close

    def close():
        signal.raise_signal(signal.SIGINT)
        ends()

    monkeypatch.setattr(engine._client, "close", close)
    with pytest.raises(KeyboardInterrupt):
        engine.close()
    assert not Path(f"/proc/{done.result}").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_is_started_for_no_tasks():
    engine = DaskEngine("tcp://127.0.0.1:1")  # where nobody listens
    assert list(engine.map(poison.work, [])) == []
    engine.close()


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("radlas.engine.scheduler._CONNECT_TIMEOUT", 1)
    engine = DaskEngine("tcp://127.0.0.1:1")
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        list(engine.map(poison.work, [1]))


@pytest.mark.parametrize(
    ("address", "encrypted", "told"),
    [
        ("tcp://here", False, "missing port"),
        ("tcp://here:port", False, "'port'"),
        ("tls://127.0.0.1:1", False, "TLS"),
        ("tcp://127.0.0.1:1", True, "encryption required"),
    ],
)
def test_an_address_that_cannot_be_asked_is_no_defect(address, encrypted, told, monkeypatch):
    """And no client is begun: one that fails so is left half made, with a thread of its own."""
    monkeypatch.delattr(dask, "Client")
    engine = DaskEngine(address)
    with (
        config.set({"distributed.comm.require-encryption": encrypted}),
        pytest.raises(ConfigError, match=told) as caught,
    ):
        list(engine.map(poison.work, [1]))
    assert caught.value.where == address
    assert engine._started is None
    assert "tcp://host:8786" in caught.value.hint


def test_a_scheduler_that_goes_between_a_tasks_end_and_its_answer_is_told_as_that():
    """Dask tells it as an error of the system, which would read as a full disk."""

    def gone():
        raise CommClosedError("stream is closed")

    future = SimpleNamespace(exception=lambda: None, result=gone)
    with pytest.raises(WorkerError, match="the scheduler was lost") as caught:
        _collect(future, 1)
    assert caught.value.reason == "scheduler_lost"
    assert "run the same command again" in caught.value.hint


def test_a_child_that_died_is_replaced(child):
    assert child.call(seal(poison.work, 3)).reason == "crashed"
    assert unseal(child.call(seal(poison.work, 4))).result == 16


def test_a_child_that_is_closed_is_ended_in_its_task_and_followed_by_none(child):
    number = unseal(child.call(seal(poison.waits, 0))).result
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(child.call, seal(poison.waits, 600))
        while child._one_at_a_time.acquire(blocking=False):  # it has not begun
            child._one_at_a_time.release()
        child.close()
        assert answer.result().reason in {"crashed", "no_workers"}
    assert not Path(f"/proc/{number}").exists()
    assert child.call(seal(poison.work, 4)).reason == "no_workers"


def test_garbage_is_searched_for_once_a_child_has_loaded_what_it_needs(child):
    said = [unseal(child.call(seal(poison.collects, k))).result for k in range(3)]
    assert said == [False, True, True]


def test_a_child_that_cannot_be_ended_is_left_behind():
    """A driver may hold its process for ever; the worker is not to wait as long."""

    class Held:
        exitcode, waited = None, []

        def join(self, seconds=None):
            self.waited.append(seconds)

        def kill(self):
            """It is not heard."""

    child, held = Child(1.0), Held()
    child._process, child._pipe = held, SimpleNamespace(close=lambda: None)
    assert child.stop() is None
    assert None not in Held.waited


@pytest.mark.parametrize(
    ("task", "reason", "told"),
    [
        ("result", "bug", "cannot leave its process: TypeError"),
        ("error", "bug", "cannot leave its process: TypeError"),
        (poison.Unknown(), "other_software", "cannot open its task: ModuleNotFoundError"),
    ],
)
def test_what_cannot_travel_is_told_as_that_and_no_process_dies_of_it(child, task, reason, told):
    here = unseal(child.call(seal(poison.travels, "no"))).result
    done = unseal(child.call(seal(poison.travels, task)))
    assert (done.result, done.error.reason) == (None, reason)
    assert told in done.error.what
    assert unseal(child.call(seal(poison.travels, "no"))).result == here, "the same process"


def test_what_libraries_print_is_no_part_of_a_report(child, capfd):
    assert unseal(child.call(seal(poison.prints, "progress"))).result is None
    assert capfd.readouterr() == ("", "progress\nprogress\n")


def test_memory_that_is_freed_is_used_again_under_dasks_own_setting(child, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")  # as a Dask worker hands it on
    pages = 100 * (1 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert unseal(child.call(seal(poison.new_pages, 100))).result < pages / 10


def test_a_task_is_told_with_what_it_cost_and_who_did_it():
    (done,) = SerialEngine().map(time.sleep, [0.1])
    assert 0.1 <= done.seconds < 60
    assert 10 < done.peak_rss_mib < 1_000_000, "MiB; Linux counts KiB"
    assert done.worker.endswith(f":{os.getpid()}")


def test_a_bug_is_told_with_its_place():
    (done,) = SerialEngine().map(poison.work, [9])
    assert done.error.what == "ValueError", "its text may quote a file"
    assert done.error.where.startswith("poison.py:")
    assert pickle.loads(pickle.dumps(done)).error.reason == "bug"  # noqa: S301 - our own bytes


def test_a_task_that_would_leave_the_program_costs_that_task_alone():
    """In this process nothing would be left to tell of it, nor of the others."""
    ended = list(SerialEngine().map(sys.exit, [3, 0]))
    assert [(one.error.what, one.error.reason) for one in ended] == [("SystemExit", "bug")] * 2


@pytest.mark.parametrize("around", [poison.fails_with_much, poison.fails_of_much])
def test_an_error_that_is_kept_keeps_nothing_that_its_frames_held(around):
    """It may be a GPU's memory, which the next task of the process needs."""
    poison.HELD.clear()
    (done,) = SerialEngine().map(around, [1])
    assert done.error.what == "too much"
    assert [one() for one in poison.HELD] == [None]


def test_workers_that_may_open_too_few_files_are_told_as_that():
    """It was a defect of radlas, with a traceback: on a machine of many cores, and few files."""
    code = """
import resource
from radlas.engine.dask import DaskEngine
from radlas.errors import WorkerError
resource.setrlimit(resource.RLIMIT_NOFILE, (48, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    list(DaskEngine(workers=16).map(abs, [1]))
except WorkerError as error:
    print(error.what, error.hint, sep=chr(10))
"""
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    what, hint = said.stdout.splitlines()
    assert what == "16 workers could not start: Too many open files"
    assert "ulimit -n" in hint
    assert "local:2" in hint


def test_a_local_engine_of_no_workers_is_wrong_use():
    """A default was made of it in silence."""
    with pytest.raises(ConfigError, match="no engine 'local:0'"):
        make_engine("local:0")
