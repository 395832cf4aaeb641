"""The frames of an enhanced file, each described to the planner as a slice like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import pydicom

from radlas.errors import DataError
from radlas.ingest.deidentify import safe_number
from radlas.ingest.dicom.enhanced import ENHANCED, OF_SHARED, PER_FRAME, frame_headers
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.parsing import parsing

_DESCRIBED = ["Rows", "Columns", "NumberOfFrames", OF_SHARED, PER_FRAME]


def may_be_enhanced(file: ImageFile, sop_class: str) -> bool:
    """True if what is said of its planes may stand in functional groups."""
    placeless = not (file.position or file.orientation)  # of a vendor's own class
    return file.modality == "MR" and (file.frames > 1 or sop_class in ENHANCED or placeless)


def as_frames(
    file: ImageFile, stream: BinaryIO, intern: Callable[[Any], Any]
) -> tuple[ImageFile, ...]:
    """One record for each frame; the file's own where not every frame says where it lies.

    What is wrong with such a file is told when it is read.

    Args:
        file: As its top level describes it.
        stream: The file; it is left anywhere.
        intern: Keeps equal values once.
    """
    stream.seek(0)
    try:
        with parsing("the functional groups"):
            dataset = pydicom.dcmread(
                stream, stop_before_pixels=True, force=True, specific_tags=_DESCRIBED
            )
            frames = frame_headers(dataset)
            found = tuple(_frame(file, one, index, intern) for index, one in enumerate(frames, 1))
    except DataError:
        return (file,)
    placed = all(one.position and one.orientation for one in found)
    return found if placed else (file,)


def _frame(
    file: ImageFile, said: Mapping[str, Any], number: int, intern: Callable[[Any], Any]
) -> ImageFile:
    times = {
        name: intern(safe_number(_first(said[keyword])))
        for name, keyword in (
            ("echo_ms", "EchoTime"),
            ("repetition_ms", "RepetitionTime"),
            ("inversion_ms", "InversionTime"),
            ("b_value", "DiffusionBValue"),
            ("stated_step", "SpacingBetweenSlices"),
        )
        if keyword in said
    }
    order = safe_number(said.get("InstanceNumber"))
    alone = file.frames == 1
    return replace(
        file,
        shape=intern((1, *file.shape[1:])),
        frame=0 if alone else number,
        position=_floats(said, "ImagePositionPatient"),
        orientation=intern(_floats(said, "ImageOrientationPatient")),
        pixel_spacing=intern(_floats(said, "PixelSpacing")),
        image_type=intern(_types(said) or file.image_type),
        acquisition=intern(str(said.get("AcquisitionNumber", file.acquisition))),
        phase=intern(str(said.get("TemporalPositionIdentifier", file.phase))),
        order=int(order) if order is not None else file.order if alone else None,
        fat_option=file.fat_option or said.get("SpectrallySelectedSuppression") == "FAT",
        **times,
    )


def _types(said: Mapping[str, Any]) -> tuple[str, ...]:
    """FrameType, and the complex component, which single slices name among their types."""
    types = said.get("ImageType", ())
    names = [types] if isinstance(types, str) else [*types]
    return tuple(str(one).strip().upper() for one in (*names, *_component(said)))


def _component(said: Mapping[str, Any]) -> tuple[str, ...]:
    told = said.get("ComplexImageComponent")
    return (told,) if isinstance(told, str) else ()


def _floats(said: Mapping[str, Any], keyword: str) -> tuple[float, ...]:
    value = said.get(keyword, ())
    return tuple(map(float, value if isinstance(value, list) else [value]))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
