"""The declared tables as Arrow and Delta schemas."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from radlas.tables import Column, Table

_ARROW = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "list<float32>": pa.list_(pa.float32()),
}


def arrow_field(column: Column) -> Any:
    """One column as an Arrow field; nullable, since Delta widens tables only by nullable ones."""
    return pa.field(column.name, _ARROW[column.type], nullable=True)


def arrow_schema(table: Table) -> Any:
    """All declared columns of a table, partitions included."""
    return pa.schema([arrow_field(column) for column in table.columns])
