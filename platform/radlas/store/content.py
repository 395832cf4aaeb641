"""Identity of rows, whatever files, row groups or row order they are stored in.

Every row carries a digest of its values, computed once, when it is written. What a snapshot holds
is then a digest over digests, and a difference between two snapshots needs no values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from radlas.tables import ROW_DIGEST, Table

Words = NDArray[np.uint64]
_SLICE = 20_000  # rows laid out at once: about 50 MB
_SEPARATOR = "\x1f"


def row_digests(table: Table, rows: Any) -> Any:
    """The digest of each row: BLAKE2b-64 over the names and values of its columns.

    Volatile columns (who, when) do not count, nor do columns that are NULL in the row: a column
    that another feature set added changes no older row's identity. 64 bits tell any two rows that
    meet by chance apart; bytes that somebody changed are told by the parts' own names.

    Args:
        table: Declares the volatile columns.
        rows: Arrow table with all columns of the rows, partitions included.

    Returns:
        Arrow array of int64.
    """
    skipped = {*table.volatile, ROW_DIGEST.name}
    names = sorted(set(rows.column_names) - skipped)
    found = [
        _digests(names, rows.select(names).slice(start, _SLICE).combine_chunks())
        for start in range(0, rows.num_rows, _SLICE)
    ]
    return pa.array(np.concatenate(found) if found else np.empty(0, "<i8"), pa.int64())


def content_digest(digests: Any) -> str:
    """SHA-256 over the sorted digests of rows: their order and their files do not count.

    Args:
        digests: Arrow array of row digests.
    """
    return hashlib.sha256(np.sort(digests.to_numpy()).astype("<i8").tobytes()).hexdigest()


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


def _digests(names: Sequence[str], rows: Any) -> NDArray[np.int64]:
    """Each row as one run of words: for each value that is there its column's name, then it."""
    words, there = [], []
    for name in names:
        column = rows.column(name)
        value = _words(column)
        tag = np.full((len(value), 1), _word_of(name.encode()), np.uint64)
        words.append(np.concatenate([tag, value], axis=1))
        present = ~column.is_null().to_numpy()
        there.append(np.repeat(present[:, None], words[-1].shape[1], axis=1))
    kept = np.concatenate(there, axis=1)
    run = np.concatenate(words, axis=1)[kept].astype("<u8").tobytes()
    ends = (8 * np.cumsum(kept.sum(axis=1))).tolist()
    starts = [0, *ends[:-1]]
    found = b"".join(
        hashlib.blake2b(run[start:end], digest_size=8).digest()
        for start, end in zip(starts, ends, strict=True)
    )
    return np.frombuffer(found, "<i8")


def _words(column: Any) -> Words:
    """The values of a column in one canonical encoding, shape ``(row, word)``; any where NULL."""
    kind = column.type
    if pa.types.is_list(kind):
        return _of_texts([np.asarray(one or [], "<f4").tobytes() for one in column.to_pylist()])
    if pa.types.is_floating(kind):
        return _of_numbers(pc.fill_null(column, 0.0).to_numpy().astype("<f8"))
    if pa.types.is_boolean(kind):
        return _of_numbers(pc.fill_null(column, False).to_numpy().astype("<i8"))
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return _of_numbers(pc.fill_null(column.cast(pa.int64()), 0).to_numpy().astype("<i8"))
    coded = pc.dictionary_encode(pc.fill_null(column.cast(pa.string()), "")).combine_chunks()
    each = _of_texts([text.encode() for text in coded.dictionary.to_pylist()])
    found: Words = each[coded.indices.to_numpy()]
    return found


def _of_numbers(values: NDArray[Any]) -> Words:
    return np.ascontiguousarray(values).view("<u8").reshape(-1, 1)


def _of_texts(values: Sequence[bytes]) -> Words:
    """Of whatever length: each as its digest, so that all are equally wide."""
    found = b"".join(hashlib.blake2b(one, digest_size=16).digest() for one in values)
    return np.frombuffer(found, "<u8").reshape(-1, 2)


def _word_of(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
