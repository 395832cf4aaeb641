"""The training matrix: one row per case, one column per ``roi__image_type__feature``.

Assembled block by block from sorted rows; never pivoted in SQL, which takes minutes and gigabytes
for a thousand columns.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd

from radlas.errors import ConfigError
from radlas.tables import RADIOMICS

_KEYS = set(RADIOMICS.names[: RADIOMICS.names.index("row_digest") + 1])


def feature_matrix(connection: duckdb.DuckDBPyConnection, feature_sets: tuple[str, ...]) -> Any:
    """All features of the given sets.

    Args:
        connection: An open store or snapshot.
        feature_sets: Names; each becomes columns, named ``roi__image_type__feature``, or
            ``roi__layer__017`` for embeddings.

    Returns:
        Frame of float64, index ``case_id`` sorted, every case of the cohort a row; NaN where the
        lake holds NULL or no row (a ring that could not be made stays visible as missing).

    Raises:
        ConfigError: Two feature sets have columns of the same name: choose one.
    """
    cases = [row[0] for row in connection.sql("select case_id from cases order by 1").fetchall()]
    index = pd.Index(cases, name="case_id")
    blocks = []
    for feature_set in sorted(feature_sets):
        blocks += _radiomics(connection, feature_set) + _deep(connection, feature_set)
    if not blocks:
        return pd.DataFrame(index=index)
    frame = pd.concat([block.reindex(index) for block in blocks], axis=1)
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise ConfigError(
            f"{len(doubled)} columns are in several feature sets, as {doubled[0]}",
            f"feature sets {', '.join(sorted(feature_sets))}",
            "ask for one recipe at a time",
        )
    return frame[sorted(frame.columns)]


def _radiomics(connection: duckdb.DuckDBPyConnection, feature_set: str) -> list[Any]:
    rows = connection.sql(
        "select * from radiomics where feature_set = ? and perturbation = ''"
        " order by roi, image_type, case_id",
        params=[feature_set],
    ).to_arrow_table()
    features = [name for name in rows.column_names if name not in _KEYS]
    frame = rows.select(["case_id", "roi", "image_type", *features]).to_pandas()
    blocks = []
    for (roi, image_type), part in frame.groupby(["roi", "image_type"], sort=True):
        block = part.set_index("case_id")[features].astype(np.float64).dropna(axis=1, how="all")
        blocks.append(block.add_prefix(f"{roi}__{image_type}__"))
    return blocks


def _deep(connection: duckdb.DuckDBPyConnection, feature_set: str) -> list[Any]:
    rows = connection.sql(
        "select case_id, roi, layer, vector from deep where feature_set = ?"
        " order by roi, layer, case_id",
        params=[feature_set],
    ).fetchall()
    blocks = []
    for roi, layer in sorted({(row[1], row[2]) for row in rows}):
        part = [row for row in rows if row[1:3] == (roi, layer)]
        vectors = np.array([row[3] for row in part], dtype=np.float64)
        names = [f"{roi}__{layer}__{i:03d}" for i in range(vectors.shape[1])]
        blocks.append(pd.DataFrame(vectors, index=[row[0] for row in part], columns=names))
    return blocks
