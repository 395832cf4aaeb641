"""The pixels of one DICOM slice: whole, grey, lossless, rescaled by the slice's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from radlas.ingest.dicom.losses import declared_loss
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.dicom.pixel_data import (
    NATIVE,
    PIXEL_MODULE,
    VALUES,
    can_be_cut,
    fitted,
    of_frames,
)
from radlas.ingest.memory import check_memory
from radlas.ingest.reach import on_disk
from radlas.reasons import data_error

_LOSSLESS = {JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless}
# pydicom has no decoder of its own for these; ITK has one, and needs no further package.
_BY_ITK = {JPEGLossless, JPEGLosslessSV1, JPEG2000Lossless}
# Words of the standard alone are told: a damaged header may hold a name here.
_MEANINGS = {
    "MONOCHROME1",
    "MONOCHROME2",
    "PALETTE COLOR",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_ICT",
    "YBR_RCT",
}
_LARGEST = 2**31 - 1
_UNDEFINED = 0xFFFFFFFF  # length of an element


def read_dataset(stream: BinaryIO, where: str = "") -> Dataset:
    """A whole file by pydicom, with the pixel data as long as it says it is.

    Where the type of the element is damaged, pydicom reads its length at another place, and takes
    what is left of the file for pixels: all of them shifted.

    Raises:
        DataError: ``truncated_pixels``: the file ends inside the pixel data.
        Whatever pydicom raises on damaged files: see ``parsing``.
    """
    dataset = pydicom.dcmread(stream, force=True)
    for name in VALUES:
        element = dataset.get_item(name)
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
            continue
        if (held := len(element.value or b"")) != element.length:
            what = f"the pixel data holds {held} of {element.length} bytes"
            raise data_error("truncated_pixels", what, where)
    return dataset


def read_frames(
    dataset: Dataset, count: int, chosen: Sequence[int], where: str = ""
) -> NDArray[Any]:
    """Stored values of some frames of a file, shape ``(frame, y, x)``; not rescaled nor inverted.

    Others are counted, and not decoded: a file may hold every phase of a dynamic scan.

    Args:
        dataset: The file.
        count: How many frames it has.
        chosen: Which are wanted, from 0.
        where: Told with what is wrong.

    Raises:
        DataError: ``not_grey``, ``lossy_pixels``, ``unknown_encoding``, ``truncated_pixels``,
            ``bad_pixels`` or ``unreadable_file``.
    """
    with parsing("the pixel data", where):
        fill_in(dataset)
        check_encoding(dataset, where)
        taken = chosen if can_be_cut(dataset) else range(count)
        pixels = fitted(dataset, decode(of_frames(dataset, count, taken, where)), where)
    shape = (len(taken), int(dataset.Rows), int(dataset.Columns))
    if pixels.size != np.prod(shape):
        raise data_error("not_grey", f"pixels of shape {pixels.shape}", where)
    frames: NDArray[Any] = pixels.reshape(shape)
    return frames if taken is chosen else frames[list(chosen)]


def fill_in(dataset: Dataset) -> None:
    """What old files leave out and pydicom asks for: one grey value can be read in one way only."""
    grey = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    if dataset.get("SamplesPerPixel") in {None, 1} and grey.startswith("MONOCHROME"):
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, grey
    meta = getattr(dataset, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        meta = dataset.file_meta = meta or FileMetaDataset()
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def decode(dataset: Dataset) -> NDArray[Any]:
    """Stored values of all frames, decoded by pydicom, or by ITK what that cannot decode.

    Raises:
        WorkerError: ``memory``: they are too many for this machine.
        Whatever they raise on damaged files: see ``parsing``.
    """
    frames, size = int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows) * int(dataset.Columns)
    check_memory(frames * size * -(-int(dataset.BitsAllocated) // 8), "pixels")
    by_itk = dataset.file_meta.TransferSyntaxUID in _BY_ITK
    pixels: NDArray[Any] = decode_by_itk(dataset) if by_itk else dataset.pixel_array
    return pixels


def decode_by_itk(dataset: Dataset) -> NDArray[Any]:
    """Stored values of a compressed file: its pixels alone, handed to ITK under no name.

    Raises:
        RuntimeError: The stream is damaged.
    """
    bare = Dataset()
    for keyword in PIXEL_MODULE:
        setattr(bare, keyword, dataset[keyword].value)
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.PhotometricInterpretation = "MONOCHROME2"  # MONOCHROME1 would be inverted
    if dataset.get("NumberOfFrames"):
        bare.NumberOfFrames = dataset.NumberOfFrames
    bare.PixelData = dataset.PixelData
    bare["PixelData"].VR = "OB"
    bare["PixelData"].is_undefined_length = True
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    with on_disk("pixels.dcm", partial(bare.save_as, enforce_file_format=True)) as path:
        pixels: NDArray[Any] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    return pixels


def check_encoding(dataset: Dataset, where: str = "") -> None:
    """Refuse pixels that are not what the scanner measured, or that nobody here can decode.

    Raises:
        DataError: ``not_grey``, ``lossy_pixels``, ``unknown_encoding``, ``bad_pixels`` or
            ``bad_rescale``.
    """
    samples = int(dataset.get("SamplesPerPixel") or 1)
    meaning = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    if samples != 1 or not meaning.startswith("MONOCHROME"):
        said = meaning if meaning in _MEANINGS else "of an unknown meaning"
        raise data_error("not_grey", f"{samples} samples per pixel, {said}", where)
    if loss := declared_loss(dataset):
        raise data_error("lossy_pixels", loss, where)
    if dataset.get("ModalityLUTSequence"):
        raise data_error("bad_rescale", "stored values go through a lookup table", where)
    check_syntax(dataset, where)


def check_syntax(dataset: Dataset, where: str = "") -> None:
    """Refuse an encoding that loses something, or that nobody here can decode.

    Raises:
        DataError: ``lossy_pixels`` or ``unknown_encoding``.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax in _LOSSLESS | NATIVE:
        return
    keyword = syntax.keyword if syntax is not None else ""
    name = syntax.name if keyword else "a private one"
    if "JPEG" in keyword and ("Near" in keyword or "Lossless" not in keyword):
        raise data_error("lossy_pixels", f"encoded as {name}", where)
    raise data_error("unknown_encoding", f"transfer syntax: {name}", where)


def rescale(
    slices: Sequence[NDArray[Any]],
    slopes: Sequence[float | None],
    intercepts: Sequence[float | None],
) -> list[NDArray[Any]]:
    """Apply each slice's own slope and intercept; whole numbers stay whole.

    Args:
        slices: Stored values, shape ``(y, x)`` each.
        slopes: None where a slice states none.
        intercepts: None where a slice states none.

    Raises:
        DataError: ``bad_rescale``: a slope is zero, a number is not finite, or some slices state
            what others leave out.
    """
    slopes, intercepts = _stated(slopes, 1.0), _stated(intercepts, 0.0)
    if not (np.isfinite([*slopes, *intercepts]).all() and all(slopes)):
        what = f"slopes {min(slopes):g} to {max(slopes):g}, intercepts {min(intercepts):g}"
        raise data_error("bad_rescale", f"{what} to {max(intercepts):g}")
    whole = all(one.dtype.kind in "iu" for one in slices)
    if whole and set(slopes) == {1.0} and set(intercepts) == {0.0}:
        return list(slices)
    if whole and set(slopes) == {1.0} and all(intercept.is_integer() for intercept in intercepts):
        highest = max(abs(intercept) for intercept in intercepts) + max(
            np.abs(_ends(one)).max() for one in slices
        )
        if highest <= _LARGEST:
            pairs = zip(slices, intercepts, strict=True)
            return [one.astype(np.int32) + np.int32(intercept) for one, intercept in pairs]
    triples = zip(slices, slopes, intercepts, strict=True)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
        return [(one * np.float64(slope) + added).astype("f4") for one, slope, added in triples]


def _stated(numbers: Sequence[float | None], default: float) -> list[float]:
    stated = {number for number in numbers if number is not None}
    if None in numbers and stated - {default}:
        lacking = sum(number is None for number in numbers)
        what = f"{lacking} of {len(numbers)} slices state no slope or intercept, as the others do"
        raise data_error("bad_rescale", what)
    return [default if number is None else number for number in numbers]


def _ends(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([values.min(), values.max()], dtype=np.float64)
