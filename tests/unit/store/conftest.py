"""A small store with planted rows; no voxels."""

from datetime import UTC, datetime

import pytest

from radlas.store import delta
from radlas.store.layout import init_store


def feature_row(case, roi="tumour", image_type="original", feature_set="p-1", **values):
    return {
        "case_id": case,
        "centre": "c1",
        "subject_id": f"s{case}",
        "feature_set": feature_set,
        "roi": roi,
        "image_type": image_type,
        "reason": "",
        "input_digest": "x",
        "run_id": "r",
        "recorded_at": datetime.now(UTC),
        **values,
    }


def case_row(case, centre="c1"):
    row = {"case_id": case, "centre": centre, "subject_id": f"s{case}", "voxel_digest": "v"}
    return row | {"run_id": "r", "recorded_at": datetime.now(UTC)}


@pytest.fixture
def store(tmp_path):
    return init_store(tmp_path / "store")


@pytest.fixture
def filled(store):
    """Three cases with one feature row each."""
    delta.append(store, "cases", [case_row(case) for case in "abc"], run_id="r")
    rows = [feature_row(case, firstorder_Mean=float(i)) for i, case in enumerate("abc")]
    delta.append(store, "radiomics", rows, run_id="r")
    return store
