"""A stored case is OME-Zarr 0.5 to outside readers: two validators, and zarr itself."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import yaozarrs
import zarr
import zarr.codecs
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models.v05 import Image

from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.volumes.shard import CHUNK, read_array
from radlas.volumes.zarr import volume_name, write_case

CASE = "cd" * 16


def stored(root, shape=(5, 140, 150), dtype=np.int16):
    geometry = make_geometry(
        shape, spacing=(0.8, 0.7, 5.5), origin=(1.0, 2.0, 3.0), direction=np.eye(3)
    )
    voxels = np.random.default_rng(0).integers(-400, 3000, shape).astype(dtype)
    mask = np.zeros(shape, bool)
    mask[1:3, 2:9, 3:8] = True
    rois = (Roi("tumour", mask, "image"), Roi("tumour", ~mask, "image", reader="two"))
    write_case(Folder(root), CASE, Volume(voxels, geometry), rois)
    return root / volume_name(CASE), voxels, mask


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.uint8])
def test_ome_zarr_models_accepts_it(dtype, tmp_path):
    path, _, _ = stored(tmp_path, dtype=dtype)
    image = Image.from_zarr(zarr.open_group(path, mode="r"))
    (scale,) = image.ome_attributes.multiscales[0].datasets[0].coordinateTransformations
    assert scale.scale == pytest.approx([5.5, 0.7, 0.8])


def test_yaozarrs_accepts_it(tmp_path):
    path, _, _ = stored(tmp_path)
    yaozarrs.validate_zarr_store(str(path))


def test_zarr_warns_of_the_seal_alone_and_only_where_a_case_is_listed(tmp_path):
    """As docs/store.md says: an image is opened without a word."""
    path, voxels, _ = stored(tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        image = zarr.open_group(path, mode="r")["image"]
        assert image[:].shape == voxels.shape
        assert not told
        assert sorted(zarr.open_group(path, mode="r")) == ["image", "masks"]
    assert {str(one.message) for one in told} == {
        "Object at commit.json is not recognized as a component of a Zarr hierarchy."
    }


def test_the_validators_would_refuse_another_layout(tmp_path):
    """The witnesses themselves: without its axes the same case is no OME-Zarr."""
    path, _, _ = stored(tmp_path)
    head = json.loads((path / "zarr.json").read_text())
    del head["attributes"]["ome"]["multiscales"][0]["axes"]
    (path / "zarr.json").write_text(json.dumps(head))
    with pytest.raises(Exception, match="axes"):
        Image.from_zarr(zarr.open_group(path, mode="r"))
    with pytest.raises(Exception, match="axes"):
        yaozarrs.validate_zarr_store(str(path))


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 300), st.integers(1, 300)),
    dtype=st.sampled_from([np.int16, np.float32, np.uint8, ">i2"]),
)
def test_zarr_reads_what_our_own_writer_wrote(shape, dtype, tmp_path_factory):
    """Every shape against chunks and their edges; big-endian voxels are stored little-endian."""
    path, voxels, _ = stored(tmp_path_factory.mktemp("s"), shape, np.dtype(dtype))
    array = zarr.open_group(path, mode="r")["image"]
    np.testing.assert_array_equal(array[:], voxels)
    files = (path / "image" / name for name in ("zarr.json", CHUNK))
    np.testing.assert_array_equal(read_array(*(file.read_bytes() for file in files)), voxels)
    assert array.dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
    assert array.metadata.dimension_names == ("z", "y", "x")


def zarrs_own(tmp_path, **form):
    """An array as zarr itself writes it, and its two files."""
    voxels = np.arange(5 * 70 * 66, dtype=np.int16).reshape(5, 70, 66)
    array = zarr.create_array(tmp_path / "a", data=voxels, **form)
    files = [(tmp_path / "a" / name).read_bytes() for name in ("zarr.json", CHUNK)]
    return array[:], files


CHECKED = [zarr.codecs.BloscCodec(cname="zstd"), zarr.codecs.Crc32cCodec()]


def test_what_zarr_wrote_is_read_alike(tmp_path):
    form = {"chunks": (5, 32, 32), "shards": (5, 96, 96), "compressors": CHECKED}
    voxels, files = zarrs_own(tmp_path, **form)
    np.testing.assert_array_equal(read_array(*files), voxels)


@pytest.mark.parametrize(
    "form",
    [
        {
            "chunks": (5, 70, 66),
            "compressors": [zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()],
        },
        {"chunks": (5, 70, 66), "compressors": [zarr.codecs.BloscCodec()]},
        {
            "chunks": (5, 32, 32),
            "shards": {"shape": (5, 96, 96), "index_location": "start"},
            "compressors": CHECKED,
        },
    ],
    ids=["gzip", "no checksum", "index at the start"],
)
def test_an_array_of_another_form_is_refused_and_not_guessed(form, tmp_path):
    _, files = zarrs_own(tmp_path, **form)
    with pytest.raises((ValueError, KeyError)):
        read_array(*files)


def test_a_chunk_that_is_missing_is_not_zeros(tmp_path):
    form = {"chunks": (5, 32, 32), "shards": (5, 96, 96), "compressors": CHECKED}
    voxels = np.zeros((5, 70, 66), np.int16)
    voxels[:, 40:, 40:] = 7
    zarr.create_array(tmp_path / "a", data=voxels, **form)  # zarr leaves out what is all zero
    files = [(tmp_path / "a" / name).read_bytes() for name in ("zarr.json", CHUNK)]
    with pytest.raises(ValueError, match="checksum"):
        read_array(*files)


def test_masks_are_arrays_of_their_own_by_roi_and_reader(tmp_path):
    path, _, mask = stored(tmp_path)
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["masks/tumour"][:], mask)
    np.testing.assert_array_equal(group["masks/tumour@two"][:], ~mask)
