"""One slice of a case as a thumbnail: a grey picture, and outlines of masks as paths. Pure."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radlas.model import TUMOUR

Mask = NDArray[np.bool_]
#: Colours of outlines, on grey; told apart also with colour-blind eyes (Okabe and Ito).
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#d55e00")


@dataclass(frozen=True)
class Thumbnail:
    """A slice ready for a page.

    Attributes:
        picture: JPEG as a data URI.
        width: Of the slice in pixels of equal edge.
        height: Likewise.
        outlines: ROI to an SVG path in those pixels; empty where the ROI is not on the slice.
        number: Of the slice, from 1.
        slices: In the volume.
        sides: Of the patient, at the left and the top edge, as ``geometry.as_seen`` names them;
            empty where that is not known.
    """

    picture: str
    width: float
    height: float
    outlines: Mapping[str, str]
    number: int
    slices: int
    sides: tuple[str, str] | tuple[()] = ()


def outline_colours(rois: Iterable[str]) -> dict[str, str]:
    """One colour per ROI, the tumour's first; readers of a ROI share it."""
    names = sorted({roi.partition("@")[0] for roi in rois}, key=lambda roi: (roi != TUMOUR, roi))
    return {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}


def busiest_slice(mask: Mask) -> int:
    """The slice with most voxels of a mask of shape ``(z, y, x)``; the first of equals."""
    return int(np.count_nonzero(mask, axis=(1, 2)).argmax())


def make_thumbnail(
    voxels: NDArray[np.generic],
    masks: Mapping[str, Mask],
    *,
    spacing: tuple[float, float],
    number: int,
    slices: int,
    sides: tuple[str, str] | tuple[()] = (),
    longest: int = 256,
    quality: int = 82,
) -> Thumbnail:
    """Draw one slice.

    Args:
        voxels: Shape ``(y, x)``.
        masks: ROI to mask, shape ``(y, x)``.
        spacing: Between columns, between rows [mm].
        number: Of the slice, from 1.
        slices: In the volume.
        sides: Of the patient, at the left and the top edge, if known.
        longest: Longest side of the picture [pixel].
        quality: Of the JPEG, 1 to 95.
    """
    rows, columns = voxels.shape
    edge = min(spacing)
    width, height = columns * spacing[0] / edge, rows * spacing[1] / edge
    scale = min(1.0, longest / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(_windowed(voxels)).resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    coded = base64.b64encode(stream.getvalue()).decode("ascii")
    stretch = width / columns, height / rows
    outlines = {name: _path(mask, stretch) for name, mask in masks.items()}
    uri = f"data:image/jpeg;base64,{coded}"
    return Thumbnail(uri, width, height, outlines, number, slices, sides)


def _windowed(voxels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey levels between the 1st and 99.5th percentile of what is not background."""
    values = voxels.astype(np.float64)
    inside = values[values > values.min()]
    low, high = np.percentile(inside, (1.0, 99.5)) if inside.size else (0.0, 1.0)
    grey = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return grey.astype(np.uint8)


def _path(mask: Mask, stretch: tuple[float, float]) -> str:
    """Outlines midway between pixels inside and outside, as an SVG path."""
    padded = np.pad(mask.astype(np.float64), 1)  # so that outlines close at the border
    lines: list[NDArray[np.float64]] = contourpy.contour_generator(
        z=padded, line_type=contourpy.LineType.Separate
    ).lines(0.5)  # type: ignore[assignment]  # of that line type it is a list of arrays
    parts = []
    for line in lines:
        # Pixel centres lie at half pixels on the page; padding moved everything by one.
        x, y = (line[:, 0] - 0.5) * stretch[0], (line[:, 1] - 0.5) * stretch[1]
        points = " L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f"M{points}Z")
    return "".join(parts)
