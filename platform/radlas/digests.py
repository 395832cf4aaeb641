"""Canonical digests: the same content has the same name, on any machine, in any order."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, no NaN: one text per content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str | bytes) -> Any:
    """What a JSON text says; ValueError if it is none, or nested deeper than anybody writes."""
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} in it is no JSON")


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, as hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def voxel_digest(voxels: NDArray[Any]) -> str:
    """SHA-256 over shape and values, the same for int16 and float32 copies of the same voxels.

    Whole numbers are hashed as the narrowest integers that hold them, all others as float32.

    Args:
        voxels: Array of any real dtype whose values float32 holds exactly.
    """
    plain = np.ascontiguousarray(_narrowest(voxels))
    head = canonical_json([plain.dtype.str, list(plain.shape)]).encode()
    digest = hashlib.sha256(head)
    digest.update(plain.data if plain.size else b"")
    return digest.hexdigest()


def _narrowest(voxels: NDArray[Any]) -> NDArray[Any]:
    if voxels.dtype.kind not in "iu" and not _is_whole(voxels):
        return voxels.astype("<f4")
    low, high = (voxels.min(), voxels.max()) if voxels.size else (0, 0)
    for kind in ("<i2", "<i4", "<i8"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return voxels.astype(kind, copy=False)
    return voxels.astype("<f4")


def _is_whole(voxels: NDArray[Any]) -> bool:
    if voxels.dtype == bool:
        return True
    first = voxels[:1]  # most volumes that are not whole show it at once
    return all(
        bool(np.isfinite(one).all() and (np.rint(one) == one).all()) for one in (first, voxels)
    )


def mask_digest(mask: NDArray[Any]) -> str:
    """SHA-256 over shape and packed bits of a mask."""
    bits = np.packbits(np.ascontiguousarray(mask, dtype=bool))
    return hashlib.sha256(canonical_json(list(mask.shape)).encode() + bits.tobytes()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pseudonym(key: bytes, *parts: str) -> str:
    """Keyed pseudonym: HMAC-SHA256 truncated to 128 bits, as 32 hexadecimal digits.

    Args:
        key: The site's secret; it never enters the store.
        parts: What is named, from general to special: ``"subject", centre, patient_id``.
    """
    message = canonical_json(list(parts)).encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]
