"""The batch script of SLURM, run by bash with a stand-in for what SLURM brings."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "infra" / "slurm" / "workers.sbatch"


@pytest.fixture
def submitted(tmp_path):
    """Run the script as SLURM would, in a folder with a `.venv`; what it said, or asked of srun."""
    tools = tmp_path / "tools"
    for tool in (tools / "srun", tmp_path / ".venv" / "bin" / "dask"):
        tool.parent.mkdir(parents=True)
        tool.write_text('#!/bin/sh\necho "$DASK_DISTRIBUTED__WORKER__DAEMON" "$@"\n')
        tool.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"

    def run(**environment):
        known = {"PATH": path, "SLURM_SUBMIT_DIR": str(tmp_path), **environment}
        return subprocess.run(
            ["bash", SCRIPT], env=known, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def scheduler():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def test_workers_may_have_children_and_one_that_dies_ends_no_other(submitted, scheduler):
    done = submitted(SCHEDULER=scheduler)
    assert done.returncode == 0, done.stderr
    daemon, *words = done.stdout.split()
    assert daemon == "False"
    assert words[0] == "--kill-on-bad-exit=0"
    assert words[2:4] == ["worker", scheduler]


def test_workers_are_labelled_for_a_gpu_where_slurm_gives_each_one(submitted, scheduler):
    assert "--resources" not in submitted(SCHEDULER=scheduler).stdout
    assert "--resources GPU=1" in submitted(SCHEDULER=scheduler, SLURM_GPUS_PER_TASK="1").stdout


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "say where: --export=ALL,SCHEDULER=tcp://host:8786"),
        ({"SCHEDULER": "tcp://127.0.0.1:9"}, "no scheduler answers at tcp://127.0.0.1:9 from"),
        ({"SCHEDULER": "tcp://[::1]:9"}, "no scheduler answers at tcp://[::1]:9 from"),
        ({"SCHEDULER": "tcp://h:1", "RADLAS_VENV": "/gone"}, "no /gone/bin/dask on this node"),
    ],
)
def test_what_is_missing_is_told_once_and_no_worker_starts(submitted, environment, told):
    done = submitted(**environment)
    assert done.returncode != 0
    assert done.stderr.count(told) == 1
    assert done.stdout == ""
