"""Shared fixtures: where the real data lies, and what its absence means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("RADLAS_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real patients; missing in CI is a failure, elsewhere a visible skip."""
    if DATA.is_dir():
        return DATA
    if os.environ.get("CI"):
        pytest.fail(f"the real data is missing at {DATA}; set RADLAS_DATA")
    pytest.skip(f"no real data at {DATA}; set RADLAS_DATA to run this test")
