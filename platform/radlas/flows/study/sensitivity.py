"""Sensitivity analyses: the primary model made otherwise, or judged on fewer patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from radlas.errors import StudyError
from radlas.flows.pages.gallery import remarks
from radlas.flows.study.blocks import as_fitted, block_sets
from radlas.flows.study.controls import only
from radlas.flows.study.dataset import Dataset, load_dataset
from radlas.flows.study.networks import null_sets
from radlas.flows.study.published import load_model
from radlas.learn.applicability import beyond, signature_names
from radlas.learn.clinical import in_words
from radlas.learn.design import class_tables
from radlas.learn.evaluate import evaluate
from radlas.learn.fitted import FittedModel
from radlas.learn.settings import MISSING
from radlas.learn.statistics.delong import auc, paired
from radlas.learn.study import VARIANT, StudyConfig
from radlas.report.evidence.validation import NOT_IMPUTED, WITHIN
from radlas.store.frozen import Snapshot, load_snapshot
from radlas.store.layout import Store

SERIOUS = 3  # weight of a remark from which a case counts as remarked
Json = dict[str, Any]


def variants(study: StudyConfig) -> dict[str, StudyConfig]:
    """Model name to protocol of every sensitivity analysis that is fitted anew."""
    return {f"{VARIANT}{name}": study.variant(name) for name in study.sensitivity}


def check_variants(
    store: Store,
    available: Sequence[str],
    people: pd.DataFrame,
    study: StudyConfig,
    sets: Sequence[str],
) -> list[str]:
    """Feature sets of the study and its variants together, once every variant can be judged.

    Args:
        store: The store.
        available: Feature sets of the snapshot.
        people: Subjects of all centres, with their clinical record.
        study: The protocol.
        sets: Feature sets of its own models.

    Raises:
        StudyError: A variant leaves values of the outcome undeclared, takes a network with random
            weights that the study does not, or a subgroup is no clinical column.
    """
    absent = sorted(set(study.subgroups) - set(people.columns))
    if absent:
        raise StudyError(
            f"subgroup {absent[0]!r} is not a clinical column",
            f"study {study.name}",
            f"columns are: {', '.join(map(str, people.columns))}",
        )
    for name, cuts in study.subgroups.items():
        _check_cuts(people[name], name, cuts, study)
    found = set(sets)
    for name, protocol in variants(study).items():
        try:
            class_tables(people, protocol.outcome)
            taken = set(block_sets(store, available, only(protocol, name)).values())
        except StudyError as error:  # the study itself may be sound
            raise error.at(f"sensitivity {name.removeprefix(VARIANT)}") from error
        if random := sorted(set(null_sets(store, sorted(taken - set(sets))))):
            raise StudyError(
                f"{name} would take {', '.join(random)}, of a network with random weights",
                f"study {study.name}",
                "the control random_weights does that, and says so",
            )
        found |= taken
    return sorted(found)


def _check_cuts(
    values: pd.Series, name: str, cuts: Sequence[float] | None, study: StudyConfig
) -> None:
    """Else every patient would be told as one of whom the value is missing."""
    texts = in_words(values)
    known = texts[texts != MISSING]
    if cuts is not None and len(known) and pd.to_numeric(known, errors="coerce").isna().all():
        raise StudyError(
            f"subgroup {name!r} has cut points, and no value of it is a number,"
            f" as {known.iloc[0]!r}",
            f"study {study.name}",
            f"{name}: null takes its values as they are",
        )


def changes(study: StudyConfig) -> dict[str, str]:
    """Model name to what it changes, in words: ``selection.correlation = 0.8``."""
    return {
        f"{VARIANT}{name}": "; ".join(_words(change)) for name, change in study.sensitivity.items()
    }


def judge_variants(
    store: Store,
    card: Mapping[str, Any],
    study: StudyConfig,
    version: tuple[str, int],
    primary: Json,
) -> Json:
    """Every variant on the external centre, and its AUC beside the primary model's.

    Args:
        store: The store.
        card: Of the version.
        study: Its protocol.
        version: Its name and number.
        primary: What ``evaluate`` says of the primary model.

    Returns:
        Model name to what ``evaluate`` returns, and ``difference``: variant minus primary on the
        same patients, None if they are others or belong to other classes. Of a variant that cannot
        be judged there, ``missing`` alone: the reason.
    """
    snapshot, found = load_snapshot(store, card["snapshot"]), dict[str, Json]()
    for name, protocol in variants(study).items():
        if name not in card["sensitivity"]:
            continue
        try:
            centres = (str(study.external_centre),)
            rows = load_dataset(store, snapshot, only(protocol, name), centres)
            judged = evaluated(load_model(store, *version, name), rows, protocol, full=False)
        except StudyError as error:  # what one variant lacks takes no validation away
            found[name] = {"missing": error.what}
            continue
        found[name] = judged | {"difference": against(judged, primary, alpha=study.alpha)}
    return found


def evaluated(model: FittedModel, rows: Dataset, study: StudyConfig, *, full: bool = True) -> Json:
    """A model on the rows of an external centre; see ``evaluate``."""
    return evaluate(
        model,
        as_fitted(rows.X, model, rows.people),
        rows.y,
        subjects=rows.people["subject_id"],
        centres=rows.people["centre"],
        study=study,
        full=full,
    )


def against(judged: Json, primary: Json, *, alpha: float) -> Json | None:
    """AUC of one result minus that of another, both as ``evaluate`` returns them.

    Returns:
        As ``AucDifference.as_dict``; None if they are of other patients or other classes.
    """
    mine, theirs = (
        {row["case"]: (row["label"], row["risk"]) for row in one["predictions"]}
        for one in (judged, primary)
    )
    labels = {case: label for case, (label, _) in mine.items()}
    if labels != {case: label for case, (label, _) in theirs.items()}:
        return None
    risks = ([one[case][1] for case in labels] for one in (mine, theirs))
    return paired(list(labels.values()), *risks, alpha=alpha).as_dict()


def fewer_patients(
    store: Store, snapshot: Snapshot, study: StudyConfig, model: FittedModel, external: Dataset
) -> list[Json]:
    """The primary model on the external patients about whom there is least to doubt.

    Returns:
        Per choice of patients ``patients n positives auc note``; the choice in words.
    """
    training = load_dataset(store, snapshot, only(study, study.primary), study.training_centres)
    X = as_fitted(external.X, model, external.people)
    background = as_fitted(training.X, model, training.people)
    names = signature_names(model, background)
    risk = model.risk(X, external.people["centre"])
    seen = model.harmonised_rows(X, external.people["centre"])
    pool = model.harmonised_rows(background, training.people["centre"])
    kept = {
        "no remark on image or mask": ~_remarked(
            store, snapshot, only(study, study.primary), external.people
        ),
        NOT_IMPUTED: X[names].notna().all(axis=1),
        WITHIN: ~beyond(seen, pool, names).any(axis=1),
    }
    return [
        {"patients": words, **_area(external.y[keep], risk[keep], len(keep), study)}
        for words, keep in kept.items()
    ]


def _area(y: pd.Series, risk: pd.Series, whole: int, study: StudyConfig) -> Json:
    counts = {"n": len(y), "positives": int(y.sum())}
    if min(counts["positives"], len(y) - counts["positives"]) < study.minimum_per_class:
        note = f"fewer than {study.minimum_per_class} patients of a class are left"
        return {**counts, "auc": None, "note": note}
    area = auc(y, risk, alpha=study.alpha)
    notes = ["these are all patients"] if len(y) == whole else []
    return {
        **counts,
        "auc": area.as_dict(),
        "note": "; ".join([*notes, *filter(None, [area.note])]),
    }


def _remarked(
    store: Store, snapshot: Snapshot, study: StudyConfig, people: pd.DataFrame
) -> pd.Series:
    found = remarks(store, snapshot, study, people.index)
    heavy = [any(one.weight >= SERIOUS for one in found[str(case)]) for case in people.index]
    return pd.Series(heavy, people.index, dtype=bool)


def _words(change: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in change.items():
        if isinstance(value, Mapping):
            yield from _words(value, f"{before}{key}.")
        else:
            yield f"{before}{key} = {_as_written(value)}"


def _as_written(value: Any) -> str:
    """A value as a protocol writes it, the list of nothing among them."""
    if isinstance(value, list):
        return ", ".join(map(_as_written, value)) or "[]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
