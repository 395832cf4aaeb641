"""The columns a study asks for, block by block, each from its own feature set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb
import pandas as pd

from radlas.errors import StudyError
from radlas.flows.study.networks import null_sets
from radlas.learn.clinical import clinical_columns, clinical_features
from radlas.learn.design import block_columns, parse_column
from radlas.learn.fitted import FittedModel
from radlas.learn.settings import Block
from radlas.learn.study import StudyConfig
from radlas.store.layout import Store
from radlas.store.matrix import feature_matrix
from radlas.store.recipes import load_recipe

_NAMED = 30  # of what a feature set holds, in a message


def study_matrix(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    available: Sequence[str],
    study: StudyConfig,
    people: Any,
    *,
    alone: bool = False,
) -> Any:
    """Raw features of some cases, the columns of the study's blocks.

    Args:
        connection: An open store or snapshot.
        store: The store it belongs to.
        available: Feature sets to choose from.
        study: Its blocks name feature sets, or take the only one of their table.
        people: ``centre`` and clinical columns per case; its index chooses the rows.
        alone: Read no row of another case. That these lack a whole block is then not seen, since
            the columns that others have tell it.

    Returns:
        Frame of float64, NaN where a single feature is undefined. Columns without any value in
        these rows are left out, so that other rows cannot decide what a model sees.

    Raises:
        StudyError: A block has no single feature set or selects nothing of it, two blocks take the
            same column from different ones, or cases lack a whole block: they were not extracted.
    """
    sets = block_sets(store, available, study)
    sources: dict[tuple[str, str], list[Block]] = {}
    for block, name in sets.items():
        sources.setdefault((name, study.blocks[block].perturbation), []).append(study.blocks[block])
    frames = {
        (name, changed): feature_matrix(
            connection,
            (name,),
            perturbation=changed,
            only=list(people.index),
            wanted=partial(_is_wanted, wanted),
        ).reindex(people.index)
        for (name, changed), wanted in sorted(sources.items(), key=lambda source: source[0])
    }
    parts, owner = [], dict[str, str]()
    for block, feature_set in sets.items():
        changed = study.blocks[block].perturbation
        frame = frames[feature_set, changed]
        columns = block_columns(frame.columns, study.blocks[block])
        if not columns and not alone:  # do these cases lack it, or is there no such column?
            every = feature_matrix(connection, (feature_set,), perturbation=changed)
            frame = every.reindex(people.index)
            columns = block_columns(frame.columns, study.blocks[block])
        if not columns and not alone:
            raise _no_column(frame.columns, study, block, feature_set)
        part = frame[list(columns)]
        _check_extracted(part, block, feature_set, study, people["centre"])
        parts.append(part[[name for name in columns if name not in owner]])
        _claim(owner, columns, feature_set, block)
    parts += [
        clinical_features(people, clinical_columns(people, variables))
        for variables in _clinical(study)
    ]
    return pd.concat(parts, axis=1).dropna(axis=1, how="all")


def _is_wanted(blocks: Sequence[Block], column: str) -> bool:
    return any(block_columns([column], block) for block in blocks)


def as_fitted(X: Any, model: FittedModel, people: Any) -> Any:
    """Rows in the columns that a model was fitted on.

    What nobody here has is missing here, and the training medians' turn; but a clinical value that
    does not occur here is known: nobody has it. One that occurs here alone, no record among them,
    is missing: the model knows no such patient.
    """
    frame = X.reindex(columns=list(model.columns))
    names = [name for name in model.columns if parse_column(name).clinical]
    if names:
        frame[names] = clinical_features(people.loc[frame.index], names)
    return frame


def block_sets(store: Store, available: Sequence[str], study: StudyConfig) -> dict[str, str]:
    """Block to feature set, for the blocks that models use.

    Raises:
        StudyError: A block names none and several are there, or the named one is absent.
    """
    tables = {name: load_recipe(store, name)["table"] for name in available}
    used = {block for blocks in study.models.values() for block in blocks}
    null = set(null_sets(store, available))
    chosen = {}
    for name in sorted(used):
        block = study.blocks[name]
        table = block.table
        if table is None:
            continue
        fitting = [one for one in available if tables[one] == table]
        trained = [one for one in fitting if one not in null]
        wanted = [block.feature_set] if block.feature_set else trained or fitting
        if len(wanted) != 1 or wanted[0] not in fitting:
            raise StudyError(
                f"block {name} needs one {table} feature set; there are"
                f" {', '.join(fitting) or 'none'}",
                f"study {study.name}",
                f"name it in the study: blocks.{name}.feature_set, or run radlas extract",
            )
        chosen[name] = str(wanted[0])
    return chosen


def _clinical(study: StudyConfig) -> list[tuple[str, ...]]:
    used = {block for blocks in study.models.values() for block in blocks}
    lists = [study.blocks[name].clinical for name in sorted(used)]
    variables = sorted({variable for one in lists if one for variable in one})
    return [tuple(variables)] if variables else []


def _no_column(columns: Any, study: StudyConfig, block: str, feature_set: str) -> StudyError:
    """That a block selects nothing, with what there would be instead of what it asks for."""
    wanted, there = study.blocks[block], [parse_column(name) for name in columns]
    asked = (
        ("ROIs", (wanted.roi,) if wanted.roi else None, {one.roi for one in there}),
        ("image types or layers", wanted.image_types, {one.image_type for one in there}),
        ("families", wanted.families, {one.family for one in there} - {""}),
        ("features", wanted.features, {one.feature for one in there}),
    )
    unmet = [(kind, has) for kind, names, has in asked if names and not has.intersection(names)]
    kind, has = unmet[0] if unmet else ("columns", set(columns))
    listed = sorted(has)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return StudyError(
        f"block {block} selects nothing",
        f"study {study.name}, feature set {feature_set}",
        f"its {kind} are: {', '.join(listed[:_NAMED])}{more}",
    )


def _check_extracted(
    part: Any, block: str, feature_set: str, study: StudyConfig, centres: Any
) -> None:
    """A case without a single value of a block would silently become the training median."""
    absent = part.isna().all(axis=1)
    if not absent.any() or part.shape[1] == 0 or study.impute_missing_blocks:
        return
    counts = centres[absent].value_counts().sort_index()
    told = ", ".join(f"{number} of centre {centre}" for centre, number in counts.items())
    raise StudyError(
        f"{int(absent.sum())} of {len(absent)} cases have no value of block {block}: {told}",
        f"study {study.name}, feature set {feature_set}",
        "run radlas extract and freeze again, leave them out by snapshot create --cohort, or say"
        " `impute_missing_blocks: true` in the study",
    )


def _claim(owner: dict[str, str], columns: Sequence[str], feature_set: str, block: str) -> None:
    for name in columns:
        if owner.setdefault(name, feature_set) != feature_set:
            raise StudyError(
                f"{name} would come from {owner[name]} and from {feature_set}",
                f"block {block}",
                "let blocks of different feature sets differ in ROI, image types or families",
            )
