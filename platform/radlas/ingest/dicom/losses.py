"""Whether a header says that pixels were ever compressed with loss.

The flag is for that, LossyImageCompression. Converters that unpack such an image drop it, and keep
the ratio, the method or a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset

from radlas.ingest.deidentify import safe_number
from radlas.ingest.dicom.elements import Elements

FLAG, RATIO = "LossyImageCompression", "LossyImageCompressionRatio"
METHOD, CODES = "LossyImageCompressionMethod", "DerivationCodeSequence"
_WORDS = ("ImageType", "DerivationDescription")
#: What ``may_be_lossy`` looks at.
KEYWORDS = (FLAG, RATIO, METHOD, CODES, *_WORDS)
_LARGEST = 1000
_YES = {"01", "1", "YES", "Y", "TRUE"}
_NO = {"", "00"}
_LOSSY = re.compile(r"(?<!non[ -])(?<!not )(?<!no )(?<![^\W_])lossy", re.IGNORECASE)
_CODE = ("113040", "DCM")  # Lossy Compression (PS3.16, CID 7203)
_METHODS = {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2"}


def may_be_lossy(elements: Elements) -> bool:
    """True if a header speaks of compression, or of what may be one: see ``declared_loss``."""
    told = " ".join(map(elements.text, _WORDS))
    return (
        elements.text(FLAG) not in _NO
        or any(len(elements.raw(keyword)) for keyword in (METHOD, CODES))
        or any(ratio != 1.0 for ratio in elements.floats(RATIO))
        or bool(_LOSSY.search(told))
    )


def declared_loss(header: Dataset | Mapping[str, Any]) -> str:
    """What a header says of compression with loss, in words that quote nothing; empty if nothing.

    Examples:
        >>> declared_loss({"LossyImageCompressionRatio": 12.5})
        'lossy compression, ratio 12.5'
        >>> declared_loss({"ImageType": ["DERIVED", "PRIMARY", "LOSSLESS"]})
        ''
    """
    ratios = [safe_number(one) or 0.0 for one in _values(header, RATIO)]
    methods = [str(one).strip() for one in _values(header, METHOD)]
    if _text(header, FLAG).upper() in _YES or max(ratios, default=0.0) > 1:
        ratio = max(ratios, default=0.0)  # beyond what any is, a date or a record number
        return f"lossy compression, ratio {ratio if 0 < ratio < _LARGEST else 'unknown'}"
    if any(methods):
        known = ", ".join(one for one in methods if one in _METHODS)
        return f"lossy compression, method {known or 'unknown'}"
    if any(_code(item) == _CODE for item in header.get(CODES) or ()):
        return "lossy compression, by the code of its derivation"
    said = [keyword for keyword in _WORDS if _LOSSY.search(_text(header, keyword))]
    return f"lossy compression, by its {said[0]}" if said else ""


def _code(item: Dataset) -> tuple[str, str]:
    return _text(item, "CodeValue"), _text(item, "CodingSchemeDesignator")


def _text(header: Dataset | Mapping[str, Any], keyword: str) -> str:
    return " ".join(str(one).strip() for one in _values(header, keyword))


def _values(header: Dataset | Mapping[str, Any], keyword: str) -> list[Any]:
    value = header.get(keyword)
    if value is None or isinstance(value, str | float | int):
        return [] if value is None else [value]
    return list(value)
