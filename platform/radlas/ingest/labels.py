"""Which voxels of a mask file are inside: by declaration, never by a guess at a value."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.errors import ConfigError
from radlas.reasons import data_error

ANY = ""  # the key of a label that holds for every mask file, whatever ROI it is
_SHOWN = 6
_LARGEST_LABEL = 2**31
_COUNTABLE = 1 << 16
# No label can be declared for what is no whole number above 0.
_REWRITE = "write the mask again, with one whole number above 0 for each region"
_ONLY = (
    "`--label {}` is the only other value; it holds for all masks of a run: ingest those with"
    " another from a folder of their own"
)
_KIND, _KIND_BEFORE = "Segmentation_SourceRepresentation", "Segmentation_MasterRepresentation"
_BINARY = "Binary labelmap"


def declared_labels(texts: Iterable[str]) -> dict[str, int]:
    """Labels as they are typed: ``255`` for every mask file, or one for each ROI, ``tumour=1``.

    Raises:
        ConfigError: A text is none, or of two labels one would not count.
    """
    labels = [_declared(text) for text in texts]
    names = Counter(roi for roi, _ in labels)
    twice = next((roi for roi, number in names.items() if number > 1), None)
    if twice is not None or (ANY in names and len(names) > 1):
        said = f"two values of {twice}" if twice else "a value of every mask file, and another one"
        hint = "declare one for all files, or one for each ROI; values that mean one ROI must be"
        raise ConfigError(f"labels state {said}", "label", f"{hint} one in the files")
    return dict(labels)


def _declared(text: str) -> tuple[str, int]:
    roi, equals, value = text.rpartition("=")
    if not value.strip().isdecimal() or int(value) < 1 or (equals and not roi.strip()):
        hint = "a whole number above 0: `--label 255`, or `--label tumour=1 --label edema=2`"
        raise ConfigError(f"{text!r} is no label", "label", hint)
    return roi.strip() or ANY, int(value)


def inventory(values: NDArray[np.generic]) -> dict[float, int]:
    """Every value of a mask file with its number of voxels, in ascending order.

    Raises:
        DataError: ``label_undeclared``: more values than any mask has.
    """
    if values.dtype.kind in "iub" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < _COUNTABLE:  # counted, not sorted: a mask has millions of voxels
            counts = np.bincount(values.ravel().astype(np.int64) - low)
            return {float(at + low): int(counts[at]) for at in np.flatnonzero(counts)}
    found, numbers = np.unique(values, return_counts=True)
    if len(found) > _COUNTABLE:  # a list of them would take gigabytes
        what = f"the mask holds {len(found)} different values, as an image does or probabilities"
        raise data_error("label_undeclared", what, hint="write one whole number for each region")
    return dict(zip(map(float, found.tolist()), numbers.tolist(), strict=True))


def told(found: Mapping[float, int]) -> str:
    """The inventory as text: ``0=9000 1=120``, cut after six values."""
    shown = " ".join(f"{_plain(value)}={count}" for value, count in list(found.items())[:_SHOWN])
    more = len(found) - _SHOWN
    return f"{shown} and {more} more values" if more > 0 else shown


def _plain(value: float) -> str:
    """A value in few digits, but in as many as tell it from another whole number."""
    text = f"{value:g}"
    rounded_to_whole = float(text) != value and float(text).is_integer()
    return f"{value:.9g}" if rounded_to_whole else text


def labelled_voxels(
    values: NDArray[np.generic],
    label: int | None,
    found: Mapping[float, int],
    *,
    named: bool = False,
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Voxels that hold the label; none, if the mask holds nothing but zeros.

    Args:
        values: Of a mask file, shape ``(z, y, x)``.
        label: The declared value; None if none is: then 1 means inside, and any other is refused.
        found: Inventory of ``values``.
        named: True if the label stands for one ROI of several: the only other value may be another,
            and is not proposed.

    Returns:
        Mask, and the flag ``other_labels`` if a declared label is not the only one.

    Raises:
        DataError: ``label_missing``: there are other values, but not this one;
            ``label_undeclared``: several values and no label was declared, or fractions beside it.
    """
    others = [value for value in found if value not in {0.0, float(label or 1)}]
    inside = np.asarray(values == (label or 1))
    soft = any(math.isfinite(one) and one % 1 for one in others)  # its ones are a core at most
    if (label is None and others and (len(others) > 1 or 1.0 in found)) or (soft and inside.any()):
        hint = _REWRITE if soft else ""
        raise data_error("label_undeclared", f"the mask holds the values {told(found)}", hint=hint)
    if others and not inside.any():
        labels = [one for one in others if one.is_integer() and 1 <= one < _LARGEST_LABEL]
        hint = "" if labels else _REWRITE
        if labels == others[:1] == others and not named:
            hint = _ONLY.format(int(labels[0]))
        raise data_error(
            "label_missing", f"no voxel is {label or 1}; it holds {told(found)}", hint=hint
        )
    return inside, ("other_labels",) if others else ()


class Segment(NamedTuple):
    """A region that a ``.seg.nrrd`` declares by itself, and the layer that it lies in."""

    name: str
    value: int
    layer: int


def segments(metadata: Mapping[str, str], layers: int) -> tuple[Segment, ...]:
    """What ``Segment0_Name``, ``Segment0_LabelValue`` and ``Segment0_Layer`` declare, and so on.

    Two segments may carry one name; both count, and whoever makes ROIs of them refuses the pair.

    Args:
        metadata: Text fields of the file.
        layers: How many it has. Programs that tell none write a layer for each segment, in order.

    Raises:
        DataError: ``bad_pixels``: a segment has no number as its value, or no layer of the file;
            ``label_undeclared``: there are several layers and no segments, or voxels are fractions.
    """
    kind = metadata.get(_KIND, metadata.get(_KIND_BEFORE, _BINARY))
    if kind != _BINARY:
        hint = "in 3D Slicer, export the segmentation as a binary labelmap"
        raise data_error("label_undeclared", "the mask is no binary labelmap", hint=hint)
    numbers = [m[1] for key in metadata if (m := re.fullmatch(r"Segment(\d+)_Name", key))]
    if layers > 1 and not numbers:
        raise data_error("label_undeclared", f"the mask has {layers} layers and names no segment")
    return tuple(_segment(metadata, number, layers) for number in sorted(numbers, key=int))


def _segment(metadata: Mapping[str, str], number: str, layers: int) -> Segment:
    name, value, layer = (
        metadata.get(f"Segment{number}_{what}", unsaid).strip()
        for what, unsaid in {"Name": "", "LabelValue": "1", "Layer": _layer(number, layers)}.items()
    )
    if not (value.isdecimal() and layer.isdecimal() and int(layer) < layers):
        what = f"segment {number} states no value or layer that a file of {layers} layers can have"
        raise data_error("bad_pixels", what, hint="save the segmentation again in 3D Slicer")
    return Segment(name, int(value), int(layer))


def _layer(number: str, layers: int) -> str:
    return number if layers > 1 else "0"
