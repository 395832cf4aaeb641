"""Identity of rows, whatever files, row groups or row order they are stored in."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radlas.tables import Table


def content_digest(table: Table, rows: Any) -> str:
    """SHA-256 over the rows sorted by key and the columns sorted by name.

    Volatile columns (who, when) do not count, nor do columns without a single value: a column that
    another feature set added changes no older snapshot's identity.

    Args:
        table: Declares key and volatile columns.
        rows: Arrow table.
    """
    ordered = rows.sort_by([(name, "ascending") for name in table.key]).combine_chunks()
    digest = hashlib.sha256(str(ordered.num_rows).encode())
    for name in sorted(set(ordered.column_names) - set(table.volatile)):
        column = ordered.column(name)
        if column.null_count < len(column):
            digest.update(name.encode())
            _update(digest, column)
    return digest.hexdigest()


def _update(digest: Any, column: Any) -> None:
    """Feed one column: its nulls, then its values in one canonical encoding."""
    kind = column.type
    digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
    if pa.types.is_list(kind):
        digest.update(pc.list_value_length(column).fill_null(0).to_numpy().astype("<i8").tobytes())
        digest.update(pc.list_flatten(column).to_numpy().astype("<f4").tobytes())
    elif pa.types.is_floating(kind):
        digest.update(column.fill_null(0.0).to_numpy().astype("<f8").tobytes())
    elif pa.types.is_integer(kind):
        digest.update(column.fill_null(0).to_numpy().astype("<i8").tobytes())
    elif pa.types.is_boolean(kind):
        digest.update(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    else:
        texts = column.cast(pa.string()).fill_null("").to_pylist()
        digest.update("\x00".join(texts).encode())
