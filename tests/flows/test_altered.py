"""A store that was copied, edited or damaged: whatever a file of it says, no verb ends in a defect.

What is not as radlas wrote it is told as that, with where it lies and what to try.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radlas.digests import canonical_json, file_digest
from radlas.entry import DEFECT
from radlas.errors import RadlasError
from radlas.flows import report
from radlas.flows.pages import evidence
from radlas.flows.report import cam_images, gather, work
from radlas.flows.study.looks import count_look
from radlas.flows.study.published import load_model
from radlas.flows.validate import ModelTask
from radlas.learn.persist import MANIFEST
from radlas.store.layout import open_store

from .conftest import radlas

VERSION = "models/tiny/1"
ODD = (None, "x", -1, 7, 1e300, [], {}, True, [[1]], "\ud800")
GONE = object()
LIVE = (("status",), ("query", "select count(*) from radiomics"), ("compact",))
FROZEN = (("query", "from rois", "--snapshot", "first"), ("snapshot", "list"))
SNAPSHOT = (("snapshot", "show", "first"), *FROZEN)
REGISTRY = (("model", "list"), ("model", "show", "tiny"))


@pytest.fixture(scope="module")
def store(study_store, tmp_path_factory) -> Path:
    """A copy that this module alters, and mends again; somebody was made champion."""
    own = tmp_path_factory.mktemp("altered") / "own"
    shutil.copytree(study_store, own)
    shutil.copy(f"{study_store}.key", f"{own}.key")
    assert radlas("model", "promote", "tiny@1", "--why", "the first", "--store", own).code == 0
    return own


@pytest.fixture
def mended(store) -> Iterator[Callable[[Path, bytes | None], None]]:
    """Puts other bytes in the place of a file, or none, until the test ends."""
    before: dict[Path, bytes] = {}

    def altered(path: Path, data: bytes | None) -> None:
        before.setdefault(path, path.read_bytes() if path.exists() else b"")
        path.unlink() if data is None else path.write_bytes(data)

    yield altered
    for path, data in before.items():
        path.write_bytes(data)


def complaints(store: Path, verbs: Any, told: object) -> list[str]:
    """Verbs that ended in a defect, or in a refusal that says nothing of what to try."""
    found = []
    for words in verbs:
        said = radlas(*words, "--store", store)
        if said.code == DEFECT or (said.code == 2 and "\n  try: " not in said.err):
            found.append(f"{told}: radlas {' '.join(words)}: {said.err[-300:]}")
    return found


def refusal(act: Callable[[], object], told: object) -> list[str]:
    """The same of a function: what it raises, if that is no error for people."""
    try:
        act()
    except RadlasError as error:
        return [] if error.hint and error.where else [f"{told}: {error!r}"]
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return [f"{told}: {error!r}"]
    return []


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = value.items() if isinstance(value, Mapping) else []
    parts = enumerate(value) if isinstance(value, list) else parts
    for key, one in parts:
        yield from places(one, (*path, key))


def alterations(text: bytes, many: int) -> Iterator[tuple[str, bytes]]:
    """A JSON file with one place altered: each kind of place is as likely as any other."""
    kinds = {
        tuple("*" if isinstance(k, int) else k for k in p): p for p in places(json.loads(text))
    }
    every = [(place, how) for place in kinds.values() for how in (GONE, *ODD)]
    for number in np.random.default_rng(len(every)).permutation(len(every))[:many]:
        place, how = every[number]
        whole = {"": copy.deepcopy(json.loads(text))}
        *above, last = ("", *place)
        at: Any = whole
        for key in above:
            at = at[key]
        if how is GONE:
            del at[last]
        else:
            at[last] = how
        yield f"{place} {how!r}", json.dumps(whole.get("", {})).encode()
    for name, raw in damages(text).items():
        if raw is not None:
            yield name, raw
    yield "no number", text.replace(b"0.", b"NaN, 0.", 1)
    yield "deep", b"[" * 2_000 + b"]" * 2_000


def damages(data: bytes) -> dict[str, bytes | None]:
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    torn = {"empty": b"", "half": data[: len(data) // 2], "flipped": bytes(flipped)}
    return {"gone": None, "other": b"\x00\x05\x16 of another program", **torn}


@pytest.mark.parametrize(
    ("name", "verbs", "many"),
    [
        (f"{VERSION}/version.json", REGISTRY, 20),
        (f"{VERSION}/validation.json", (REGISTRY[1], ("validate", "tiny")), 20),
        (f"{VERSION}/explanation.json", (("explain", "tiny", "--maps", "2"),), 10),
        ("models/tiny/champion.json", REGISTRY[1:], 15),
        ("snapshots/first@1.json", SNAPSHOT, 15),
        ("feature_sets/py*.json", (REGISTRY[1],), 10),
        ("feature_sets/resnet*.json", (("features", "list"),), 10),
        ("radlas.json", (("status",),), 15),
    ],
)
def test_whatever_a_record_says_verbs_tell_it_as_damage_or_do_not_mind(
    store, mended, name, verbs, many
):
    (path,) = store.glob(name)
    found = []
    for told, data in alterations(path.read_bytes(), many):
        mended(path, data)
        found += complaints(store, verbs, told)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["version", "validation", "explanation"])
def test_whatever_a_record_says_a_report_is_made_of_it_or_it_is_told(
    store, mended, name, monkeypatch
):
    """What the forms let through must be enough for the page, too."""
    task, opened = ModelTask(str(store), "tiny", 1), open_store(store)
    made = {path.parent.name for path in store.glob(f"{VERSION}/*/model.json")}
    models = {one: load_model(opened, "tiny", 1, one) for one in made}
    whole = gather(task)
    kept = {key: whole[0][key] for key in ("classes", "flow", "table1", "balance", "acquisition")}
    monkeypatch.setattr(report, "load_model", lambda *asked: models[asked[-1]])
    monkeypatch.setattr(report, "gallery", lambda *_, **__: (whole[0]["gallery"], whole[1]))
    monkeypatch.setattr(evidence, "cohort", lambda *_: copy.deepcopy(kept))
    path, found = store / VERSION / f"{name}.json", []
    for told, data in alterations(path.read_bytes(), 40):
        mended(path, data)
        found += refusal(lambda: gather(task), told)
    found += refusal(lambda: work(task), "the last")
    assert not found, "\n".join(found)


def test_whatever_the_list_of_looks_says_the_next_is_counted_or_refused(store, mended):
    path, opened, found = store / "models/looks.json", open_store(store), []
    text = path.read_bytes()
    for told, data in alterations(text, 30):
        mended(path, data)
        found += refusal(lambda: count_look(opened, "centre-c", "tiny@1"), told)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["model.json", "*.csv", "pipeline.skops", MANIFEST])
def test_a_model_that_was_altered_together_with_its_digests_is_damaged_or_the_same(
    store, mended, name
):
    folder, opened, found = store / VERSION / "dlr", open_store(store), []
    for path in sorted(folder.glob(name)):
        text = path.read_bytes()
        ways = alterations(text, 20) if path.suffix == ".json" else damages(text).items()
        for told, data in ways:
            mended(path, data)
            if name != MANIFEST and data is not None:
                files = [one for one in folder.iterdir() if one.name != MANIFEST]
                digests = canonical_json({one.name: file_digest(one) for one in files})
                mended(folder / MANIFEST, f"{digests}\n".encode())
            found += refusal(lambda: load_model(opened, "tiny", 1, "dlr"), f"{path.name} {told}")
        mended(path, text)
    assert not found, "\n".join(found)


def test_a_model_in_another_ones_folder_is_not_taken_for_it(store, mended):
    """Of another study, or of another version: its digests are sound."""
    here, other = store / VERSION / "dlr", store / VERSION / "intratumoral"
    for path in here.iterdir():
        mended(path, (other / path.name).read_bytes())
    said = radlas("report", "tiny", "--store", store)
    assert said.code == 2
    assert "this is not the model that tiny@1 was published with" in said.err


@pytest.mark.parametrize("damage", ["other", "empty", "half", "flipped"])
def test_a_slice_of_a_map_that_was_damaged_is_named(store, mended, damage):
    path = sorted(store.glob(f"{VERSION}/cam/*.npz"))[0]
    mended(path, damages(path.read_bytes())[damage])
    found = refusal(lambda: cam_images(ModelTask(str(store), "tiny", 1)), damage)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("table", ["cases", "radiomics", "outcomes"])
@pytest.mark.parametrize("pattern", ["_delta_log/*1.json", "**/part-*.parquet"])
def test_a_file_of_the_lake_that_was_damaged_is_told_as_that(store, mended, table, pattern):
    path = sorted((store / "lake" / table).glob(pattern))[0]
    ways, found = damages(path.read_bytes()), []
    if path.suffix == ".json":
        for name, other in {"numRecords": "many", "string": "strung", "partition": "p"}.items():
            ways[name] = path.read_bytes().replace(name.encode(), other.encode())
    for told, data in ways.items():
        mended(path, data)
        found += complaints(store, (*LIVE, FROZEN[0]), f"{path.name} {told}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("table", ["cases", "outcomes", "rois"])
def test_a_part_with_columns_of_another_type_or_without_them_is_told_as_that(store, mended, table):
    path = sorted((store / "lake" / table).glob("**/part-*.parquet"))[0]
    rows, found = pq.ParquetFile(path).read(), []
    for name in rows.column_names[1:3]:
        place, kind = rows.column_names.index(name), rows.schema.field(name).type
        other = 1.5 if pa.types.is_string(kind) else "x"
        for told, altered in {
            "absent": rows.drop_columns([name]),
            "of another type": rows.set_column(place, name, pa.array([other] * len(rows))),
            "empty": rows.set_column(place, name, pa.nulls(len(rows), kind)),
        }.items():
            sink = pa.BufferOutputStream()
            pq.write_table(altered, sink)
            mended(path, sink.getvalue().to_pybytes())
            found += complaints(store, (LIVE[0], FROZEN[0]), f"{table}.{name} {told}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["commit.json", "zarr.json", "image/zarr.json", "image/c/0/0/0"])
def test_a_file_of_a_volume_that_was_damaged_is_told_as_that(store, mended, name):
    folder = sorted(store.glob("volumes/*/*.zarr"))[0]
    text, found = (folder / name).read_bytes(), []
    for told, data in damages(text).items():
        mended(folder / name, data)
        said = radlas("verify", "--store", store)
        if said.code != 1 or "try: " not in said.out:
            found.append(f"{name} {told}: {said.code} {said.out[-200:]}{said.err[-200:]}")
    assert not found, "\n".join(found)
