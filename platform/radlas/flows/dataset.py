"""From a snapshot and a study to the rows a model may see, and those it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radlas.errors import StudyError
from radlas.learn.design import labels
from radlas.learn.study import StudyConfig
from radlas.store.layout import Store
from radlas.store.matrix import feature_matrix
from radlas.store.recipes import load_recipe
from radlas.store.snapshots import Snapshot, open_snapshot


@dataclass(frozen=True, eq=False)
class Dataset:
    """Cases of one role, one row per case in all three frames, sorted by case id.

    Attributes:
        X: Raw features ``roi__image_type__feature``, NaN where missing.
        y: 1 for positive, 0 for negative.
        people: ``subject_id``, ``centre`` and the clinical columns.
    """

    X: Any
    y: Any
    people: Any


def load_people(store: Store, snapshot: Snapshot) -> Any:
    """Every case of the snapshot with its subject's clinical record; index ``case_id``.

    Raises:
        StudyError: A subject has several cases: rows would not be independent.
    """
    with open_snapshot(store, snapshot) as connection:
        query = "select * exclude (run_id, recorded_at) from cases order by case_id"
        header = connection.sql(query).to_arrow_table().to_pandas().set_index("case_id")
        query = "select * exclude (centre, run_id, recorded_at) from clinical"
        record = connection.sql(query).to_arrow_table().to_pandas().set_index("subject_id")
    repeated = header["subject_id"].duplicated(keep=False)
    if repeated.any():
        raise StudyError(
            f"{header['subject_id'][repeated].nunique()} subjects have several cases",
            f"snapshot {snapshot.label}",
            "choose one case per subject: radlas snapshot create --cohort 'select case_id …'",
        )
    for column in ("sex", "age_years"):  # the clinical record knows better than an image header
        told = header["subject_id"].map(record.pop(column))
        header[column] = told.combine_first(header[column])
    return header.join(record, on="subject_id")


def load_dataset(
    store: Store, snapshot: Snapshot, study: StudyConfig, centres: tuple[str, ...]
) -> Dataset:
    """The labelled cases of some centres.

    Raises:
        StudyError: A centre is not in the snapshot, a value has no declared class, or no case is
            left.
    """
    people = load_people(store, snapshot)
    missing = set(centres) - set(people["centre"])
    if missing:
        raise StudyError(
            f"no case of centre {', '.join(sorted(missing))}",
            f"snapshot {snapshot.label}",
            f"its centres: {', '.join(sorted(set(people['centre'])))}",
        )
    people = people[people["centre"].isin(centres)]
    by_subject = labels(people.reset_index(), study.outcome)
    people = people[people["subject_id"].isin(by_subject.index)]
    if people.empty:
        raise StudyError("no labelled case is left", f"centres {', '.join(centres)}")
    y = people["subject_id"].map(by_subject).rename("label")
    with open_snapshot(store, snapshot) as connection:
        X = feature_matrix(connection, feature_sets(store, snapshot, study))
    return Dataset(X.loc[people.index], y, people)


def feature_sets(store: Store, snapshot: Snapshot, study: StudyConfig) -> tuple[str, ...]:
    """The feature sets the study's blocks name, or the snapshot's only one of each table.

    Raises:
        StudyError: A block names none and the snapshot holds several, or the named one is absent.
    """
    chosen = set()
    for name, block in study.blocks.items():
        table = "deep" if block.deep else "radiomics"
        fitting = [s for s in snapshot.feature_sets if load_recipe(store, s)["table"] == table]
        wanted = [block.feature_set] if block.feature_set else fitting
        if len(wanted) != 1 or wanted[0] not in fitting:
            raise StudyError(
                f"block {name} needs one {table} feature set; the snapshot holds"
                f" {', '.join(fitting) or 'none'}",
                f"study {study.name}, snapshot {snapshot.label}",
                f"name it in the study: blocks.{name}.feature_set, or run radlas extract",
            )
        chosen.add(wanted[0])
    return tuple(sorted(chosen))
