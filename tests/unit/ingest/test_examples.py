"""Examples in docstrings say what is so."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    "clinical_words deidentify dicom.losses dicom.polygons issuers namesakes sequences".split(),
)
def test_the_examples_in_docstrings_are_true(name):
    found = doctest.testmod(importlib.import_module(f"radlas.ingest.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
