"""The training matrix: one row per case, one column per ``roi__image_type__feature``.

Filled from a stream of rows, each of which is a stretch of the matrix; never pivoted in SQL, which
takes minutes and gigabytes for a thousand columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from radlas.errors import ConfigError, StoreError
from radlas.tables import RADIOMICS_FACTS

Values = NDArray[np.float64]
Block = tuple[list[str], Values]  # names of columns; their values, shape (column, case)
_Reader = Callable[..., Block | None]
_Wanted = Callable[[str], bool] | None
_BATCH = 20_000  # rows of the stream held at once
_PREFIX = '"prefix of columns"'  # no extractor's column can be called so


def feature_matrix(
    connection: duckdb.DuckDBPyConnection,
    feature_sets: Sequence[str],
    *,
    roi: str | None = None,
    image_type: str | None = None,
    deep: bool | None = None,
    perturbation: str = "",
    only: Sequence[str] | None = None,
    wanted: Callable[[str], bool] | None = None,
) -> Any:
    """All features of the given sets.

    Args:
        connection: An open store or snapshot.
        feature_sets: Names; each becomes columns, named ``roi__image_type__feature``, or
            ``roi__layer__017`` for embeddings.
        roi: Only this ROI.
        image_type: Only this image type, or layer.
        deep: True for all embeddings besides, False for none; None for those that ``roi`` and
            ``image_type`` let through.
        perturbation: The rows of copies that were changed so; empty for the cases themselves.
        only: Case ids, of which alone rows are read; None for every case of the cohort.
        wanted: Whether a column is asked for, by its name; of a layer all are, or none. What is
            not asked for is not decoded, and of it no memory is taken. None for all columns.

    Returns:
        Frame of float64, index ``case_id`` sorted, every such case a row; NaN where the
        lake holds NULL or no row (a ring that could not be made stays visible as missing; the
        view ``missing`` says why).
        Columns are sorted by name; those without a single value are left out.

    Raises:
        ConfigError: Two feature sets have columns of the same name: choose one.
        StoreError: Embeddings of one feature set differ in length.
    """
    import pandas as pd  # noqa: PLC0415 - other readers of the lake need not wait

    among = "" if only is None else f" and case_id in ({_listed(only)})"
    listed = f"select case_id from cases where true{among} order by 1"
    cases = connection.sql(listed).to_arrow_table().column(0)
    radiomics = partial(_radiomics, among=among, wanted=wanted, perturbation=perturbation)
    embeddings = partial(_deep, among=among, wanted=wanted)
    readers: list[tuple[_Reader, str | None, str | None]] = [(radiomics, roi, image_type)]
    if deep is not False:
        readers.append((embeddings, None, None) if deep else (embeddings, roi, image_type))
    blocks = [
        found
        for feature_set in sorted(feature_sets)
        for read, *filters in readers
        if (found := read(connection, cases, feature_set, *filters)) is not None
    ]
    index = pd.Index(cases.to_pylist(), name="case_id")
    if not blocks:
        return pd.DataFrame(index=index)
    names = [name for found, _ in blocks for name in found]
    _refuse_doubled(names, feature_sets)
    values = blocks[0][1] if len(blocks) == 1 else np.concatenate([found for _, found in blocks])
    frame = pd.DataFrame(values.T, index=index, columns=names, copy=False)
    ordered = sorted(names)
    return frame if names == ordered else frame[ordered]


def check_asked(
    connection: duckdb.DuckDBPyConnection,
    feature_sets: Sequence[str],
    roi: str | None = None,
    image_type: str | None = None,
    *,
    deep: bool | None = None,
    perturbation: str = "",
) -> None:
    """Refuse what no row is of: a misspelt name would give a matrix of no columns.

    So would names of which each is there, and no row of all: the drawn tumour has no layer.

    Args:
        connection: An open store or snapshot.
        feature_sets: Names.
        roi: As for ``feature_matrix``.
        image_type: As for ``feature_matrix``.
        deep: As for ``feature_matrix``.
        perturbation: As for ``feature_matrix``.

    Raises:
        ConfigError: What is not there, and what is.
    """
    known = {name for (name,) in connection.sql("from pinned.recipes").fetchall()}
    for name in feature_sets:
        _narrowed([(one,) for one in known], 0, "feature set", name)
    listed = ", ".join(map(_text, feature_sets)) or "null"
    of_radiomics, of_deep = (
        f"select distinct {kind} from {view} where feature_set in ({listed})"
        for view, kind in (
            ("radiomics", "perturbation, roi, image_type"),
            ("deep", "'', roi, layer"),
        )
    )
    sql = of_radiomics if deep is False else f"{of_radiomics} union {of_deep}"
    rows = connection.sql(sql).fetchall()
    if perturbation:
        rows = _narrowed(rows, 0, "perturbation", perturbation)
    if roi is not None:
        rows = _narrowed(rows, 1, "ROI", roi)
    if image_type is not None:
        _narrowed(rows, 2, "image type or layer", image_type, "" if roi is None else roi)


def _narrowed(
    rows: list[tuple[str, ...]], place: int, what: str, asked: str, within: str = ""
) -> list[tuple[str, ...]]:
    """The rows that hold what was asked for in one place."""
    found = [row for row in rows if row[place] == asked]
    if not found:
        there = ", ".join(sorted({row[place] for row in rows} - {""})) or "none"
        of = f" of {within}" if within else ""
        raise ConfigError(f"no row{of} is of the {what} {asked!r}", hint=f"there are: {there}")
    return found


def _radiomics(
    connection: duckdb.DuckDBPyConnection,
    cases: Any,
    feature_set: str,
    roi: str | None,
    image_type: str | None,
    *,
    among: str,
    wanted: _Wanted,
    perturbation: str,
) -> Block | None:
    """The features of one set: every row is a stretch of columns of one case."""
    rows = _chosen("radiomics", "image_type", feature_set, roi, image_type)
    rows += f"{among} and perturbation = {_text(perturbation)}"
    every = connection.sql("select * from radiomics limit 0").columns
    prefixes, features = _of_wanted(
        _prefixes(connection, rows), sorted(set(every) - RADIOMICS_FACTS), wanted
    )
    if not prefixes:
        return None
    names = [prefix + name for prefix in prefixes for name in features]
    # Not filled with NaN beforehand: to touch fresh memory costs as much as to decode its rows,
    # and so it is touched while the next ones are decoded.
    values = np.empty((len(prefixes), len(features), len(cases)))
    flat = values.reshape(-1)
    there = np.zeros((len(prefixes), len(cases)), dtype=bool)
    columns = ", ".join(f'"{name}"' for name in features)
    kept = f"{_PREFIX} in ({', '.join(map(_text, prefixes))})"
    stream = connection.sql(f"select case_id, {_PREFIX}, {columns} from ({rows}) where {kept}")
    for batch in _ahead(stream.to_arrow_reader(_BATCH)):
        case, block = _places(batch, cases, prefixes)
        there[block, case] = True
        places = block * (len(features) * len(cases)) + case
        for name in features:
            flat[places] = batch.column(name).to_numpy(zero_copy_only=False)
            places += len(cases)
    for rows_of, absent in zip(values, ~there, strict=True):
        rows_of[:, absent] = np.nan
    return _without_empty(names, values.reshape(len(names), len(cases)), wanted)


def _deep(
    connection: duckdb.DuckDBPyConnection,
    cases: Any,
    feature_set: str,
    roi: str | None,
    layer: str | None,
    *,
    among: str,
    wanted: _Wanted,
) -> Block | None:
    """The embeddings of one set, of every layer as many numbers as its vectors hold."""
    rows = _chosen("deep", "layer", feature_set, roi, layer)
    rows += f"{among} and vector is not null"
    names: list[str] = []
    values = []
    for prefix in _of_wanted(_prefixes(connection, rows), ["000"], wanted)[0]:
        part = connection.sql(
            f"select case_id, {_PREFIX}, vector from ({rows}) where {_PREFIX} = {_text(prefix)}"
        ).to_arrow_table()
        _refuse_ragged(part, feature_set, prefix)
        case, _ = _places(part, cases, [prefix])
        vectors = pc.list_flatten(part.column("vector")).to_numpy().reshape(len(case), -1)
        block = np.full((vectors.shape[1], len(cases)), np.nan)
        block[:, case] = vectors.T
        names += [f"{prefix}{number:03d}" for number in range(len(block))]
        values.append(block)
    return (names, np.concatenate(values)) if values else None


def _chosen(view: str, kind: str, feature_set: str, roi: str | None, wanted: str | None) -> str:
    """SQL of the rows that were asked for. DuckDB streams no query that has parameters."""
    sql = f"select *, roi || '__' || {kind} || '__' as {_PREFIX} from {view}"
    sql += f" where feature_set = {_text(feature_set)}"
    for column, value in (("roi", roi), (kind, wanted)):
        sql += f" and {column} = {_text(value)}" if value is not None else ""
    return sql


def _listed(values: Sequence[str]) -> str:
    """SQL of a column of texts: of a hundred thousand written one by one DuckDB thinks seconds."""
    return f"select unnest(from_json({_text(json.dumps(list(values)))}, '[\"varchar\"]'))"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _prefixes(connection: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    found = connection.sql(f"select distinct {_PREFIX} from ({rows})").fetchall()
    return sorted(prefix for (prefix,) in found)


def _of_wanted(
    prefixes: list[str], features: list[str], wanted: _Wanted
) -> tuple[list[str], list[str]]:
    """Those of which some column is asked for."""
    if wanted is None:
        return prefixes, features
    pairs = [(one, name) for one in prefixes for name in features if wanted(one + name)]
    return sorted({one for one, _ in pairs}), sorted({name for _, name in pairs})


def _ahead(reader: Any) -> Iterator[Any]:
    """The batches of a reader, the next one being decoded while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, reader, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, reader, None)
            yield batch


def _places(rows: Any, cases: Any, prefixes: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """Which case and which block each row belongs to."""
    case = pc.index_in(rows.column("case_id"), cases.combine_chunks())
    block = pc.index_in(rows.column(_PREFIX.strip('"')), pa.array(prefixes))
    return tuple(one.to_numpy(zero_copy_only=False).astype(np.int64) for one in (case, block))


def _without_empty(names: list[str], values: Values, wanted: _Wanted) -> Block:
    """Columns that are asked for and hold a value, moved in place: the matrix is there once."""
    asked = [place for place, name in enumerate(names) if wanted is None or wanted(name)]
    kept = [place for place in asked if not np.isnan(values[place]).all()]
    for target, source in enumerate(kept):
        if target != source:
            values[target] = values[source]
    return [names[place] for place in kept], values[: len(kept)]


def _refuse_ragged(rows: Any, feature_set: str, prefix: str) -> None:
    """Vectors of other lengths laid end to end would lend one case the numbers of another."""
    lengths = pc.list_value_length(rows.column("vector"))
    low, high = pc.min_max(lengths).as_py().values()
    if low != high:
        case = rows.column("case_id").filter(pc.equal(lengths, low))[0].as_py()
        raise StoreError(
            f"vectors of {prefix.rstrip('_')} hold {low} to {high} numbers",
            f"feature set {feature_set}, case {case[:8]}",
            "a defect of the extractor: one recipe gives vectors of one length",
        )


def _refuse_doubled(names: Sequence[str], feature_sets: Sequence[str]) -> None:
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise ConfigError(
            f"{len(doubled)} columns are in several feature sets, as {doubled[0]}",
            f"feature sets {', '.join(sorted(feature_sets))}",
            "ask for one recipe at a time",
        )
