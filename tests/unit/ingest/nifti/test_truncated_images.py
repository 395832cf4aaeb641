"""A file that ends too early is refused in every format: ITK alone reads zeros."""

import gzip
import tracemalloc
import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import DataError
from radlas.ingest.base import FileRef
from radlas.ingest.nifti.itk import read_image

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
def test_a_file_cut_anywhere_is_refused(images, name, share):
    folder, _ = images
    content = (folder / name).read_bytes()
    cut = folder / f"cut_{name}"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError):
        read_image(FileRef(cut))


@pytest.mark.parametrize("name", ["x.nii.gz", "packed.nrrd", "packed.mha"])
@given(place=st.floats(0.05, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_a_flipped_bit_in_a_compressed_file_never_changes_voxels_in_silence(
    images, name, place, bit
):
    folder, voxels = images
    content = bytearray((folder / name).read_bytes())
    content[int(len(content) * place)] ^= 1 << bit
    flipped = folder / f"flipped_{name}"
    flipped.write_bytes(content)
    try:
        read = read_image(FileRef(flipped)).voxels
    except DataError:
        return
    np.testing.assert_array_equal(read, voxels)


def changed(path, content):
    path.write_bytes(content)
    return FileRef(path)


@pytest.mark.parametrize("name", ["x.nrrd", "packed.nrrd", "x.mha", "packed.mha"])
def test_more_voxels_than_the_header_speaks_of_are_refused(images, name):
    """With a slice less in its header, every slice but the first could be another one's."""
    folder, _ = images
    content = (folder / name).read_bytes()
    fewer = content.replace(b"30 32 10", b"30 32 09")
    with pytest.raises(DataError, match="more than the 17280 bytes") as caught:
        read_image(changed(folder / f"fewer_{name}", fewer))
    assert caught.value.reason == "bad_pixels"


@pytest.mark.parametrize("name", ["packed.nrrd", "packed.mha"])
def test_what_a_packed_file_unpacks_to_takes_no_memory_beyond_its_voxels(images, name):
    """Six megabytes may unpack to six gigabytes, in the process of every case that comes after."""
    folder, _ = images
    head, end, data = (
        (folder / name).read_bytes().partition(b"LOCAL\n" if "mha" in name else b"\n\n")
    )
    large = bytes(100 << 20)
    packed = zlib.compress(large) if "mha" in name else gzip.compress(large)
    head = head.replace(b"CompressedDataSize = %d" % len(data), b"ElementNote = x")
    bomb = changed(folder / f"bomb_{name}", head + end + packed)
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_image(bomb)
        assert tracemalloc.get_traced_memory()[1] < len(large) / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_nifti_of_another_datatype_than_its_bytes_is_refused(order, kind, tmp_path):
    """Readers go by the datatype: of doubles called shorts, the first quarter was the image."""
    voxels = np.random.default_rng(0).normal(size=(6, 5, 4))
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.float64)
    header.set_qform(np.eye(4), 1)
    path = tmp_path / "x.nii"
    nibabel.save(kind(voxels, None, header), path)
    content = bytearray(path.read_bytes())
    fields = np.ndarray((), header.template_dtype.newbyteorder(order), content)
    fields["bitpix"] = 16
    read = read_image(changed(path, content)).voxels
    np.testing.assert_array_equal(read, voxels.transpose().astype(np.float32))
    for code, reason in ((4, "bad_pixels"), (16, "bad_pixels"), (1536, "truncated_pixels")):
        fields["datatype"], fields["bitpix"] = code, 64
        with pytest.raises(DataError) as caught:
            read_image(changed(path, content))
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CompressedDataSize", b"CompressedDataNote"),  # ITK: what was in memory
        (b"CompressedData = True\nCompressedDataSize", b"HeaderSize = 8\nElementNote"),
    ],
)
def test_an_mha_that_itk_reads_in_its_own_way_is_refused(images, old, new):
    folder, _ = images
    head, _, data = (folder / "packed.mha").read_bytes().partition(b"LOCAL\n")
    assert old in head
    raw = zlib.decompress(data) if b"HeaderSize" in new else data
    content = head.replace(old, new) + b"LOCAL\n" + raw
    with pytest.raises(DataError, match="other voxels") as caught:
        read_image(changed(folder / "odd.mha", content))
    assert caught.value.reason == "bad_pixels"


@pytest.mark.parametrize("order", [b"ElementByteOrderMSB", b"BinaryDataByteOrderMSB"])
def test_an_mha_of_text_has_no_order_of_bytes(images, order):
    """ITK turns the bytes of numbers around that it has just read as words."""
    folder, voxels = images
    head = (folder / "x.mha").read_bytes().partition(b"LOCAL\n")[0]
    assert b"BinaryDataByteOrderMSB = False" in head
    head = head.replace(b"BinaryData = True", b"BinaryData = False")
    words = b"LOCAL\n" + " ".join(map(str, voxels.ravel())).encode() + b"\n"
    path = folder / "text.mha"
    np.testing.assert_array_equal(read_image(changed(path, head + words)).voxels, voxels)
    head = head.replace(b"BinaryDataByteOrderMSB = False", order + b" = True")
    with pytest.raises(DataError, match="written as text") as caught:
        read_image(changed(path, head + words))
    assert caught.value.reason == "unknown_encoding"


@pytest.mark.parametrize(
    ("name", "again", "what"),
    [
        ("x.mha", b"Position = 1 2 3", "origin"),
        ("x.mha", b"Rotation = 0 1 0 1 0 0 0 0 1", "orientation"),
        ("x.mha", b"ElementSpacing = 1 1 2", "spacing"),
        ("x.mha", b"Position = 0.0 0 0e0\nOrientation = 1 0 0 0 1.0 0 0 0 1", ""),
        ("x.mha", b"ElementSize = 1 1 3", ""),  # of a voxel, beside the distance to the next
    ],
)
def test_a_fact_of_geometry_that_stands_twice_is_one_fact_or_none(images, name, again, what):
    """ITK takes the last; which of them the image was measured by, nobody knows."""
    folder, voxels = images
    content = (
        (folder / name).read_bytes().replace(b"\nElementType", b"\n" + again + b"\nElementType")
    )
    ref = changed(folder / f"twice_{name}", content)
    if not what:
        np.testing.assert_array_equal(read_image(ref).voxels, voxels)
        return
    with pytest.raises(DataError, match=f"the {what} of the image twice") as caught:
        read_image(ref)
    assert caught.value.reason == "ambiguous_geometry"


@pytest.mark.parametrize("skip", [b"byte skip: 4", b"byte skip: -1", b"line skip: 1"])
def test_a_nrrd_that_skips_what_is_no_voxel_is_read(images, skip):
    folder, voxels = images
    head, _, data = (folder / "x.nrrd").read_bytes().partition(b"\n\n")
    content = head + b"\n" + skip + b"\n\n" + b"abc\n" + data
    np.testing.assert_array_equal(read_image(changed(folder / "skip.nrrd", content)).voxels, voxels)
