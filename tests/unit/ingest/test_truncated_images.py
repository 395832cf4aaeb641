"""A file that ends too early is refused in every format: ITK alone reads zeros."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import DataError
from radlas.ingest.base import FileRef
from radlas.ingest.itk import read_image

NAMES = ["x.nii", "x.nii.gz", "x.nrrd", "packed.nrrd", "x.mha", "packed.mha"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    voxels = np.random.default_rng(0).integers(1, 4000, (10, 32, 30)).astype(np.int16)
    for name in NAMES:
        image = SimpleITK.GetImageFromArray(voxels)
        SimpleITK.WriteImage(image, str(folder / name), useCompression="packed" in name)
    return folder, voxels


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_read(images, name):
    folder, voxels = images
    np.testing.assert_array_equal(read_image(FileRef(folder / name)).voxels, voxels)


@given(name=st.sampled_from(NAMES), share=st.floats(0, 0.9999))
@settings(max_examples=80)
def test_a_file_cut_anywhere_is_refused_or_still_holds_every_voxel(images, name, share):
    """Only the checksum at the very end of a compressed NRRD or MHA can be missed."""
    folder, voxels = images
    content = (folder / name).read_bytes()
    cut = folder / f"cut_{name}"
    cut.write_bytes(content[: int(len(content) * share)])
    try:
        read = read_image(FileRef(cut)).voxels
    except DataError:
        return
    np.testing.assert_array_equal(read, voxels)
    assert "packed" in name
    assert len(content) * (1 - share) < 16


@given(place=st.floats(0.05, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_a_flipped_bit_in_a_compressed_nifti_never_changes_voxels_in_silence(images, place, bit):
    folder, voxels = images
    content = bytearray((folder / "x.nii.gz").read_bytes())
    content[int(len(content) * place)] ^= 1 << bit
    flipped = folder / "flipped.nii.gz"
    flipped.write_bytes(content)
    try:
        read = read_image(FileRef(flipped)).voxels
    except DataError:
        return
    np.testing.assert_array_equal(read, voxels)
