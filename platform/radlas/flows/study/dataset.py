"""From a snapshot and a study to the rows a model may see, and those it may not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from radlas.errors import StudyError
from radlas.flows.study.blocks import block_sets, study_matrix
from radlas.learn.design import block_columns, labels, parse_column
from radlas.learn.study import StudyConfig, is_variant
from radlas.store import delta
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.recipes import alike
from radlas.store.snapshots import open_snapshot
from radlas.store.stable_features import load_stable_features
from radlas.words import counted

_NAMED = 6  # cases in a message


class Dataset(NamedTuple):
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
        StudyError: Rows would not be independent: a subject has several cases, or one image
            belongs to several subjects (the same patient, ingested under two centres).
    """
    with open_snapshot(store, snapshot) as connection:
        people = read_people(connection)
    _check_independent(people, f"snapshot {snapshot.label}")
    return people


def check_strangers(store: Store, snapshot: Snapshot, people: Any) -> None:
    """Hold subjects to every exam that the store has of them, be it in the snapshot or not.

    Two of them with one image are one patient, though another exam of one was chosen here.

    Args:
        store: The store.
        snapshot: Where the cases are from.
        people: As ``load_people`` returns them.

    Raises:
        StudyError: Two subjects are one patient.
    """
    rows = delta.read(store, "cases", ["subject_id", "voxel_digest"]).to_pylist()
    owner, same = dict[str, str](), dict[str, str]()

    def first_name(subject: str) -> str:
        while subject in same:
            subject = same[subject]
        return subject

    for row in rows:
        if row["voxel_digest"]:
            name = first_name(row["subject_id"])
            other = first_name(owner.setdefault(row["voxel_digest"], name))
            if name != other:
                same[name] = other
    patients = people["subject_id"].map(first_name)
    shared = people[patients.duplicated(keep=False)]
    if len(shared):
        told = _listed(f"{case[:8]} of {centre}" for case, centre in shared["centre"].items())
        raise StudyError(
            f"{len(shared)} cases are of subjects who share an image in other exams: {told}",
            f"snapshot {snapshot.label}",
            "the same patient under two names would be trained on and tested on: leave all exams of"
            " one name out by radlas snapshot create --cohort",
        )


def read_people(connection: Any) -> Any:
    """Every case with its subject's clinical record; index ``case_id``, sorted."""
    query = "select * exclude (run_id, recorded_at, row_digest) from cases order by case_id"
    header = connection.sql(query).to_arrow_table().to_pandas().set_index("case_id")
    query = "select * exclude (centre, run_id, recorded_at, row_digest) from clinical"
    record = connection.sql(query).to_arrow_table().to_pandas().set_index("subject_id")
    for column in ("sex", "age_years"):  # the clinical record knows better than an image header
        told = header["subject_id"].map(record.pop(column))
        header[column] = told.combine_first(header[column])
    return header.join(record, on="subject_id")


def load_dataset(
    store: Store, snapshot: Snapshot, study: StudyConfig, centres: tuple[str, ...]
) -> Dataset:
    """The labelled cases of some centres; only these rows decide which columns there are.

    Raises:
        StudyError: A centre is not in the snapshot, a value has no declared class, no case is
            left, or a case was not extracted.
    """
    people, y = labelled(load_people(store, snapshot), study, centres, snapshot)
    with open_snapshot(store, snapshot) as connection:
        X = study_matrix(connection, store, snapshot.feature_sets, study, people)
    return Dataset(X.drop(columns=_unstable(store, study, X.columns)), y, people)


def labelled(
    people: Any, study: StudyConfig, centres: tuple[str, ...], snapshot: Snapshot
) -> tuple[Any, Any]:
    """Of all cases those of some centres that have a class, and their labels.

    Args:
        people: As ``load_people`` returns them.
        study: Its outcome maps recorded values to classes.
        centres: Whose cases.
        snapshot: Where they are from.

    Raises:
        StudyError: A centre is not in the snapshot, a value has no declared class, or no case is
            left.
    """
    check_centres(people, centres, snapshot)
    people = people[people["centre"].isin(centres)]
    by_subject = labels(people.reset_index(), study.outcome)
    people = people[people["subject_id"].isin(by_subject.index)]
    if people.empty:
        raise StudyError("no labelled case is left", f"centres {', '.join(centres)}")
    return people, people["subject_id"].map(by_subject).rename("label")


def check_centres(people: Any, centres: tuple[str, ...], snapshot: Snapshot) -> None:
    """Hold the centres that a protocol names to those of a snapshot.

    Raises:
        StudyError: One is not there.
    """
    missing = set(centres) - set(people["centre"])
    if missing:
        raise StudyError(
            f"no case of centre {', '.join(sorted(missing))}",
            f"snapshot {snapshot.label}",
            f"its centres: {', '.join(sorted(set(people['centre'])))}",
        )


def _unstable(store: Store, study: StudyConfig, columns: Any) -> list[str]:
    """Columns that the study's mask of stable features refuses.

    Raises:
        ConfigError: There is no such mask.
        StudyError: It was made of patients whom the study may not look at, or leaves nothing of
            a block.
    """
    if study.stability.mask is None:
        return []
    mask = load_stable_features(store, study.stability.mask)
    others = sorted(set(mask["centres"]) - set(study.training_centres))
    if others:
        raise StudyError(
            f"the mask of stable features was made of patients of {', '.join(others)}",
            f"study {study.name}",
            "make it of the training centres alone: radlas stability",
        )
    refused = set(mask["refused"])
    for block in sorted({block for blocks in study.models.values() for block in blocks}):
        own = block_columns(columns, study.blocks[block])
        if own and refused.issuperset(own):
            raise StudyError(
                f"the mask of stable features refuses every feature of block {block}",
                f"study {study.name}",
                "leave the block or the mask out, or freeze one with a lower --threshold",
            )
    return [name for name in columns if name in refused]


def check_rated(store: Store, study: StudyConfig, snapshot: Snapshot, columns: Any) -> None:
    """Hold a mask of stable features to the radiomics that a study trains on.

    What it did not rate, as of a ROI that the study took up since, or a feature of the same name by
    other settings, is not known to be stable. A variant may change those, and nothing beside: what
    its primary model leaves out by name it leaves out, too.

    Raises:
        StudyError: Some was not rated.
    """
    if study.stability.mask is None:
        return
    parts, varied = load_stable_features(store, study.stability.mask)["parts"], is_variant(study)
    unrated: dict[str, str] = {}
    for block, feature_set in block_sets(store, snapshot.feature_sets, study).items():
        rated = {
            name
            for part in parts
            if varied or any(alike(store, feature_set, one) for one in part["feature_sets"])
            for name in part["features"]
        }
        own = block_columns(columns, study.blocks[block])
        unrated |= {
            name: feature_set for name in own if parse_column(name).family and name not in rated
        }
    if unrated:
        first = min(unrated)
        raise StudyError(
            f"the mask of stable features says nothing of {counted(len(unrated), 'feature')},"
            f" as {first} of {unrated[first]}",
            f"study {study.name}, mask {study.stability.mask}",
            "make a mask of all that the study takes: radlas stability",
        )


def _check_independent(header: Any, where: str) -> None:
    repeated = header["subject_id"].duplicated(keep=False)
    if repeated.any():
        raise StudyError(
            f"several cases of {counted(header['subject_id'][repeated].nunique(), 'subject')}",
            where,
            "choose one case per subject: radlas snapshot create NAME --cohort 'select …';"
            " of retrain by `cohort` in its file",
        )
    images = header[header["voxel_digest"].notna()]
    shared = images[images["voxel_digest"].duplicated(keep=False)]
    if len(shared):
        told = _listed(f"{case[:8]} of {centre}" for case, centre in shared["centre"].items())
        raise StudyError(
            f"{len(shared)} cases share their image with another subject's: {told}",
            where,
            "the same patient under two names would be trained on and tested on: leave all exams of"
            " one name out by radlas snapshot create --cohort",
        )


def _listed(cases: Iterable[str]) -> str:
    named = sorted(cases)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
