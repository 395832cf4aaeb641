"""Retraining again and again: rounds are told, failures too, and it ends when it is asked to."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import yaml
from tests.no_room import no_room

from radlas.cli import schedule
from radlas.flows.schedule import parse_schedule

from .conftest import radlas


def started(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "radlas", "schedule", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_it_ends_at_once_when_it_is_asked_to_while_it_waits(config):
    process = started(config, "--every", "1d", "--at", "03:00")
    assert "schedule: next round at" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_round_that_runs_is_ended_before_it_ends_itself(config, own_store):
    process = started(config, "--every", "1d", "--engine", "serial", "--json")
    lock = own_store / "locks" / "train.lock"
    while not (lock.exists() and lock.read_text()) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert told["exit_code"] == process.returncode == 143, err
    assert told["report"]["error"]["reason"] == "interrupted"
    assert radlas("verify", "--store", own_store).code == 0


def test_a_round_that_has_ended_is_told_however_soon_the_wish_to_end_follows(config, monkeypatch):
    child = SimpleNamespace(returncode=0, communicate=lambda: ("", None), wait=lambda: 0)
    monkeypatch.setattr(schedule.subprocess, "Popen", lambda *_, **__: child)
    monkeypatch.setattr(schedule, "_parsed", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    said = radlas("schedule", config, "--every", "1d", "--json")
    assert (said.code, said.data["round"], said.data["exit_code"]) == (0, 1, 0)


def test_a_log_without_room_ends_no_rounds_and_is_told_with_the_next(tmp_path, capsys):
    """The store's disk is often the log's: the first round that met a full one was the last."""
    with (tmp_path / "log").open("w") as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule.sys, "stdout", log)
        patch.setattr(
            schedule, "_round", lambda *_, **__: {"at": "x", "seconds": 1, "exit_code": 2}
        )
        patch.setattr(schedule, "_wait", lambda *_, **__: None)
        plan = parse_schedule("30m", "")
        with no_room():
            assert schedule._repeat(plan, [], 2, schedule._Stop(), as_json=False) == 2
        schedule._say({"round": 3, "at": "x", "seconds": 1, "exit_code": 0}, as_json=False)
    rounds = [line.split()[2] for line in (tmp_path / "log").read_text().splitlines()]
    assert rounds == ["1", "2", "3"]
    assert capsys.readouterr().err.splitlines() == ["schedule: stdout: File too large"] * 2


@pytest.mark.parametrize("as_json", [False, True])
def test_a_round_that_the_system_does_not_let_begin_is_told_and_the_next_one_comes(
    monkeypatch, capsys, as_json
):
    """It was the last: at night somebody else's job had all of the memory, or every process."""
    refusals = [OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))]
    child = SimpleNamespace(returncode=0, communicate=lambda: ("{}", None), wait=lambda: 0)

    def begin(*_, **__):
        if refusals:
            raise refusals.pop()
        return child

    monkeypatch.setattr(schedule.subprocess, "Popen", begin)
    plan = parse_schedule("30m", "")
    monkeypatch.setattr(schedule, "_wait", lambda *_, **__: None)
    assert schedule._repeat(plan, [], 2, schedule._Stop(), as_json=as_json) == 2
    said = capsys.readouterr()
    if as_json:
        first, second = (json.loads(line) for line in said.out.splitlines())
        assert (first["exit_code"], second["exit_code"]) == (2, 0)
        assert first["report"]["error"]["what"] == "Cannot allocate memory"
    else:
        assert [line.split()[2] for line in said.out.splitlines()] == ["1", "2"]
        assert said.err.splitlines() == [
            "error: Cannot allocate memory",
            "  try: fewer runs at once, or more memory for this one; running again is safe",
        ]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleep moves, or a jump; `begun` holds when rounds began: told and slept."""
    made = SimpleNamespace(now=0.0, slept=0.0, begun=[], jump=lambda before, after: 0.0)

    def sleep(seconds):
        made.slept += seconds
        made.now += seconds + made.jump(made.slept - seconds, made.slept)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(made.now, tz)  # of a class made from it it loses `fold`

    def say(*_, **__):
        made.begun.append((made.now, made.slept))

    monkeypatch.setattr(schedule, "datetime", Clock)
    monkeypatch.setattr(schedule, "time", SimpleNamespace(time=lambda: made.now, sleep=sleep))
    monkeypatch.setattr(schedule, "_say", say)
    monkeypatch.setattr(schedule, "_round", lambda *_, **__: {"exit_code": 0})
    return made


@pytest.mark.parametrize(("every", "at", "longest"), [("6h", "", 6), ("1d", "02:30", 24)])
def test_a_clock_that_is_put_back_by_a_month_keeps_no_round_waiting(clock, every, at, longest):
    def put_back(before, after):
        return -timedelta(days=30).total_seconds() if before < 7 * 3600 <= after else 0.0

    clock.now, clock.jump = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp(), put_back
    schedule._repeat(parse_schedule(every, at), [], 4, schedule._Stop(), as_json=True)
    begun = [slept / 3600 for _, slept in clock.begun]
    waits = [later - before for before, later in itertools.pairwise([0.0, *begun])]
    assert max(waits) <= longest + 0.01, begun
    assert min(waits[1:]) > 0, "nor is one begun twice"


@pytest.fixture
def berlin():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("night", [datetime(2026, 3, 28, 23), datetime(2026, 10, 24, 22)])
@pytest.mark.parametrize(("every", "at"), [("30m", ""), ("1d", "02:30")])
def test_clocks_that_are_put_on_or_back_take_and_give_no_round(clock, night, every, at):
    """In the nights of the two changes, every half hour; or about them, once a day."""
    clock.now = night.replace(tzinfo=UTC).timestamp()
    schedule._repeat(parse_schedule(every, at), [], 15, schedule._Stop(), as_json=True)
    begun = [now for now, _ in clock.begun]
    if at:
        days = [datetime.fromtimestamp(one).toordinal() for one in begun]
        assert days == list(range(days[0], days[0] + 15))
    else:
        assert {later - before for before, later in itertools.pairwise(begun)} == {1800.0}


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(("hour", "wait"), [(0, 20), (1, 20), (2, 24 * 60 - 40)])
def test_in_an_hour_that_comes_twice_the_first_round_waits_for_its_time(clock, hour, wait):
    """Begun at ten past two, of either: at the second it began at once; minutes until 02:30."""
    clock.now = datetime(2026, 10, 25, hour, 10, tzinfo=UTC).timestamp()
    schedule._repeat(parse_schedule("1d", "02:30"), [], 2, schedule._Stop(), as_json=True)
    first, second = (slept / 60 for _, slept in clock.begun)
    assert (first, second - first) == (wait, 25 * 60 if hour == 0 else 24 * 60)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"engine": "lokal"}, "no engine 'lokal'"),
        ({"engine": "local:²"}, "no engine 'local:²'"),
        ({"snapshot": "every night"}, "not a snapshot name: 'every night'"),
        ({"external_centre": None}, "the study names no external centre"),
    ],
)
def test_what_every_round_would_refuse_is_said_before_anybody_waits(
    config, study_file, tmp_path, wrong, told
):
    study = tmp_path / "study.yaml"
    external = {name: None for name in wrong if name == "external_centre"}
    study.write_text(yaml.safe_dump(yaml.safe_load(study_file.read_text()) | external))
    snapshot, engine = wrong.get("snapshot", "night"), wrong.get("engine", "local")
    config.write_text(f"store: {tmp_path}\nstudy: {study}\nsnapshot: {snapshot}\n")
    said = radlas("schedule", config, "--every", "1d", "--rounds", 1, "--engine", engine)
    assert said.code == 2
    assert said.out == "", "no round was tried"
    assert told in said.err


def test_what_is_wrong_is_said_before_anybody_waits(config, tmp_path, monkeypatch):
    assert radlas("schedule", config, "--every", "sometimes").code == 2
    config.write_text(config.read_text().replace("study:", "sutdy:"))
    said = radlas("schedule", config, "--every", "1d", "--at", "03:00")
    assert said.code == 2
    assert "unknown key `sutdy`" in said.err
    config.write_text(f"store: {tmp_path}\nstudy: {tmp_path / 'gone.yaml'}\n")
    monkeypatch.setattr(schedule, "_repeat", lambda *_, **__: 0)
    said = radlas("schedule", config, "--every", "1d", "--at", "03:00")
    assert said.code == 2
    assert "gone.yaml" in said.err
