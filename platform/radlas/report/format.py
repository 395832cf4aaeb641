"""Numbers and names as a reader sees them: one rule each, used by tables and figures alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

NOT_ESTIMABLE = "not estimable"
_MINUS = "\N{MINUS SIGN}"
_NARROW = "\N{NARROW NO-BREAK SPACE}"
_RING = re.compile(r"^ring_(\d+)_(\d+)$")
_LOG = re.compile(r"^log-sigma-(\d+)-(\d+)-mm(?:-3D)?$")  # PyRadiomics adds the last


def fixed(value: float | None, decimals: int = 3) -> str:
    """A number with fixed decimals: AUC, F1, proportions, risks.

    Examples:
        >>> fixed(0.93912), fixed(None)
        ('0.939', 'not estimable')

    What is nearly 1 is not written as 1, which would say that nothing is missing, but what differs
    by rounding is.

        >>> fixed(0.99961), fixed(1.0), fixed(1 - 2e-16)
        ('0.9996', '1.000', '1.000')

    Nor is what is a little above 0 written as 0, which would say that there is nothing.

        >>> fixed(0.00041), fixed(0.0), fixed(1e-17)
        ('0.0004', '0.000', '0.000')
    """
    if value is None:
        return NOT_ESTIMABLE
    text = _rounded(value, decimals)
    if value > 0 and not float(text):
        more = (_rounded(value, n) for n in range(decimals + 1, 7))
        return next((longer for longer in more if float(longer)), text)
    return text


def _rounded(value: float, decimals: int) -> str:
    if abs(value) < 1:
        enough = (n for n in range(decimals, 7) if f"{abs(value):.{n}f}"[0] == "0")
        decimals = next(enough, decimals)
    text = f"{abs(value):.{decimals}f}"
    return _MINUS + text if value < 0 and float(text) else text


def digits_apart(one: float | None, other: float | None, decimals: int = 3) -> int:
    """Decimals with which two numbers that differ do not look the same, at most 9.

    Examples:
        >>> digits_apart(0.49996, 0.5), digits_apart(0.3, 0.5)
        (5, 3)
    """
    if one is None or other is None or one == other:
        return decimals
    return next((n for n in range(decimals, 9) if f"{one:.{n}f}" != f"{other:.{n}f}"), 9)


def significant(value: float | None, digits: int = 3) -> str:
    """A number of any magnitude with three significant digits: feature means, coefficients.

    Examples:
        >>> significant(1234.5), significant(0.00123456), significant(2.0)
        ('1230', '0.00123', '2.00')
    """
    if value is None:
        return NOT_ESTIMABLE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 6:
        mantissa, _, power = f"{abs(value):.{digits - 1}e}".partition("e")
        text = f"{mantissa}e{int(power)}".replace("-", _MINUS)
    else:
        rounded = round(abs(value), digits - 1 - exponent)
        text = f"{rounded:.{max(digits - 1 - exponent, 0)}f}"
    return _MINUS + text if value < 0 else text


def signed(value: float | None, decimals: int = 3) -> str:
    """A difference: always with its sign.

    Examples:
        >>> signed(0.05)
        '+0.050'
    """
    if value is None:
        return NOT_ESTIMABLE
    text = _rounded(value, decimals)
    return f"+{text}" if float(f"{value:.{decimals}f}") > 0 else text


def p_value(value: float | None) -> str:
    """A p value: three decimals, ``< 0.001`` below.

    Examples:
        >>> p_value(0.0412), p_value(1e-9)
        ('0.041', '< 0.001')

    One that is rounded up to 0.05 is shown with the digits that tell it lies below.

        >>> p_value(0.04996), p_value(0.05)
        ('0.04996', '0.050')
    """
    if value is None:
        return NOT_ESTIMABLE
    if value < 0.001:
        return "< 0.001"
    text = fixed(value)
    if value < 0.05 and float(text) == 0.05:
        return next((t for n in range(4, 9) if float(t := f"{value:.{n}f}") < 0.05), "< 0.05")
    return text


def p_equals(value: float | None) -> str:
    """A p value behind the letter.

    Examples:
        >>> p_equals(0.0412), p_equals(1e-9)
        ('= 0.041', '< 0.001')
    """
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def count(value: int | None) -> str:
    """A count, thousands set apart."""
    return "not recorded" if value is None else f"{value:,}".replace(",", _NARROW)


def share(part: int | None, whole: int) -> str:
    """A count with its percentage.

    Examples:
        >>> share(12, 48).replace(_NARROW, " "), share(0, 0)
        ('12 (25 %)', 'not recorded')
    """
    if part is None or not whole:
        return count(part or None)
    return f"{count(part)} ({percent(part, whole)}{_NARROW}%)"


def percent(part: float, whole: float) -> str:
    """A share in whole percent; some are never called none, nor most called all.

    Examples:
        >>> percent(12, 48), percent(1, 300), percent(299, 300), percent(0, 0)
        ('25', '< 1', '> 99', '–')

    What differs from none or all by rounding is called so.

        >>> percent(1 - 2e-16, 1), percent(1e-17, 1)
        ('100', '0')
    """
    if not whole:
        return "–"
    share = round(part / whole, 12)
    text = f"{100 * share:.0f}"
    if text == "0" and share:
        return "< 1"
    return "> 99" if text == "100" and share < 1 else text


def bounds(interval: Mapping[str, Any] | None, decimals: int = 3) -> str:
    """The ends of a 95 % interval, in words that survive negative numbers."""
    if interval is None or interval["low"] is None or interval["high"] is None:
        return NOT_ESTIMABLE
    return f"{fixed(interval['low'], decimals)} to {fixed(interval['high'], decimals)}"


def estimate(interval: Mapping[str, Any] | None, decimals: int = 3) -> str:
    """An estimate with its 95 % interval.

    Examples:
        >>> estimate({"estimate": 0.9, "low": 0.8, "high": 0.95})
        '0.900 (0.800 to 0.950)'
    """
    if interval is None or interval["estimate"] is None:
        return NOT_ESTIMABLE
    ends = bounds(interval, decimals)
    return f"{fixed(interval['estimate'], decimals)} ({'CI ' * (ends == NOT_ESTIMABLE)}{ends})"


def methods(intervals: Iterable[Mapping[str, Any] | None]) -> str:
    """How intervals were made, each way once, as they come.

    Examples:
        >>> methods([{"method": "exact"}, None, {"method": "Wilson"}, {"method": "exact"}])
        'exact or Wilson'
        >>> methods([None])
        'none'
    """
    ways = [one["method"] for one in intervals if one and one.get("method")]
    return " or ".join(dict.fromkeys(ways)) or "none"


def feature(name: str) -> str:
    """A feature's name for people; parts of the stored name are set apart by ``__``.

    Examples:
        >>> feature("tumour__original__firstorder_Mean")
        'tumour · original · firstorder Mean'
        >>> feature("ring_0_10__log-sigma-2-0-mm-3D__glcm_Idn")
        'ring 0–10 mm · LoG 2.0 mm · glcm Idn'
    """
    return " · ".join(_part(part) for part in name.split("__"))


def shorten(text: str, length: int = 46) -> str:
    """``text``, its middle replaced by an ellipsis where it is too long for a figure's axis."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def begun(words: str) -> str:
    """Words as they begin a sentence or a row: names and abbreviations among them stay.

    Examples:
        >>> begun("the DICOM series"), begun("IDH wild-type"), begun("")
        ('The DICOM series', 'IDH wild-type', '')
    """
    return words[:1].upper() + words[1:]


def two_lines(name: str, length: int = 44) -> str:
    """A feature's name for an axis: a long one is broken before its last part."""
    text = feature(name)
    head, dot, tail = text.rpartition(" · ")
    if len(text) <= 34 or not dot:
        return shorten(text, length)
    return f"{shorten(head, length)}\n{shorten(tail, length)}"


def short_id(case: str) -> str:
    """The first eight characters of a pseudonym."""
    return case if len(case) <= 12 else f"{case[:8]}…"


def settings(values: Mapping[str, Any]) -> str:
    """Chosen settings on one line, as ``C = 0.1, k = 20``."""
    return ", ".join(f"{key} = {_plain(values[key])}" for key in sorted(values)) or "none"


def _part(part: str) -> str:
    if ring := _RING.match(part):
        return f"ring {ring[1]}–{ring[2]} mm"
    if log := _LOG.match(part):
        return f"LoG {log[1]}.{log[2]} mm"
    return part.replace("_", " ").replace("wavelet-", "wavelet ")


def _plain(value: Any) -> str:
    return significant(value) if isinstance(value, float) else str(value)
