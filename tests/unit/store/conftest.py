"""A small store with planted rows; no voxels."""

from datetime import UTC, datetime, timedelta

import pytest

from radlas.places.bucket import Bucket
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.store.leases import LEASE
from radlas.store.parts import part_name
from radlas.tables import TABLES


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


@pytest.fixture(params=["folder", "bucket"])
def address(request, tmp_path):
    """Where a store may be: all of its promises hold in both."""
    return (
        str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("bucket")
    )


# For tests of what is computed from rows: nothing there asks where they are.
here = pytest.mark.parametrize("address", ["folder"], indirect=True)


@pytest.fixture
def store(address):
    return init_store(address)


@pytest.fixture
def new_store(address):
    """Makes another store of the same kind."""
    return lambda name: init_store(f"{address}-{name}")


def part_names(store, table):
    """Where the parts of a table's newest version lie in the store."""
    return sorted(part_name(TABLES[table], part.path) for part in delta.parts(store, table))


def overwrite(store, name, data):
    """What nobody should do: change a file that never changes, as this machine will see it."""
    store.place.replace(name, data)
    if isinstance(store.place, Bucket):
        (store.place.near / name).unlink(missing_ok=True)


@pytest.fixture
def silent(monkeypatch):
    """Of a store's locks in a bucket: who holds one now will have renewed none for two minutes."""

    def since(place):
        tags, times = place._objects.tags("locks/"), Bucket.times

        def shifted(self, folder):
            now, told = self._objects.tags(f"{folder}/"), times(self, folder)
            old = {name for name, tag in tags.items() if now.get(name) == tag}
            return {n: time - timedelta(seconds=LEASE * (n in old)) for n, time in told.items()}

        monkeypatch.setattr(Bucket, "times", shifted)

    return since


@pytest.fixture
def filled(store):
    return fill(store)


def fill(store):
    """Three cases with one feature row each."""
    delta.append(store, "cases", [case_row(case) for case in "abc"], run_id="r")
    rows = [feature_row(case, firstorder_Mean=float(i)) for i, case in enumerate("abc")]
    delta.append(store, "radiomics", rows, run_id="r")
    return store
