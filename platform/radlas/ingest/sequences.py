"""Which sequence a series is, by a declared vocabulary: T2FS, STIR, T1 or other. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from radlas.errors import ConfigError

T2FS, STIR, T1, OTHER = "T2FS", "STIR", "T1", "other"
_CLASSES = {name.upper(): name for name in (T2FS, STIR, T1, OTHER)}

#: Descriptions of the TCIA Soft-tissue-Sarcoma collection that only mean something inside it: all
#: its T2 series are fat-suppressed, whether or not the technician wrote so.
TCIA_STS_SPELLINGS: dict[str, str] = {"FSE T2": T2FS, "T2ST": T2FS}

_FAT = r"FS|FAT|FATSAT|FATSUPP|FETTSAT|FETTS\S*TTIGUNG|SPIR|SPAIR|SPECIR|SP|CHESS|STIR|WATER"
_NO = "NON|NO|WITHOUT|W O|WO|OHNE|SANS|SENZA|SIN|ZONDER|SEM"
_NO_FAT = rf"\b(?:(?:{_NO})\s*(?:{_FAT})|(?:{_FAT})\s*(?:OFF|AUS))\b"
# Of water-fat imaging (Dixon, FLEX, IDEAL): only the water image is a fat-suppressed one.
_DIXON = r"\b(?:M?DIXON|FLEX|IDEAL|FAT\s*:|WATER\s*:)"
_ONLY_FAT = r"\bFAT ?(?:ONLY|IMAGES?|FRACTION)\b"
_NOT_WATER = r"\bFAT\s*:|\b(?:F|FAT|IN|OPP|OUT|IP|OP|INPHASE|OUTPHASE|IN PHASE|(?:OUT|OPP) PHASE)$"
# Within the text, where no word says water; what suppresses fat is no image of it.
_RATHER_FAT = r"\b(?:FAT(?!\s*(?:S|SAT|SUPP\S*)\b)|F|OPP|OUT|IP|OP|INPHASE|OUTPHASE|IN PHASE)\b"
_WATER = r"\b(?:W|WATER)\b"
_NOT_WATER_TYPES = {"F", "FAT", "IP", "IN_PHASE", "OP", "OPP_PHASE", "OUT_PHASE", "FAT_FRACTION"}
_DERIVED = r"AL+IGN|RESAMPL|REFORMAT|REGISTERED|\bMPR\b|\bADC\b|\bSUB(?:TRACTION)?\b"


def sequence_class(name: str) -> str:
    """The class of that name, in any case.

    Raises:
        ConfigError: There is no such class.
    """
    if name.upper() not in _CLASSES:
        raise ConfigError(
            f"no sequence class is named {name!r}",
            "sequence",
            f"choose one of: {', '.join(_CLASSES.values())}",
        )
    return _CLASSES[name.upper()]


def classify(
    description: str,
    *,
    repetition_ms: float | None = None,
    echo_ms: float | None = None,
    inversion_ms: float | None = None,
    fat_option: bool = False,
    image_type: Sequence[str] = (),
    spellings: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """The class of a series and what it was told by.

    Args:
        description: SeriesDescription, as a technician typed it.
        repetition_ms: TR [ms].
        echo_ms: TE [ms].
        inversion_ms: TI [ms].
        fat_option: True if ScanOptions name fat saturation.
        image_type: ImageType; tells the water image of water-fat imaging from the others.
        spellings: Whole descriptions that one collection uses in its own sense.

    Returns:
        Class, and ``spelling``, ``description``, ``TR/TE/TI`` or ``nothing``.

    Examples:
        >>> classify("T2 F*S")
        ('T2FS', 'description')
        >>> classify("", repetition_ms=4000, echo_ms=80, fat_option=True)
        ('T2FS', 'TR/TE/TI')
    """
    own = (spellings or {}).get(description.strip().upper())
    if own:
        return own, "spelling"
    types = {value.upper() for value in image_type}
    fat_option = fat_option or bool(types & {"W", "WATER"})
    words = _words(description)
    if types & _NOT_WATER_TYPES or _is_not_water(words):
        named = OTHER  # before the words: a T2 image of the fat says both T2 and fat
    else:
        named = _by_words(words, fat_option=fat_option)
    if named:
        return named, "description"
    timed = _by_times(repetition_ms, echo_ms, inversion_ms, fat_option=fat_option)
    return (timed, "TR/TE/TI") if timed else (OTHER, "nothing")


def names_derived(description: str) -> bool:
    """True if the description says that the series was aligned, resampled or reformatted."""
    return bool(re.search(_DERIVED, _plain(description)))


def _is_not_water(words: str) -> bool:
    """True for the other images of water-fat imaging, wherever in the text the word stands."""
    if re.search(_ONLY_FAT, words):
        return True
    if not re.search(_DIXON, words):
        return False
    rather = re.search(_RATHER_FAT, words) and not re.search(_WATER, words)
    return bool(rather or re.search(_NOT_WATER, words))


def _plain(text: str) -> str:
    text = text.upper().replace("T!", "T1")  # a shifted key; seen in the wild
    return re.sub(r"[_\-^./\\]+", " ", text)


def _words(text: str) -> str:
    """The description with T1 and T2 set apart: ``AXT1`` and ``T2SP`` are two words each.

    The W of ``T2W`` means weighted, and no water.
    """
    text = re.sub(r"T2\s*\*(?!S)", " T2STAR ", _plain(text)).replace("*", "")
    text = re.sub(r"(T1|T2(?!STAR))(?:WI?\b(?! O\b))?", r" \1 ", text)
    return re.sub(r"\s+", " ", text).strip()


def _by_words(words: str, *, fat_option: bool) -> str:
    def has(pattern: str) -> bool:
        return bool(re.search(rf"\b(?:{pattern})\b", words))

    if has("FLAIR|T2STAR|DWI|ADC|DIFF|DTI|LOC|LOCALI[SZ]ER|SCOUT|PD"):
        return OTHER
    if has("STIR|TIRM") or (has("IR") and not has("T1")):
        return STIR
    if has("T1"):
        return OTHER if has("T2") else T1
    if not has("T2"):
        return ""
    suppressed = has(_FAT) or fat_option or (re.search(_DIXON, words) and has("W"))
    return T2FS if suppressed and not re.search(_NO_FAT, words) else OTHER


def _by_times(
    repetition: float | None, echo: float | None, inversion: float | None, *, fat_option: bool
) -> str:
    # Inversion nulls fat at 80 to 260 ms (0.2 to 3 T); water takes seconds, as in FLAIR.
    if inversion and 80 <= inversion <= 260:
        return STIR
    if not repetition or not echo:
        return ""
    if repetition >= 2000 and echo >= 50:
        return T2FS if fat_option else OTHER
    return T1 if repetition <= 1000 and echo <= 30 else OTHER
