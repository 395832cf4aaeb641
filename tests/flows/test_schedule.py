"""Retraining again and again: rounds are told, failures too, and it ends when it is asked to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from radlas.cli import schedule

from .conftest import radlas


@pytest.fixture
def config(own_store, study_file, tmp_path):
    path = tmp_path / "retrain.yaml"
    path.write_text(f"store: {own_store}\nstudy: {study_file}\nsnapshot: first\n")
    return path


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


def test_what_is_wrong_is_said_before_anybody_waits(config, tmp_path):
    assert radlas("schedule", config, "--every", "sometimes").code == 2
    config.write_text(config.read_text().replace("study:", "sutdy:"))
    said = radlas("schedule", config, "--every", "1d", "--at", "03:00")
    assert said.code == 2
    assert "unknown key `sutdy`" in said.err
