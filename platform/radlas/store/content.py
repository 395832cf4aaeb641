"""Identity of rows, whatever files, row groups or row order they are stored in.

Every row carries a digest of its values, computed once, when it is written. What a snapshot holds
is then a digest over digests, and a difference between two snapshots needs no values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from radlas.tables import ROW_DIGEST, Table

Bytes = NDArray[np.uint8]
_SLICE = 50_000  # rows laid out as bytes at once: about 50 MB
_SEPARATOR = "\x1f"


def row_digests(table: Table, rows: Any) -> Any:
    """The digest of each row: BLAKE2b-128 over the names and values of its columns.

    Volatile columns (who, when) do not count, nor do columns that are NULL in the row: a column
    that another feature set added changes no older row's identity.

    Args:
        table: Declares the volatile columns.
        rows: Arrow table with all columns of the rows, partitions included.

    Returns:
        Arrow array of 32 hexadecimal digits a row.
    """
    skipped = {*table.volatile, ROW_DIGEST.name}
    names = sorted(set(rows.column_names) - skipped)
    found: list[str] = []
    for start in range(0, rows.num_rows, _SLICE):
        found += _digests(names, rows.select(names).slice(start, _SLICE).combine_chunks())
    return pa.array(found, pa.string())


def content_digest(digests: Any) -> str:
    """SHA-256 over the sorted digests of rows: their order and their files do not count.

    Args:
        digests: Arrow array of row digests.
    """
    texts = np.array(digests.to_numpy(zero_copy_only=False), dtype="S32")
    return hashlib.sha256(np.sort(texts).tobytes()).hexdigest()


def key_digests(key: Sequence[str], rows: Any) -> NDArray[np.bytes_]:
    """The digest of each row's key, 16 bytes, to look keys up by.

    NULL, or a column that was declared after the rows were written, means nothing there.
    """
    nothing = pa.nulls(rows.num_rows, pa.string())
    texts = [
        rows.column(name).cast(pa.string()) if name in rows.column_names else nothing
        for name in key
    ]
    joined = pc.binary_join_element_wise(
        *texts, _SEPARATOR, null_handling="replace", null_replacement=""
    )
    found = [hashlib.blake2b(t.encode(), digest_size=16).digest() for t in joined.to_pylist()]
    return np.array(found, dtype="S16")


def _digests(names: Sequence[str], rows: Any) -> Iterator[str]:
    """Rows that lack the same columns are laid out alike, so each is one run of bytes."""
    cells = [_cells(rows.column(name)) for name in names]
    present = np.stack([~rows.column(name).is_null().to_numpy() for name in names], axis=1)
    found = np.empty(rows.num_rows, dtype=object)
    _, firsts, group = np.unique(
        np.packbits(present, axis=1), axis=0, return_index=True, return_inverse=True
    )
    for number, first in enumerate(firsts):
        there = np.flatnonzero(present[first]).tolist()
        where = np.flatnonzero(group.reshape(-1) == number)
        head = hashlib.blake2b(_SEPARATOR.join(names[i] for i in there).encode(), digest_size=16)
        block = np.concatenate([cells[i][where] for i in there], axis=1)
        for place, row in zip(where, block, strict=True):
            digest = head.copy()
            digest.update(row)
            found[place] = digest.hexdigest()
    return iter(found.tolist())


def _cells(column: Any) -> Bytes:
    """The values of a column in one canonical encoding, shape ``(row, byte)``; 0 where NULL."""
    kind = column.type
    if pa.types.is_list(kind):
        return _of_texts([np.asarray(one or [], "<f4").tobytes() for one in column.to_pylist()])
    if pa.types.is_floating(kind):
        return _of_numbers(pc.fill_null(column, 0.0).to_numpy().astype("<f8"))
    if pa.types.is_boolean(kind):
        return _of_numbers(pc.fill_null(column, False).to_numpy().astype("u1"))
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return _of_numbers(pc.fill_null(column.cast(pa.int64()), 0).to_numpy().astype("<i8"))
    coded = pc.dictionary_encode(pc.fill_null(column.cast(pa.string()), "")).combine_chunks()
    each = _of_texts([text.encode() for text in coded.dictionary.to_pylist()])
    found: Bytes = each[coded.indices.to_numpy()]
    return found


def _of_numbers(values: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def _of_texts(values: Sequence[bytes]) -> Bytes:
    """Of whatever length: each as its digest, so that all are equally wide."""
    found = b"".join(hashlib.blake2b(one, digest_size=16).digest() for one in values)
    return np.frombuffer(found, np.uint8).reshape(len(values), 16)
