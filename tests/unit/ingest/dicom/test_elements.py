"""The quick reader of heads says what pydicom says, or leaves the file to it."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radlas.ingest.dicom import elements
from radlas.ingest.dicom.elements import read_elements
from radlas.ingest.dicom.parsing import PARSE_ERRORS

from .corpus import make_series

KEYWORDS = (
    "SOPInstanceUID",
    "PatientID",
    "SeriesDescription",
    "ImageType",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "EchoTime",
)


def a_slice(**tags) -> Dataset:
    dataset = make_series(tags=tags).datasets[2]
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    dataset.ReferencedImageSequence = Sequence([inner, inner])
    return dataset


def encoded(dataset: Dataset, syntax=ExplicitVRLittleEndian, *, undefined: bool = False) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    if undefined:
        for sequence in (e for e in dataset if e.VR == "SQ"):
            sequence.is_undefined_length = True
            for item in sequence.value:
                item.is_undefined_length_sequence_item = True
    buffer = io.BytesIO()
    if syntax == ExplicitVRBigEndian:
        dcmwrite(buffer, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def said_by_pydicom(data: bytes) -> dict[str, str]:
    dataset = pydicom.dcmread(io.BytesIO(data))
    return {name: _flat(dataset.get(name)) for name in KEYWORDS}


def _flat(value) -> str:
    if isinstance(value, str | int | float) or value is None:
        return "" if value is None else str(value)
    return "\\".join(map(str, value))


def said_by_us(data: bytes) -> dict[str, str]:
    head = read_elements(io.BytesIO(data), KEYWORDS)
    numbers = {"Rows", "Columns"}
    return {n: str(head.short(n)) if n in numbers else head.text(n) for n in KEYWORDS}


@pytest.mark.parametrize("undefined", [False, True], ids=["counted", "undefined length"])
@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
    ids=lambda uid: uid.keyword,
)
def test_every_encoding_is_read_as_pydicom_reads_it(syntax, undefined):
    dataset = a_slice()
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
        dataset["PixelData"].VR = "OW"
    data = encoded(dataset, syntax, undefined=undefined)
    assert said_by_us(data) == said_by_pydicom(data)


def test_plain_files_are_read_without_pydicom(monkeypatch):
    """What the speed of a scan rests on: little-endian files never reach pydicom."""

    def refuse(*_, **__):
        raise AssertionError("pydicom was asked")

    monkeypatch.setattr(elements.pydicom, "dcmread", refuse)
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        assert said_by_us(encoded(a_slice(), syntax, undefined=True))["Rows"] == "40"


def test_names_beyond_ascii_are_decoded_by_the_files_own_character_set():
    data = encoded(a_slice(SpecificCharacterSet="ISO_IR 192", PatientID="Jürgen-Ö"))
    assert said_by_us(data)["PatientID"] == "Jürgen-Ö"
    assert said_by_us(data) == said_by_pydicom(data)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("\\ISO 2022 IR 87", "T2 横断 脂肪抑制"),
        ("\\ISO 2022 IR 149", "T2 김희중"),
        ("GB18030", "T2 横断"),
        ("ISO_IR 144", "T2 Люкceмбypг"),
    ],
)
def test_scripts_are_decoded_also_where_they_are_written_in_ascii_bytes(names, text):
    """Japanese bytes may spell ``T1``: its signs are no words of a sequence."""
    said = {"SpecificCharacterSet": names.split("\\"), "SeriesDescription": text}
    data = encoded(a_slice(**said))
    assert text.encode() not in data
    head = read_elements(io.BytesIO(data), ("SeriesDescription",))
    assert head.text("SeriesDescription") == text


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.keyword,
)
def test_an_identifier_of_several_character_sets_is_one_in_every_encoding(syntax):
    """Else a patient whose exam is sent in two encodings is two."""
    said = {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientID": "환자 12"}
    assert said_by_us(encoded(a_slice(**said), syntax))["PatientID"] == said["PatientID"]


def test_a_head_longer_than_one_block_is_read_to_its_end():
    data = encoded(a_slice(ImageComments="x" * 9000, AdditionalPatientHistory="y" * 10_000))
    assert len(data) > 16_384
    assert said_by_us(data) == said_by_pydicom(data)


def test_what_is_no_number_is_nan_and_no_crash():
    data = encoded(a_slice()).replace(b"0.7\\", b"x.7\\")
    head = read_elements(io.BytesIO(data.replace(b"0.8\\0.7", b"0,8\\0.7")), KEYWORDS)
    assert all(isinstance(one, float) for one in head.floats("PixelSpacing"))


@settings(max_examples=150)
@given(st.data())
def test_no_damage_ends_in_anything_but_a_documented_error(data):
    """Cut anywhere, flip any bytes: text that is read, or an error that a scan can tell."""
    whole = bytearray(encoded(a_slice())[:2500])
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        head = read_elements(io.BytesIO(bytes(whole[:cut])), KEYWORDS)
        head.text("PatientID"), head.floats("PixelSpacing"), head.short("Rows")
    except PARSE_ERRORS:
        pass


@pytest.mark.parametrize("begun", [0, 132, 600], ids=["nothing", "preamble", "head"])
def test_a_transfer_that_made_room_and_broke_off_is_not_walked_to_its_end(begun, monkeypatch):
    """Zeros are elements without a value to pydicom: minutes for a file, and hours for a large."""
    monkeypatch.setattr(elements, "_READS", 1_000)
    data = encoded(a_slice())[:begun] + bytes(1 << 20)
    with pytest.raises(PARSE_ERRORS, match="no end of elements"):
        read_elements(io.BytesIO(data), KEYWORDS)


def test_a_deflated_file_that_unpacks_to_more_than_memory_is_refused(monkeypatch):
    """A few megabytes unpack to gigabytes, in the process that scans the whole source."""
    data = encoded(a_slice(), DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(elements, "_LARGEST", 1 << 20)
    assert read_elements(io.BytesIO(data), KEYWORDS).text("PatientID")
    monkeypatch.setattr(elements, "_LARGEST", 1 << 10)
    with pytest.raises(PARSE_ERRORS, match="unpacks to more"):
        read_elements(io.BytesIO(data), KEYWORDS)
