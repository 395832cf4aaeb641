"""Volumes: exact, whole or absent, and every damage is found."""

import errno
import itertools
import json
import os
import queue
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import google_crc32c
import numpy as np
import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Zstd
from scipy.spatial.transform import Rotation

from radlas.errors import DataError, StoreError
from radlas.geometry import Geometry, make_geometry
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.places.objects import Objects
from radlas.places.place import open_place
from radlas.volumes.arrays import image_chunks, image_shard
from radlas.volumes.record import KnownCase, Record, file_table
from radlas.volumes.zarr import (
    is_committed,
    read_box,
    read_mask,
    read_record,
    read_rois,
    read_volume,
    verify_case,
    volume_name,
    write_case,
)

CASE = "ab" * 16
NAME = volume_name(CASE)


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """Where a volume may be: all of its promises hold in both."""
    kind = request.param
    return Folder(tmp_path) if kind == "folder" else open_place(request.getfixturevalue("bucket"))


def sample(seed=0, dtype=np.int16):
    geometry = make_geometry(
        (7, 150, 140),
        spacing=(0.78, 0.7812345678901234, 6.5),
        origin=(-101.25, 33.1, -0.3),
        direction=Rotation.from_euler("xyz", [17, -8, 3], degrees=True).as_matrix(),
    )
    voxels = np.random.default_rng(seed).integers(0, 3000, geometry.shape).astype(dtype)
    mask = np.zeros(geometry.shape, bool)
    mask[2:4, 50:80, 60:99] = True
    return Volume(voxels, geometry), (Roi("tumour", mask, "image"),)


def test_what_is_read_is_what_was_written_oblique_affine_included(place):
    volume, rois = sample()
    write_case(place, CASE, volume, rois)
    back, (tumour,) = read_volume(place, CASE), read_rois(place, CASE)
    np.testing.assert_array_equal(back.voxels, volume.voxels)
    assert back.voxels.dtype == np.int16
    assert (back.geometry.affine == volume.geometry.affine).all()  # to the last bit
    np.testing.assert_array_equal(tumour.mask, rois[0].mask)


def test_writing_the_same_case_again_changes_no_byte(place, monkeypatch):
    volume, rois = sample()
    write_case(place, CASE, volume, rois)
    monkeypatch.setattr(type(place), "publish", None)  # nothing is published any more
    before = {name: place.sha256(name) for name in place.names()}
    write_case(place, CASE, volume, rois)
    assert before == {name: place.sha256(name) for name in place.names()}


def test_the_same_case_with_other_voxels_is_a_named_conflict(place):
    write_case(place, CASE, *sample())
    with pytest.raises(DataError) as caught:
        write_case(place, CASE, *sample(seed=1))
    assert caught.value.reason == "case_conflict"


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_case(Folder(tmp_path), CASE, *sample())
    assert not (tmp_path / NAME).exists()
    assert not list(tmp_path.rglob("*.partial"))


@given(st.data())
@settings(max_examples=60)
def test_every_damage_to_a_stored_file_is_found(tmp_path_factory, data):
    """Bit flips, deletions, truncations and emptied files, anywhere in a case."""
    root = tmp_path_factory.mktemp("store")
    write_case(Folder(root), CASE, *sample())
    files = sorted(p for p in root.rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "delete", "cut", "empty"]))
    if kind == "delete":
        path.unlink()
    elif kind == "flip":
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2] if kind == "cut" else b"")
    with pytest.raises(StoreError):
        verify_case(Folder(root), CASE)


def test_a_scale_that_contradicts_the_affine_is_refused(place):
    write_case(place, CASE, *sample())
    text = place.read(f"{NAME}/zarr.json").decode()
    place.replace(f"{NAME}/zarr.json", text.replace("6.5,\n", "6.0,\n", 1).encode())
    with pytest.raises(StoreError, match="not what was committed"):
        read_volume(place, CASE)
    with pytest.raises(StoreError, match=r"zarr\.json was changed"):
        verify_case(place, CASE)


def test_a_file_that_was_added_is_found(place):
    write_case(place, CASE, *sample())
    place.create(f"{NAME}/notes.txt", b"by hand")
    with pytest.raises(StoreError, match=r"notes\.txt was added"):
        verify_case(place, CASE)


BOXES = st.tuples(
    *[st.tuples(st.integers(0, size - 1), st.integers(1, size)) for size in (7, 150, 140)]
)


@given(edges=BOXES)
@settings(max_examples=30)
def test_a_box_is_the_part_of_the_whole_and_lies_where_it_lies(edges, tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    volume, rois = sample()
    write_case(Folder(root), CASE, volume, rois)
    box = tuple(slice(start, max(start + 1, stop)) for start, stop in edges)
    part = read_box(Folder(root), CASE, box)
    np.testing.assert_array_equal(part.voxels, volume.voxels[box])
    np.testing.assert_array_equal(read_mask(Folder(root), CASE, "tumour", box), rois[0].mask[box])
    corner = volume.geometry.affine @ np.array([*(edge.start for edge in box[::-1]), 1.0])
    np.testing.assert_allclose(part.geometry.origin, corner[:3], atol=1e-9)


@pytest.mark.parametrize("text", [b"null", b'{"shape": [1, 2, 3]}', b""])
def test_a_part_is_not_read_by_metadata_that_were_changed(text, place):
    write_case(place, CASE, *sample())
    for name, read in (
        ("image", read_box),
        ("masks/tumour", lambda *a: read_mask(*a[:2], "tumour", a[2])),
    ):
        place.replace(f"{NAME}/{name}/zarr.json", text)
        with pytest.raises(StoreError, match=r"zarr\.json was changed"):
            read(place, CASE, (slice(0, 1), slice(0, 2), slice(0, 3)))


@pytest.mark.parametrize(
    ("old", "new"),
    [('"scale": [', '"scale": null, "x": ['), ('"affine_lps": [', '"affine_lps": null, "x": [')],
)
def test_a_geometry_that_is_none_is_damage(old, new, place):
    write_case(place, CASE, *sample())
    text = place.read(f"{NAME}/zarr.json").decode()
    assert old in text
    place.replace(f"{NAME}/zarr.json", text.replace(old, new).encode())
    with pytest.raises(StoreError) as caught:
        read_volume(place, CASE)
    assert caught.value.reason == "damaged"


def test_what_the_tables_speak_of_is_not_replaced(place, tmp_path, long_ago):
    volume, rois = sample()
    content = write_case(place, CASE, volume, rois)
    known = KnownCase(content["image"], content["masks"], volume.geometry.spacing)
    with long_ago():
        place.clear(NAME, tmp_path / "nothing")
    wider = Geometry(volume.geometry.shape, volume.geometry.affine @ np.diag([2.0, 2.0, 1.0, 1.0]))
    drawn = [replace(roi, mask=np.roll(roi.mask, 1)) for roi in rois]
    for other, what in (
        (sample(seed=1), "voxels"),
        ((volume, drawn), "masks"),
        ((replace(volume, geometry=wider), rois), "spacing"),
    ):
        with pytest.raises(DataError, match=f"with other {what}") as caught:
            write_case(place, CASE, *other, known=known)
        assert caught.value.reason == "case_conflict"
        assert place.names("volumes") == []
    write_case(place, CASE, volume, rois, known=replace(known, masks={}))
    assert not known.contradictions(*verify_case(place, CASE))


@pytest.mark.parametrize("damage", ["delete", "empty", "cut", "flip"])
def test_a_damaged_part_is_never_read_as_zeros(damage, place):
    write_case(place, CASE, *sample())
    name = f"{NAME}/image/c/0/0/0"
    content = bytearray(place.read(name))
    if damage == "delete":
        place.remove(name)
    elif damage == "flip":
        content[100] ^= 1
        place.replace(name, bytes(content))
    else:
        place.replace(name, b"" if damage == "empty" else bytes(content[:-40]))
    parts = (
        lambda: read_box(place, CASE, (slice(0, 7), slice(0, 20), slice(0, 20))),
        lambda: read_volume(place, CASE),
    )
    for read in parts:
        with pytest.raises(StoreError) as caught:
            read()
        assert caught.value.reason == "damaged"


def forged(place, name, codec, long):
    """Another's array under a record of its own: one chunk, that says it is longer than it is."""
    told = json.loads(place.read(f"{NAME}/{name}/zarr.json"))
    told["codecs"] = [{"name": "bytes"}, {"name": codec, "configuration": {}}, {"name": "crc32c"}]
    told["chunk_grid"]["configuration"]["chunk_shape"] = told["shape"]
    size = int(np.prod(told["shape"])) * np.dtype(told["data_type"]).itemsize
    if codec == "blosc":  # of uncompressed bytes, and some are missing; no word of them is wrong
        told["codecs"][1]["configuration"] = {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle"}
        encoded = struct.pack("<BBBBIII", 2, 1, 2, 1, size, size, size + 16) + bytes(size - long)
    else:
        encoded = Zstd().encode(bytes(size + long))
    place.replace(f"{NAME}/{name}/zarr.json", json.dumps(told).encode())
    crc = struct.pack("<I", google_crc32c.value(encoded))
    place.replace(f"{NAME}/{name}/c/0/0/0", encoded + crc)
    record = Record(read_record(place, CASE), file_table(place, NAME))
    place.replace(f"{NAME}/commit.json", record.text().encode())


@pytest.mark.parametrize("codec", ["blosc", "zstd"])
@pytest.mark.parametrize("name", ["image", "masks/tumour"])
def test_a_chunk_that_is_not_as_long_as_it_says_is_never_decoded(name, codec, place):
    """Its checksums fit, of whoever made it: what lay in memory behind it was shown as voxels."""
    write_case(place, CASE, *sample())
    forged(place, name, codec, long=64)
    part = (slice(0, 7), slice(0, 20), slice(0, 20))
    ways = (
        {"image": read_volume, "masks/tumour": read_rois}[name],
        lambda *case: (
            read_box(*case, part) if name == "image" else read_mask(*case, "tumour", part)
        ),
    )
    for read in ways:
        with pytest.raises(StoreError, match="a chunk is not as long as it says") as caught:
            read(place, CASE)
        assert caught.value.reason == "damaged"


def test_a_part_that_is_encoded_by_other_codecs_is_not_read(place):
    """Numcodecs' own blosc knows nothing of how long a chunk is."""
    write_case(place, CASE, *sample())
    forged(place, "image", "numcodecs.blosc", long=0)
    with pytest.raises(StoreError, match="encoded by") as caught:
        read_box(place, CASE, (slice(0, 7), slice(0, 20), slice(0, 20)))
    assert caught.value.reason == "damaged"


@pytest.mark.parametrize("damage", ["gone", "a folder", b"", b"{}", b"[1, 2]", b"\xff"])
def test_no_path_of_this_machine_is_told_of_a_damaged_case(damage, tmp_path):
    """The ledger keeps the message and travels to other sites; a home is called like a person."""
    place = Folder(tmp_path / "home" / "jane.doe" / "store")
    write_case(place, CASE, *sample())
    told = []
    for file in sorted(path for path in (place.root / NAME).rglob("*") if path.is_file()):
        kept = file.read_bytes()
        file.unlink()
        if damage == "a folder":
            file.mkdir()
        elif damage != "gone":
            file.write_bytes(damage)
        for read in (read_volume, read_rois, verify_case):
            try:
                read(place, CASE)
            except (StoreError, OSError) as error:
                told.append(str(error) if isinstance(error, StoreError) else error.strerror)
        if file.is_dir():
            file.rmdir()
        file.write_bytes(kept)
    assert len(told) >= 9
    assert not [one for one in told if "jane" in one or str(tmp_path) in one]
    if damage == "gone":
        assert any("image/c/0/0/0: No such file" in one for one in told)


@given(st.tuples(*[st.integers(1, 700)] * 3))
def test_a_shard_is_a_whole_number_of_chunks_and_covers_the_volume(shape):
    chunks, shard = image_chunks(shape), image_shard(shape)
    for size, chunk, whole in zip(shape, chunks, shard, strict=True):
        assert whole % chunk == 0
        assert size <= whole < size + chunk


def test_what_a_writer_that_died_left_is_swept_and_what_one_that_lives_prepares_is_not(tmp_path):
    """Two centres are ingested beside each other: neither takes the other's half-written case."""
    place = Folder(tmp_path)
    with place.staging(NAME) as stage:
        dead = stage.parent.with_name(f".0123@{stage.parent.name.partition('@')[2]}")
        dead.mkdir()
        place.sweep("volumes")
        assert stage.exists()
        assert not dead.exists()
    assert not stage.exists()


@pytest.mark.parametrize("name", [".0123@another-machine.partial", ".0123.partial"])
def test_what_another_machines_writer_prepares_is_swept_only_when_it_is_old(tmp_path, name):
    """Its lock cannot be seen from here, where the store lies on a network file system."""
    stage = tmp_path / "volumes" / "ab" / name
    stage.mkdir(parents=True)
    Folder(tmp_path).sweep("volumes")
    assert stage.exists()
    old = time.time() - 80 * 3600
    os.utime(stage, (old, old))
    Folder(tmp_path).sweep("volumes")
    assert not stage.exists()


def test_a_write_that_ended_before_its_record_is_no_case_and_is_done_again(bucket, long_ago):
    """In a bucket files appear one by one; the record is the last. Who lives has a quarter hour."""
    place = open_place(bucket)
    place.create(f"{NAME}/image/c/0/0/0", b"half of an image")
    place.create(f"{NAME}/masks/old/c/0/0/0", b"a mask that is no more")
    with pytest.raises(StoreError, match="no volume of this case"):
        read_volume(place, CASE)
    with pytest.raises(StoreError, match="another run is storing this case just now") as caught:
        write_case(place, CASE, *sample())
    assert caught.value.reason == "locked"
    with long_ago():
        write_case(place, CASE, *sample())
    verify_case(place, CASE)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_the_system_refuses_is_not_told_as_damaged(tmp_path, monkeypatch, number):
    """It may be whole: nobody is to delete the folder, and to ingest the exam again."""
    place = Folder(tmp_path)
    write_case(place, CASE, *sample())

    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    monkeypatch.setattr(
        "radlas.volumes.zarr.read_record", lambda *_: {"image": "", "masks": {"tumour": ""}}
    )
    for read in (read_volume, read_rois):
        with pytest.raises(StoreError, match=os.strerror(number)) as caught:
            read(place, CASE)
        assert caught.value.reason == "os_error"
        assert "delete" not in caught.value.hint


def in_turns(patch, writers, rng):
    """Runs writers in threads, of whom one asks its server at a time, in an order that is drawn."""
    asked, told = Objects._ask, queue.Queue()
    turns = {str(number): queue.Queue() for number in range(len(writers))}

    def ask_in_turn(objects, question):
        name = threading.current_thread().name
        if name in turns:
            told.put((name, "asks"))
            turns[name].get(timeout=60)
        return asked(objects, question)

    def run(name, write):
        try:
            write()
        finally:
            told.put((name, "ended"))

    patch.setattr(Objects, "_ask", ask_in_turn)
    for name, write in zip(turns, writers, strict=True):
        threading.Thread(target=run, args=(name, write), name=name, daemon=True).start()
    waiting = sorted(told.get(timeout=60)[0] for _ in writers)
    name = waiting[0]
    while waiting:
        name = name if name in waiting and rng.random() < 0.7 else rng.choice(waiting)
        turns[name].put("go")
        if told.get(timeout=60)[1] == "ended":
            waiting.remove(name)


def changed(differs):
    """The sample as it is, or as a source has it that was changed since."""
    volume, rois = sample(seed=int(differs == "voxels"))
    return volume, (Roi("edema", rois[0].mask, "x"),) if differs == "masks" else rois


@pytest.fixture
def long_ago(monkeypatch):
    """What was written to a bucket is taken for that of one who died."""

    @contextmanager
    def silent():
        with monkeypatch.context() as patch:
            patch.setattr("radlas.places.sealing._SILENT", timedelta(0))
            yield

    return silent


@pytest.mark.parametrize("differs", ["voxels", "masks"])
def test_of_two_that_store_one_exam_at_once_no_mixture_is_sealed(
    bucket, monkeypatch, long_ago, differs
):
    """Whoever is served first; and the next run, once all is silent, stores it or refuses it."""
    exams = sample(), changed(differs)
    for seed in range(12):
        place, ended = open_place(f"{bucket}-{seed}"), list[str]()

        def store(exam, place=place, ended=ended):
            try:
                write_case(open_place(str(place)), CASE, *exam)
            except (DataError, StoreError) as error:
                ended.append(error.reason)

        with monkeypatch.context() as patch:
            writers = [partial(store, exam) for exam in exams]
            in_turns(patch, writers, np.random.default_rng(seed))
        assert 1 <= len(ended) <= 2
        assert set(ended) <= {"locked", "case_conflict"}
        if is_committed(place, CASE):
            verify_case(place, CASE)
        with long_ago(), suppress(DataError):
            write_case(place, CASE, *exams[0])
        verify_case(place, CASE)


@pytest.mark.parametrize(
    ("differs", "sleeps"),
    [("nothing", "before"), ("voxels", "before"), ("voxels", "after"), ("masks", "after")],
)
def test_whenever_a_writer_sleeps_it_changes_nothing_that_another_stored(
    bucket, monkeypatch, long_ago, differs, sleeps
):
    """It was taken for dead, and another stored the same exam, or one that was changed since."""
    put = obstore.put
    for moment in itertools.count():
        place = open_place(f"{bucket}-{moment}")
        left, stored = [moment], {}

        def sleep(left=left, place=place, stored=stored):
            left[0] -= 1
            if left[0] == -1:
                with long_ago():
                    write_case(place, CASE, *sample())
                stored |= {name: place.sha256(name) for name in place.names()}

        def slept(*given, sleep=sleep, **options):
            if sleeps == "before":
                sleep()
            done = put(*given, **options)
            if sleeps == "after":
                sleep()
            return done

        with monkeypatch.context() as patch, suppress(DataError):
            patch.setattr(obstore, "put", slept)
            patch.setattr("radlas.places.sealing._NAP", -1.0)
            write_case(place, CASE, *changed(differs))
        if not stored:  # it had written all
            break
        assert {name: place.sha256(name) for name in place.names()} == stored
        verify_case(place, CASE)
    assert moment > 3


@pytest.mark.parametrize("file", ["commit.json", "zarr.json", "image/zarr.json"])
def test_a_file_that_is_nested_without_end_is_damage_and_no_defect(place, file):
    """Of a store that somebody else wrote: its own case alone is told as damaged."""
    write_case(place, CASE, *sample())
    place.replace(f"{NAME}/{file}", b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(StoreError) as caught:
        read_volume(place, CASE)
    assert caught.value.reason == "damaged"
    with pytest.raises(StoreError):
        verify_case(place, CASE)
