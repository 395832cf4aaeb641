"""Volumes: exact, whole or absent, and every damage is found."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radlas.errors import DataError, StoreError
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.volumes.chunks import image_chunks, image_shard
from radlas.volumes.zarr import (
    read_box,
    read_mask,
    read_rois,
    read_volume,
    verify_case,
    volume_path,
    write_case,
)

CASE = "ab" * 16


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


def test_what_is_read_is_what_was_written_oblique_affine_included(tmp_path):
    volume, rois = sample()
    write_case(tmp_path, CASE, volume, rois)
    back, (tumour,) = read_volume(tmp_path, CASE), read_rois(tmp_path, CASE)
    np.testing.assert_array_equal(back.voxels, volume.voxels)
    assert back.voxels.dtype == np.int16
    assert (back.geometry.affine == volume.geometry.affine).all()  # to the last bit
    np.testing.assert_array_equal(tumour.mask, rois[0].mask)


def test_writing_the_same_case_again_changes_no_byte(tmp_path):
    volume, rois = sample()
    write_case(tmp_path, CASE, volume, rois)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    write_case(tmp_path, CASE, volume, rois)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}


def test_the_same_case_with_other_voxels_is_a_named_conflict(tmp_path):
    write_case(tmp_path, CASE, *sample())
    with pytest.raises(DataError) as caught:
        write_case(tmp_path, CASE, *sample(seed=1))
    assert caught.value.reason == "case_conflict"


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_case(tmp_path, CASE, *sample())
    assert not volume_path(tmp_path, CASE).exists()
    assert not list(tmp_path.rglob("*.partial"))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_damage_to_a_stored_file_is_found(tmp_path_factory, data):
    """Bit flips, deletions, truncations and emptied files, anywhere in a case."""
    root = tmp_path_factory.mktemp("store")
    write_case(root, CASE, *sample())
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
        verify_case(root, CASE)


def test_a_scale_that_contradicts_the_affine_is_refused(tmp_path):
    write_case(tmp_path, CASE, *sample())
    path = volume_path(tmp_path, CASE) / "zarr.json"
    path.write_text(path.read_text().replace("6.5,\n", "6.0,\n", 1))
    with pytest.raises(StoreError, match="not what was committed"):
        read_volume(tmp_path, CASE)
    with pytest.raises(StoreError, match=r"zarr\.json was changed"):
        verify_case(tmp_path, CASE)


def test_a_file_that_was_added_is_found(tmp_path):
    write_case(tmp_path, CASE, *sample())
    (volume_path(tmp_path, CASE) / "notes.txt").write_text("by hand")
    with pytest.raises(StoreError, match=r"notes\.txt was added"):
        verify_case(tmp_path, CASE)


BOXES = st.tuples(
    *[st.tuples(st.integers(0, size - 1), st.integers(1, size)) for size in (7, 150, 140)]
)


@given(edges=BOXES)
@settings(max_examples=30, deadline=None)
def test_a_box_is_the_part_of_the_whole_and_lies_where_it_lies(edges, tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    volume, rois = sample()
    write_case(root, CASE, volume, rois)
    box = tuple(slice(start, max(start + 1, stop)) for start, stop in edges)
    part = read_box(root, CASE, box)
    np.testing.assert_array_equal(part.voxels, volume.voxels[box])
    np.testing.assert_array_equal(read_mask(root, CASE, "tumour", box), rois[0].mask[box])
    corner = volume.geometry.affine @ np.array([*(edge.start for edge in box[::-1]), 1.0])
    np.testing.assert_allclose(part.geometry.origin, corner[:3], atol=1e-9)


@pytest.mark.parametrize("damage", ["delete", "empty", "cut", "flip"])
def test_a_damaged_part_is_never_read_as_zeros(damage, tmp_path):
    write_case(tmp_path, CASE, *sample())
    path = volume_path(tmp_path, CASE) / "image" / "c" / "0" / "0" / "0"
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    elif damage == "flip":
        content[100] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(b"" if damage == "empty" else content[:-40])
    with pytest.raises(StoreError) as caught:
        read_box(tmp_path, CASE, (slice(0, 7), slice(0, 20), slice(0, 20)))
    assert caught.value.reason == "damaged"


@given(st.tuples(*[st.integers(1, 700)] * 3))
def test_a_shard_is_a_whole_number_of_chunks_and_covers_the_volume(shape):
    chunks, shard = image_chunks(shape), image_shard(shape)
    for size, chunk, whole in zip(shape, chunks, shard, strict=True):
        assert whole % chunk == 0
        assert size <= whole < size + chunk
