"""Shared fixtures: where the real data lies, and what its absence means."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from radlas.places import stages

# A first call may wait for a compiler, and the machine for others: time is measured in `bench`.
settings.register_profile("radlas", parent=settings(), deadline=None)
settings.load_profile("radlas")

DATA = Path(os.environ.get("RADLAS_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real patients; missing in CI is a failure, elsewhere a visible skip."""
    if DATA.is_dir():
        return DATA
    if os.environ.get("CI"):
        pytest.fail(f"the real data is missing at {DATA}; set RADLAS_DATA")
    pytest.skip(f"no real data at {DATA}; set RADLAS_DATA to run this test")


@pytest.fixture(scope="session")
def object_storage():
    """A server that speaks S3, and the variables that lead to it.

    In a process of its own, which ends with this one: clients hold the interpreter while they wait.
    """
    server = Path(__file__).with_name("object_storage.py")
    with subprocess.Popen(
        [sys.executable, str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip()
        assert url, "the server did not begin"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", url)
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            patch.setenv("AWS_REGION", "us-east-1")
            yield url
        process.stdin.close()


@pytest.fixture
def bucket(object_storage, tmp_path, monkeypatch):
    """An empty prefix of a bucket, as seen from a machine that never used it."""
    monkeypatch.setenv("RADLAS_HOME", str(tmp_path / "home"))
    return f"s3://radlas/{uuid.uuid4().hex}"


@pytest.fixture
def full_disk(monkeypatch) -> Callable[[str], AbstractContextManager[None]]:
    """A disk without room for what is prepared under a name, while a context lasts."""
    made = stages.new_stage

    @contextmanager
    def full(name: str) -> Iterator[None]:
        def stage(parent: Path) -> tuple[Path, int]:
            folder, held = made(parent)
            (folder / name).symlink_to("/dev/full")
            return folder, held

        with monkeypatch.context() as patch:
            patch.setattr(stages, "new_stage", stage)
            yield

    return full
