"""Which drawn name means which ROI: one map of regular expressions, matched against whole names.

A pattern may hold a group ``reader``: its text becomes the reader of the mask, so that two
readers' drawings of one tumour can live side by side (``GTV_reader1``, ``GTV_reader2``). It is
stored, so it must be a number or a letter: a longer word may be a name, or a patient's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from radlas.config import Config
from radlas.errors import ConfigError, DataError
from radlas.ingest.namesakes import one_spelling
from radlas.model import EDEMA, ROI_NAME, TUMOUR
from radlas.reasons import data_error
from radlas.words import counted
from radlas.yaml_text import read_yaml

# The collection draws one name per image: GTV_Mass, GTV_Mass_MR_T1, GTV_Edema_MR_T2FS.
_SUFFIX = (
    r"(?:[ _-](?:MR|CT|PT|PET))?(?:[ _-](?:T1|T2|T2FS|STIR))?"
    r"(?:[ _-]reader[ _-]?(?P<reader>[A-Za-z0-9]{1,8}))?"
)
_NOTHING_DRAWN = "nothing is drawn in the mask file: draw the tumour, or export it again"
_READER = re.compile(r"[A-Za-z]?\d{1,3}|[A-Za-z]")

RESERVED = "readers"
T = TypeVar("T")


@dataclass(frozen=True)
class RoiMap:
    """Which drawn name means what.

    Attributes:
        patterns: ROI to regular expressions; one of them must match the whole name, any case.
        readers: Reader to regular expressions, searched anywhere in a name; what matches tells the
            reader and is no part of the name then.
    """

    patterns: Mapping[str, tuple[str, ...]]
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


#: Names of the TCIA Soft-tissue-Sarcoma collection and of usual exports. There ``GTV_Research`` is
#: the mass and ``GTV_Res+edema`` the mass with its edema, drawn again for research.
DEFAULT_ROI_MAP = RoiMap(
    {
        TUMOUR: (
            rf"GTV(?:[ _-]?(?:Mass|Research|Tumou?r))?{_SUFFIX}",
            rf"(?:tumou?r|mask|label|seg|segmentation|lesion){_SUFFIX}",
        ),
        EDEMA: (
            rf"GTV[ _-]?(?:Res[ _+-]*)?o?edema{_SUFFIX}",
            rf"(?:peritumou?ral[ _-]?)?o?edema{_SUFFIX}",
        ),
    }
)
Target = tuple[str, str]  # ROI, reader

# Words that may stand in a stored message; anything else in a drawn name could be a person's.
_WORDS = (
    "gtv ctv ptv itv roi mass edema oedema tumor tumour tumoral lesion necrosis core ring"
    " muscle bone fat vessel nerve skin body external peritumoral peritumoural res research mask"
    " label seg segmentation mr mri ct pt pet stir fs left right cyst node nodule organ heart"
    " lung"
)
_SAFE_WORDS = frozenset(_WORDS.split())


class _Names(Config):
    """One ROI's names in a map file, each a text or a list of them."""

    patterns: Any = ()
    aliases: Any = ()


def read_roi_map(path: Path) -> RoiMap:
    """A map file: ROI to patterns, or to ``patterns`` and ``aliases``; and ``readers``.

    Aliases are names as they are drawn, any case; patterns are regular expressions.

    Raises:
        ConfigError: The file is missing, or is no such mapping.
    """
    values = read_yaml(path)
    readers = _readers(values.pop(RESERVED, None) or {}, f"{path}, {RESERVED}")
    found = {str(roi): _patterns(names, f"{path}, {roi}") for roi, names in values.items()}
    return resolve_roi_map(RoiMap(found, readers), defaults=False)


def _readers(told: Any, where: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(told, Mapping):
        hint = "write it as {r1: ['_AB$'], r2: ['_CD$']}"
        raise ConfigError("not a mapping of readers to patterns", where, hint)
    return {str(reader): _texts(patterns, where) for reader, patterns in told.items()}


def _patterns(names: Any, where: str) -> tuple[str, ...]:
    if not isinstance(names, Mapping):
        return _texts(names, where)
    told = _Names.parse(names, where)
    return (*_texts(told.patterns, where), *map(re.escape, _texts(told.aliases, where)))


def resolve_roi_map(own: RoiMap, labels: Iterable[str] = (), *, defaults: bool = True) -> RoiMap:
    """The default map with ``own``: a ROI named there loses its default patterns.

    Args:
        own: What the study says.
        labels: ROIs that a declared voxel value stands for; each is its own name.
        defaults: False to check ``own`` alone.

    Raises:
        ConfigError: A pattern is no regular expression, or a ROI's name is no plain word.
    """
    labels = list(filter(None, labels))
    for roi in (*own.patterns, *labels):
        if not ROI_NAME.fullmatch(roi):
            hint = "use lower case, and no two `_` in a row, as `tumour` or `tumour_core`"
            raise ConfigError(f"{roi!r} is no ROI name", "roi_map", hint)
    for patterns in own.patterns.values():
        for pattern in patterns:
            _compile(pattern)
    for reader, patterns in own.readers.items():
        if not re.fullmatch(r"[A-Za-z0-9]{1,8}", reader):
            raise ConfigError(f"{reader!r} is no reader", "roi_map", "use 1 to 8 letters or digits")
        for pattern in patterns:
            _compile(pattern)
    resolved = {**(DEFAULT_ROI_MAP.patterns if defaults else {}), **own.patterns}
    for roi in labels:
        resolved[roi] = (*resolved.get(roi, ()), re.escape(roi))
    return RoiMap(resolved, own.readers)


def match_name(name: str, roi_map: RoiMap) -> Target | None:
    """The ROI and reader that a drawn name means, or None if the map does not know it.

    Raises:
        DataError: ``ambiguous_roi``: patterns of several ROIs match.
    """
    plain, reader = _take_reader(one_spelling(name.strip()), roi_map.readers)
    found: dict[str, str] = {}
    for roi, patterns in roi_map.patterns.items():
        for pattern in patterns:
            if match := _compile(pattern).fullmatch(plain):
                told = match.groupdict().get("reader") or ""
                if not told or _READER.fullmatch(told):  # else the name is one nobody knows
                    found.setdefault(roi, told or reader)
    if len(found) > 1:
        raise data_error(
            "ambiguous_roi", f"{safe_name(name)!r} matches {' and '.join(sorted(found))}"
        )
    return next(iter(found.items()), None)


def is_known(name: str, roi_map: RoiMap) -> bool:
    """Whether a drawn name means a ROI, or several: that is said when its exam is read."""
    try:
        return match_name(name, roi_map) is not None
    except DataError:
        return True


def _take_reader(name: str, readers: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    for reader, patterns in readers.items():
        for pattern in patterns:
            if match := _compile(pattern).search(name):
                return name[: match.start()] + name[match.end() :], reader
    return name, ""


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError("not a list of patterns", where, "write it as ['GTV.*', 'lesion ?1']")
    return tuple(value)


def assign_names(named: Sequence[tuple[T, str]], roi_map: RoiMap) -> list[tuple[T, Target]]:
    """What each drawing means; those whose name the map does not know are left out.

    Args:
        named: Drawings with their names.
        roi_map: Resolved.

    Raises:
        DataError: ``ambiguous_roi``: one name means two ROIs; ``no_tumour``: no name means the
            tumour.
    """
    found = [(one, target) for one, name in named if (target := match_name(name, roi_map))]
    if not any(target[0] == TUMOUR for _, target in found):
        seen = ", ".join(sorted({safe_name(name) for _, name in named})) or "none"
        what = f"{counted(len(named), 'mask')}, named: {seen}"
        raise data_error("no_tumour", what, hint="" if named else _NOTHING_DRAWN)
    return found


def safe_name(name: str) -> str:
    """A drawn name fit to be stored: unknown words are shown by their length, as ``<6>``."""
    parts = re.findall(r"[^\W\d_]+|\d+|[\W_]", one_spelling(name)[:64])
    return "".join(_safe_part(part) for part in parts)


def _safe_part(part: str) -> str:
    if part.lower() in _SAFE_WORDS or (part.isdigit() and len(part) <= 2) or part in "_-+ ":
        return part
    return part.upper() if part in {"T", "t"} else f"<{len(part)}>"


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(one_spelling(pattern), re.IGNORECASE)
    except re.error as error:
        raise ConfigError(
            f"{pattern!r} is no regular expression: {error}", "roi_map", "escape ( ) + * ? with \\"
        ) from None
