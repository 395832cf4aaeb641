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


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, as hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def voxel_digest(voxels: NDArray[Any]) -> str:
    """SHA-256 over shape and values, the same for int16 and float32 copies of the same voxels.

    Args:
        voxels: Array of any real dtype whose values float32 holds exactly.
    """
    plain = np.ascontiguousarray(voxels, dtype="<f4")
    head = canonical_json(list(plain.shape)).encode()
    return hashlib.sha256(head + plain.tobytes()).hexdigest()


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
