"""What cannot be fitted beside a study's models, or judged outside, as keys and labels tell."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import duckdb
import numpy as np

from radlas.errors import ConfigError, StudyError
from radlas.flows.study.blocks import block_sets
from radlas.flows.study.dataset import labelled
from radlas.learn.clinical import clinical_columns
from radlas.learn.design import labels
from radlas.learn.settings import Block
from radlas.learn.study import StudyConfig
from radlas.learn.training import check_counts
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.matrix import check_asked
from radlas.store.snapshots import open_snapshot
from radlas.words import counted


def unfit(
    store: Store, snapshot: Snapshot, people: Any, protocols: Mapping[str, StudyConfig]
) -> dict[str, str]:
    """Controls and sensitivity analyses that are sure to fail, before anything is fitted.

    Args:
        store: The store.
        snapshot: What is trained on.
        people: Every case of it, as ``load_people`` returns them.
        protocols: Name of a model to its own protocol, which has that model alone.

    Returns:
        Model to reason: a centre, a clinical column, a ROI or an image type that is not there, a
        value of no class, a class or centre that is too small for the folds.
    """
    found = {}
    with open_snapshot(store, snapshot) as connection:
        for model, protocol in protocols.items():
            try:
                _check_people(people, snapshot, protocol)
                for name, feature_set in block_sets(store, snapshot.feature_sets, protocol).items():
                    _check_rows(connection, feature_set, protocol.blocks[name])
            except (StudyError, ConfigError) as error:
                found[model] = error.what
    return found


def unextracted(store: Store, snapshot: Snapshot, people: Any, study: StudyConfig) -> list[str]:
    """Lines about external cases without a row of some block: `validate` would refuse, too late.

    By keys: no value of them is read. Arguments as for ``unfit``.
    """
    outside = people[people["centre"] == study.external_centre]
    cases = outside.index[outside["subject_id"].isin(_labelled(outside, study))]
    if study.impute_missing_blocks or not len(cases):
        return []
    lines = []
    with open_snapshot(store, snapshot) as connection:
        for name, feature_set in block_sets(store, snapshot.feature_sets, study).items():
            block = study.blocks[name]
            sql = f"select distinct case_id from {block.table} where feature_set = ?"
            asked = [feature_set, *([block.roi] if block.roi else [])]
            rows = connection.sql(f"{sql}{' and roi = ?' * bool(block.roi)}", params=asked)
            if absent := len(set(cases) - {case for (case,) in rows.fetchall()}):
                lines.append(
                    f"  ! {absent} of {counted(len(cases), 'case')} of the external centre"
                    f" {study.external_centre} without block {name} ({feature_set}): what is"
                    " trained on this snapshot cannot be validated; radlas extract, freeze again"
                )
    return lines


def _labelled(people: Any, study: StudyConfig) -> Any:
    return labels(people.reset_index(), study.outcome).index


def _check_people(people: Any, snapshot: Snapshot, protocol: StudyConfig) -> None:
    kept, label = labelled(people, protocol, protocol.training_centres, snapshot)
    check_counts(label.to_numpy(), kept["centre"].to_numpy().astype(np.str_), protocol)
    for blocks in protocol.models.values():
        for name in blocks:
            clinical_columns(kept, protocol.blocks[name].clinical or ())


def _check_rows(connection: duckdb.DuckDBPyConnection, feature_set: str, block: Block) -> None:
    """One image type of several is enough; what is told is what the last one lacks."""
    *others, last = block.image_types or (None,)
    ask = partial(
        check_asked,
        connection,
        (feature_set,),
        block.roi,
        deep=block.deep,
        perturbation=block.perturbation,
    )
    for one in others:
        with suppress(ConfigError):
            return ask(one)
    return ask(last)
