"""One small cohort for all tests that read files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from radlas.phantom import PhantomConfig, write_cohort


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrix products gain nothing from threads and lose much on a busy machine."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects, two per centre, written by one process."""
    out = tmp_path_factory.mktemp("phantom") / "cohort"
    write_cohort(PhantomConfig(out=out, subjects=6, seed=3, workers=1))
    return out
