"""One rendered page for all tests that only read it."""

from __future__ import annotations

from typing import Any

import pytest

from radlas.report.render import render

from .fixture import make_evidence, make_images


@pytest.fixture
def evidence() -> dict[str, Any]:
    return make_evidence()


@pytest.fixture
def brief() -> dict[str, Any]:
    """Evidence with few figures, for tests of words: quick to render."""
    return {**make_evidence(), "shap": None, "cam": None, "subgroups": []}


@pytest.fixture(scope="session")
def page() -> str:
    whole = make_evidence()
    return render(whole, make_images(whole))
