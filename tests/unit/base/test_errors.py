"""Errors: what, where, what to try; they travel to workers and back whole."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

import radlas
from radlas.errors import ConfigError, DataError, RadlasError, StoreError, StudyError, WorkerError
from radlas.flows.cases.row_warnings import RowWarnings
from radlas.ingest.checks import check_rois
from radlas.ingest.dicom.suspicions import absent_slices
from radlas.model import Outcome, Roi
from radlas.reasons import REASONS, data_error


@pytest.mark.parametrize("kind", [ConfigError, DataError, StoreError, StudyError, WorkerError])
def test_every_error_survives_pickling_with_all_its_parts(kind):
    error = kind("what", "where", "hint", "code")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(back) is kind
    assert (back.what, back.where, back.hint, back.reason) == ("what", "where", "hint", "code")


def test_a_message_says_what_where_and_what_to_try():
    error = RadlasError("voxels span -60 to 30", "study s2, ROI gtv", "clip first")
    assert str(error) == "voxels span -60 to 30\n  in: study s2, ROI gtv\n  try: clip first"


def test_an_outer_caller_adds_the_place_and_loses_nothing():
    error = data_error("empty_mask", "no voxel", "ROI edema").at("case 12")
    assert error.where == "case 12, ROI edema"
    assert error.hint == REASONS["empty_mask"].remedy
    assert error.reason == "empty_mask"


def test_who_knows_more_than_a_reasons_remedy_says_that_instead():
    error = data_error("empty_mask", "no voxel", hint="draw it in the T2 series")
    assert error.hint == "draw it in the T2 series" != REASONS["empty_mask"].remedy


def test_every_reason_that_is_raised_is_documented():
    """The table is complete: no module can quarantine a case under an unknown code."""
    raised = set()
    for path in Path(radlas.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "func", None)
            if isinstance(node, ast.Call) and getattr(name, "id", "") == "data_error":
                assert isinstance(node.args[0], ast.Constant | ast.Name | ast.Attribute), path
                if isinstance(node.args[0], ast.Constant):
                    raised.add(node.args[0].value)
    assert len(raised) > 5
    assert raised <= set(REASONS)


def test_an_unknown_reason_is_a_bug_of_the_caller():
    with pytest.raises(KeyError):
        data_error("no_such_reason", "what")
    with pytest.raises(KeyError):
        data_error("no_such_reason", "what", hint="a remedy of its own does not make it a reason")


def test_one_slice_and_one_voxel_are_told_in_the_singular():
    assert absent_slices(1, 21).what == ("1 slice named, and not among the 21 here")
    assert absent_slices(2, 20).what == ("2 slices named, and not among the 20 here")
    one = Roi("tumour", np.ones((1, 1, 1), dtype=bool), "seg")
    with pytest.raises(DataError, match="1 voxel, and at least 2 asked for"):
        check_rois([one], minimum_voxels=2)
    seen = RowWarnings()
    row = {"feature_set": "it", "image_type": "original", "grey_levels": 1}
    seen.look(Outcome("key", "extract", "a", "case", "ok", rows={"radiomics": (row,)}))
    assert "1 row of original in it: fewer than 4 grey levels" in seen.warnings()[0]
