"""Pixels of one slice: the quick way for plain integers says what pydicom says."""

from __future__ import annotations

import io
import tempfile
import zipfile
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from tests.no_room import no_room

from radlas.errors import DataError, WorkerError
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.elements import Elements
from radlas.ingest.dicom.losses import declared_loss, may_be_lossy
from radlas.ingest.dicom.pixels import check_encoding, read_frames
from radlas.ingest.dicom.slice_file import head_of, read_slice
from radlas.ingest.dicom.streams import unpacked_size
from radlas.ingest.dicom.walk import tag_of
from radlas.ingest.nifti.itk import read_image

from .corpus import CANARY, make_series
from .odd_series import itk_encoded

BASE = make_series().datasets[0]


@settings(max_examples=200)
@given(st.data())
def test_any_width_and_sign_is_read_as_pydicom_reads_it(data):
    size = data.draw(st.sampled_from([8, 16, 32]))
    stored = data.draw(st.integers(1, size))
    raw = data.draw(hnp.arrays(f"<u{size // 8}", (3, 4)))
    dataset = deepcopy(BASE)
    dataset.Rows, dataset.Columns, dataset.PixelData = 3, 4, raw.tobytes()
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = size, stored, stored - 1
    signed = data.draw(st.sampled_from([0, 1]))
    raw &= raw.dtype.type((1 << stored) - 1)
    if signed and data.draw(st.booleans()):  # by its sign; else filled with zeros
        raw = (raw.view(f"<i{size // 8}") << (size - stored)) >> (size - stored)
    dataset.PixelData = raw.tobytes()
    dataset.PixelRepresentation = signed
    dataset.RescaleSlope, dataset.RescaleIntercept = "2.5", "-3"
    expected = pixel_array(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    file = read_slice(buffer, "here")
    (found,) = file.pixels([0], "here")
    assert file.heads == (head_of(dataset),)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def frames_of(values: np.ndarray, encoding: str, *, stored: int = 12) -> Dataset:
    """A file of many frames in an encoding, by pydicom or by ITK."""
    dataset = deepcopy(BASE)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored, stored - 1, 0
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = values.tobytes()
    if encoding in {"JPEG", "JPEG2000"}:
        encoded = [itk_encoded(one, encoding) for one in values]
        streams = [next(generate_frames(one.PixelData, number_of_frames=1)) for one in encoded]
        dataset.PixelData = encapsulate(streams)
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = encoded[0].file_meta.TransferSyntaxUID
    elif encoding == "big":
        dataset.PixelData = values.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    elif encoding != "plain":
        syntax = {"RLE": RLELossless, "JPEG-LS": JPEGLSLossless}[encoding]
        dataset.compress(syntax, generate_instance_uid=False)
    return dataset


@settings(max_examples=60)
@given(st.data())
def test_frames_that_are_asked_for_are_those_of_the_whole(data):
    """In any order, of any number, in every encoding."""
    encoding = data.draw(st.sampled_from(["plain", "big", "RLE", "JPEG-LS", "JPEG", "JPEG2000"]))
    values = data.draw(hnp.arrays("u2", (5, 40, 36), elements=st.integers(0, 4095)))
    values[:, 0, 0] = 4095  # encoders tell the depth by the values
    chosen = data.draw(st.lists(st.integers(0, 4), min_size=1, unique=True))
    found = read_frames(frames_of(values, encoding), 5, chosen)
    np.testing.assert_array_equal(found, values[chosen])


def test_frames_of_other_images_in_a_file_are_not_decoded():
    """They are counted: a file that was cut is told as that, whichever frame it lost."""
    values = np.arange(5 * 8 * 7, dtype="u2").reshape(5, 8, 7)
    dataset = frames_of(values, "RLE")
    streams = list(generate_frames(dataset.PixelData, number_of_frames=5))
    dataset.PixelData = encapsulate([*streams[:4], bytes(len(streams[4]))])
    np.testing.assert_array_equal(read_frames(dataset, 5, [3, 0]), values[[3, 0]])
    with pytest.raises(DataError) as caught:
        read_frames(dataset, 5, [4])
    assert caught.value.reason == "unreadable_file"
    dataset = frames_of(values, "JPEG-LS")
    streams = list(generate_frames(dataset.PixelData, number_of_frames=5))
    dataset.PixelData = encapsulate([*streams[:4], streams[4][:-9]])
    with pytest.raises(DataError, match="1 of 5 compressed frames end too early"):
        read_frames(dataset, 5, [0])


@pytest.mark.parametrize("table", [True, False], ids=["table", "no table"])
@pytest.mark.parametrize(("encoding", "count"), [("JPEG-LS", 3), ("JPEG2000", 3), ("RLE", 1)])
def test_frames_are_the_same_however_they_are_cut_to_fragments(encoding, count, table):
    """Without a table of offsets, the ends of streams tell, or that there is one frame alone."""
    values = np.random.default_rng(0).integers(0, 4096, (count, 40, 36), "u2")
    values[:, 0, 0] = 4095
    dataset = frames_of(values, encoding)
    streams = list(generate_frames(dataset.PixelData, number_of_frames=count))
    dataset.PixelData = encapsulate(streams, fragments_per_frame=3, has_bot=table)
    np.testing.assert_array_equal(read_frames(dataset, count, range(count)), values)


@pytest.mark.parametrize("encoding", ["plain", "RLE"])
def test_more_frames_than_are_counted_are_refused(encoding):
    dataset = frames_of(np.zeros((5, 8, 7), "u2"), encoding)
    with pytest.raises(DataError, match=r"speaks of|depth need") as caught:
        read_frames(dataset, 4, [0])
    assert caught.value.reason == "bad_pixels"


def test_frames_that_begin_inside_a_pair_of_swapped_bytes_are_those_of_the_whole():
    """Of an odd number of bytes, big-endian: none can be cut out alone."""
    values = np.random.default_rng(0).integers(0, 255, (5, 3, 7), dtype="u1")
    dataset = frames_of(values.astype("u2"), "plain")
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = np.append(values, np.uint8(0)).reshape(-1, 2)[:, ::-1].tobytes()
    dataset["PixelData"].VR = "OW"
    np.testing.assert_array_equal(read_frames(dataset, 5, [3, 1]), values[[3, 1]])


ENCODINGS = ["RLE", "JPEG-LS", "JPEG", "JPEG2000"]


@settings(max_examples=80)
@given(st.data())
def test_however_values_are_packed_the_bits_of_the_header_mean_the_same(data):
    """Decoders take unused bits away without a word: values that need them became others."""
    encoding = data.draw(st.sampled_from(ENCODINGS))
    stored, signed = data.draw(st.integers(1, 16)), data.draw(st.sampled_from([0, 1]))
    needed = data.draw(st.integers(1, 16))
    raw = data.draw(hnp.arrays("u2", (1, 40, 36), elements=st.integers(0, 2**needed - 1)))
    if signed and data.draw(st.booleans()):  # by its sign; else filled with zeros
        raw = ((raw.view("i2") << (16 - stored)) >> (16 - stored)).view("u2")
    raw[0, 0, 0] = 65_535  # encoders tell the depth by the values
    found = []
    for one in ("plain", encoding):
        dataset = frames_of(raw, one, stored=16)
        dataset.BitsStored, dataset.HighBit = stored, stored - 1
        dataset.PixelRepresentation = signed
        try:
            found.append(read_frames(dataset, 1, [0]).tolist())
        except DataError as error:
            found.append((error.reason, error.what))
    assert found[0] == found[1]


@pytest.mark.parametrize("encoding", ENCODINGS[1:])
@pytest.mark.parametrize("size", [(52, 40), (20, 104)])
def test_a_stream_of_another_size_than_the_header_states_is_refused(size, encoding):
    """Of as many pixels: all there, and none in its place."""
    dataset = frames_of(np.random.default_rng(0).integers(0, 4096, (1, 40, 52), "u2"), encoding)
    dataset.Rows, dataset.Columns = size
    with pytest.raises(DataError, match=f"40 x 52 pixels in the stream, and {size[0]}") as caught:
        read_frames(dataset, 1, [0])
    assert caught.value.reason == "bad_pixels"


@pytest.mark.parametrize("columns", [51, 50])
def test_runs_of_more_pixels_than_the_header_states_are_refused(columns):
    """Decoders cut off what is too much of each frame, and every row but the first is shifted."""
    values = np.random.default_rng(0).integers(0, 4096, (2, 40, 52), "u2")
    dataset = frames_of(values, "RLE")
    np.testing.assert_array_equal(read_frames(dataset, 2, [0, 1]), values)
    dataset.Columns = columns
    told = f"2080 pixels in the stream, and {40 * columns} by the header"
    with pytest.raises(DataError, match=told) as caught:
        read_frames(dataset, 2, [0, 1])
    assert caught.value.reason == "bad_pixels"


_SHAPES = st.tuples(st.just(1), st.integers(1, 9), st.integers(1, 300))


@given(hnp.arrays("u2", _SHAPES, elements=st.sampled_from([0, 1, 300, 301, 4095])))
def test_the_size_of_runs_is_that_of_their_pixels(values):
    """Whatever they hold: runs, none, and a byte that makes their number even."""
    stream = next(generate_frames(frames_of(values, "RLE").PixelData, number_of_frames=1))
    assert unpacked_size(stream) - values.size in {0, 1}


def patched(encoding: str, marker: bytes, at: int, depth: int, centre: int) -> Dataset:
    """A stream of other depth or sign than encoders here write: the byte that says so, changed."""
    values = np.random.default_rng(0).integers(0, 4096, (1, 40, 52), "u2")
    dataset = frames_of(values + np.uint16(32_768 - centre), encoding)
    (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    place = stream.index(marker) + at
    stream = stream[:place] + bytes([depth]) + stream[place + 1 :]
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    return dataset


@pytest.mark.parametrize(
    ("encoding", "marker", "at", "depth"),
    [("JPEG", b"\xff\xc3", 4, 12), ("JPEG2000", b"\xff\x51", 40, 11)],
)
def test_a_stream_of_as_many_bits_as_are_stored_is_read(encoding, marker, at, depth):
    dataset = patched(encoding, marker, at, depth, centre=2048)
    values = np.random.default_rng(0).integers(0, 4096, (1, 40, 52), "u2")
    np.testing.assert_array_equal(read_frames(dataset, 1, [0]), values)
    dataset.BitsStored, dataset.HighBit = 16, 15
    np.testing.assert_array_equal(read_frames(dataset, 1, [0]), values)


def test_a_stream_whose_sign_the_header_places_elsewhere_is_refused():
    dataset = patched("JPEG", b"\xff\xc3", 4, 12, centre=2048)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
    with pytest.raises(DataError, match="12 bits in the stream, and of 16 by the header"):
        read_frames(dataset, 1, [0])
    dataset = patched("JPEG2000", b"\xff\x51", 40, 0x80 | 15, centre=0)
    with pytest.raises(DataError, match="with a sign in the stream, and without by the header"):
        read_frames(dataset, 1, [0])


def test_pixels_of_two_kinds_are_refused():
    dataset = frames_of(np.zeros((5, 3, 7), "u2"), "plain")
    dataset.FloatPixelData = bytes(5 * 3 * 7 * 4)
    with pytest.raises(DataError, match="pixels of 2 kinds of numbers"):
        read_frames(dataset, 5, [1])


@pytest.mark.parametrize("flag", ["", "00", "01", "YES"])
@pytest.mark.parametrize("ratio", ["", "1", "1.05", "1.5", "1\\1.2", "12.5"])
@pytest.mark.parametrize("method", ["", "ISO_10918_1"])
@pytest.mark.parametrize("words", ["", "lossy", "non-lossy"])
def test_no_loss_that_is_declared_escapes_the_quick_reader(flag, ratio, method, words):
    """It leaves to the careful one whatever that would refuse, and a plain file it keeps."""
    told = {"LossyImageCompression": flag, "LossyImageCompressionRatio": ratio}
    told |= {"LossyImageCompressionMethod": method, "DerivationDescription": words}
    header = {keyword: text.split("\\") for keyword, text in told.items() if text}
    elements = Elements({tag_of(keyword): text.encode() for keyword, text in told.items()})
    loss = declared_loss(header)
    assert may_be_lossy(elements) or not loss
    assert bool(loss) == (
        flag in {"01", "YES"} or ratio not in {"", "1"} or bool(method) or words == "lossy"
    )
    if not any(told.values()):
        assert not may_be_lossy(elements)


def test_a_ratio_that_none_is_is_not_told():
    """A field for numbers may hold a date of birth, and messages are stored."""
    assert declared_loss({"LossyImageCompressionRatio": "12.5"}) == "lossy compression, ratio 12.5"
    told = declared_loss({"LossyImageCompression": "01", "LossyImageCompressionRatio": "19500203"})
    assert told == "lossy compression, ratio unknown"


def test_a_meaning_beyond_the_standard_is_not_told():
    """Messages are stored, and a damaged header may hold a name anywhere."""
    dataset = deepcopy(BASE)
    dataset.PhotometricInterpretation = CANARY
    with pytest.raises(DataError, match="of an unknown meaning") as caught:
        check_encoding(dataset)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("told", ["File too large", "No such file or directory"])
@pytest.mark.parametrize("kind", ["compressed", "archived"])
def test_no_room_for_what_is_unpacked_is_no_fault_of_the_source(kind, told, tmp_path, monkeypatch):
    """It is planned again, and nobody is sent to look at the hospital's files."""
    dataset = itk_encoded(np.zeros((8, 8)), "JPEG2000")
    archive = FileRef(tmp_path / "images.zip", "image.nrrd")
    with zipfile.ZipFile(archive.path, "w") as file:
        file.writestr(archive.member, "NRRD0004")
    if told != "File too large":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with no_room(), pytest.raises(WorkerError) as caught:
        read_frames(dataset, 1, [0], "here") if kind == "compressed" else read_image(archive)
    said = f"a file cannot be unpacked to the folder for temporary files: {told}"
    assert (caught.value.what, caught.value.reason) == (said, "os_error")
    assert str(tmp_path) not in str(caught.value)
