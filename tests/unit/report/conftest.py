"""One rendered page for all tests that only read it."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from radlas.report.figures import ground
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


@pytest.fixture
def painted(monkeypatch) -> dict[str, Figure]:
    """Figures by their keys, as they are painted; what is made of voxels is called ``png``."""
    made: dict[str, Figure] = {}

    def paint_on(key: str, paint: ground.Paint) -> Markup:
        made[key] = Figure()
        paint(made[key])
        return Markup()

    monkeypatch.setattr(ground, "svg", lambda key, _size, paint, _alt: paint_on(key, paint))
    monkeypatch.setattr(ground, "png", lambda _size, paint, _alt: paint_on("png", paint))
    return made
