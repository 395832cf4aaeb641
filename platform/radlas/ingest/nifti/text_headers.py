"""What NRRD and MHA headers say of geometry: ITK fills in what they leave out, without a word."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radlas.reasons import data_error

NO_ORIENTATION = "no_orientation"  # a flag: where the image lies in the patient is not stated
ONE_IMAGE = "write one image to a file: one phase, echo or component, in three dimensions"
_NAMED_SPACES = {
    "right-anterior-superior",
    "ras",
    "left-anterior-superior",
    "las",
    "left-posterior-superior",
    "lps",
}
_MILLIMETRES = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "none", "?"}
_LONGEST = 1 << 20  # no header is longer [bytes]
# Keys of one fact, which stands in a header once: of several ITK takes the last.
_PLACES = dict.fromkeys(("offset", "position", "origin"), "origin")
_TURNS = dict.fromkeys(("transformmatrix", "rotation", "orientation"), "orientation")
_FACTS = {
    **_PLACES,
    **_TURNS,
    "space origin": "origin",
    **dict.fromkeys(("binarydatabyteordermsb", "elementbyteordermsb", "endian"), "order of bytes"),
    **dict.fromkeys(("elementspacing", "spacings"), "spacing"),
    **dict.fromkeys(("dimsize", "sizes"), "size"),
    **dict.fromkeys(("elementtype", "type"), "type of voxel"),
    "space": "space",
    "space directions": "directions",
}


@dataclass(frozen=True)
class TextHeader:
    """The header of a NRRD or MHA file.

    Attributes:
        nrrd: False for MHA.
        fields: Keys in lower case, and their values.
        end: Where the voxels begin [bytes].
        disputed: What stands there twice, and differently; empty if nothing does.
    """

    nrrd: bool
    fields: Mapping[str, str]
    end: int
    disputed: str = ""


def read_header(path: Path) -> TextHeader:
    """The header of a NRRD or MHA file, which ends with a blank line or where its voxels begin."""
    nrrd = path.name.lower().endswith(".nrrd")
    found: dict[str, str] = {}
    facts: dict[str, set[tuple[str | float, ...]]] = defaultdict(set)
    end = 0
    with path.open("rb") as stream:
        for line in stream.read(_LONGEST).split(b"\n"):
            end += len(line) + 1
            text = line.decode("latin-1").strip()
            key, separator, value = text.partition(":" if nrrd else "=")
            if not text or (found and not separator and not text.startswith(("#", "NRRD"))):
                break
            if separator:
                name = key.strip().lower()
                found[name] = value.lstrip("=").strip()
                facts[_FACTS.get(name, "")].add(_plain(found[name]))
            if key.strip().lower() == "elementdatafile":
                break
    disputed = next((fact for fact, said in facts.items() if fact and len(said) > 1), "")
    return TextHeader(nrrd, found, end, disputed)


def _plain(text: str) -> tuple[str | float, ...]:
    """Words of a value; those that are numbers as such, however they are written."""
    words = text.casefold().replace("(", " ").replace(")", " ").replace(",", " ").split()
    numbers = map(_number, words)
    return tuple(
        word if math.isnan(number) else number for word, number in zip(words, numbers, strict=True)
    )


def check_header(header: TextHeader) -> tuple[str, ...]:
    """Check a NRRD or MHA header against what a volume needs; its flags.

    Raises:
        DataError: ``unreadable_file``: there is none; ``missing_geometry``: no spacing, or none
            along an axis; ``bad_geometry``: a unit other than millimetres, a negative spacing, or a
            place that is not made of numbers;
            ``ambiguous_geometry``: a fact stands there twice, differently;
            ``bad_rescale``: stored values are not intensities;
            ``unsupported_format``: the voxels lie in another file, which no fingerprint covers;
            ``unknown_encoding``: they are packed or written in a way that ITK does not read.
    """
    nrrd, fields = header.nrrd, header.fields
    if not fields.keys() & ({"dimension", "sizes"} if nrrd else {"ndims", "dimsize"}):
        what = f"no {'NRRD' if nrrd else 'MHA'} header: the file is empty, or of another kind"
        raise data_error("unreadable_file", what)
    local = {"data file": "", "datafile": ""} if nrrd else {"elementdatafile": "local"}
    if any(fields.get(key, here).lower() != here for key, here in local.items()):
        what = f"a .{'nrrd' if nrrd else 'mha'} header, with its voxels in another file"
        raise data_error("unsupported_format", what)
    if header.disputed:
        what = f"the header states the {header.disputed} of the image twice, and differently"
        raise data_error("ambiguous_geometry", what, hint="write the image again, by one program")
    return _check_nrrd(fields) if nrrd else _check_meta(fields)


def _check_nrrd(fields: Mapping[str, str]) -> tuple[str, ...]:
    if not fields.keys() & {"space directions", "spacings"}:
        raise data_error("missing_geometry", "the NRRD header states no spacing")
    if fields.get("dimension") == "3":  # of more, the axis of components has none
        _check_axes(fields)
    if fields.get("encoding", "").lower() in {"bzip2", "bz2"}:
        hint = "write the file again with its voxels raw or packed by gzip"
        raise data_error("unknown_encoding", "the NRRD voxels are packed by bzip2", hint=hint)
    _check_units(fields.get("space units", fields.get("units", "")), "NRRD")
    placed = "space origin" in fields and not _unsaid(fields["space origin"])
    stated = fields.get("space", "").lower() in _NAMED_SPACES and placed
    return () if stated and "space directions" in fields else (NO_ORIENTATION,)


def _check_axes(fields: Mapping[str, str]) -> None:
    """ITK takes an edge that is ``nan``, or an axis that is ``none``, for 1 mm."""
    edges = fields.get("spacings", "")
    if _unsaid(f"{edges} {fields.get('space directions', '')}"):
        what = "the NRRD header states no spacing along one of its axes"
        raise data_error("missing_geometry", what)
    _check_edges([_number(edge) for edge in edges.split()], "NRRD")


def _unsaid(text: str) -> bool:
    """True if something stands there that is no number: ``nan`` and ``none`` say that none is."""
    return any(isinstance(one, str) for one in _plain(text))


def _check_edges(edges: Sequence[float], kind: str) -> None:
    if any(not edge > 0 for edge in edges):  # as numbers: a field of text may hold a name
        said = " x ".join(f"{edge:g}" for edge in edges[:3])
        raise data_error("bad_geometry", f"the {kind} header states a spacing of {said}")


def _check_units(stated: str, kind: str) -> None:
    """ITK takes any number for millimetres, whatever unit stands beside it."""
    if not set(stated.lower().replace('"', " ").split()) <= _MILLIMETRES:
        what = f"the {kind} header counts in another unit than millimetres"
        raise data_error("bad_geometry", what)


def _check_meta(fields: Mapping[str, str]) -> tuple[str, ...]:
    _check_units(fields.get("distanceunits", ""), "MHA")
    spacing = fields.get("elementspacing", fields.get("elementsize"))
    if spacing is None:
        raise data_error("missing_geometry", "the MHA header states no spacing")
    _check_edges([_number(edge) for edge in spacing.split()], "MHA")
    if fields.get("ndims") == "3":
        _check_place(fields)
    slope = _number(fields.get("elementtointensityfunctionslope", "1"))
    shift = _number(fields.get("elementtointensityfunctionoffset", "0"))
    if (slope, shift) != (1.0, 0.0):
        raise data_error("bad_rescale", f"the MHA header states slope {slope:g}, offset {shift:g}")
    order = ("binarydatabyteordermsb", "elementbyteordermsb")
    if not _says_yes(fields, "binarydata", "true") and any(_says_yes(fields, k) for k in order):
        what = "the MHA voxels are written as text, and the header states an order of their bytes"
        hint = "write the file again with binary voxels"  # ITK swaps the bytes of what it parsed
        raise data_error("unknown_encoding", what, hint=hint)
    placed, turned = (fields.keys() & keys.keys() for keys in (_PLACES, _TURNS))
    return () if placed and turned else (NO_ORIENTATION,)


def _check_place(fields: Mapping[str, str]) -> None:
    """ITK takes what is no number, or is not there, for 0; and ``1,5`` for 1."""
    for keys, count in ((_PLACES, 3), (_TURNS, 9)):
        for key in fields.keys() & keys.keys():
            numbers = [_number(one) for one in fields[key].split()][:count]
            if len(numbers) < count or not all(map(math.isfinite, numbers)):
                what = f"the {keys[key]} in the MHA header is not {count} numbers"
                hint = "write the image again, its numbers apart by blanks, and with points"
                raise data_error("bad_geometry", what, hint=hint)


def _says_yes(fields: Mapping[str, str], key: str, unsaid: str = "false") -> bool:
    return fields.get(key, unsaid)[:1].lower() in {"t", "1"}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
