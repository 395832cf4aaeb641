"""Whom a prediction is about: the cases asked for, and those that a harmoniser adapts by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from radlas.errors import ConfigError, StudyError
from radlas.flows.study.blocks import as_fitted, block_sets, study_matrix
from radlas.flows.study.dataset import read_people
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig
from radlas.store.layout import Store
from radlas.store.query import connect
from radlas.store.recipes import load_recipe
from radlas.words import counted

_ADAPT = "wait for more cases of it, or train with another harmonise.on_unseen"


class PredictionCases(NamedTuple):
    """Cases with their features, one row per case in ``X`` and ``people``.

    Attributes:
        cases: Those that were asked for and can be predicted, in the order asked.
        X: Raw features in the model's columns.
        people: ``subject_id``, ``centre`` and the clinical columns.
        lacking: Case to the block it has no value of; asked for or not, it is in no row.
        strange: The same of cases whose centre is new and cannot be harmonised: case to reason.
        asked: All that were asked for, with their ``people``.
        sets: Block to the feature set that the model was trained on: rows of another are no use.
    """

    cases: list[str]
    X: pd.DataFrame
    people: pd.DataFrame
    lacking: Mapping[str, str]
    strange: Mapping[str, str]
    asked: pd.DataFrame
    sets: Mapping[str, str]


def gather_cases(
    store: Store,
    available: Sequence[str],
    study: StudyConfig,
    model: FittedModel,
    given: Sequence[str],
) -> PredictionCases:
    """The cases as the store holds them now; what one of them lacks is no other's trouble.

    Args:
        store: The store.
        available: Feature sets that the model was trained on.
        study: Its protocol, with this one model.
        model: The model.
        given: Case ids, or their first digits.

    Raises:
        ConfigError: A case is unknown or ambiguous.
        StudyError: All cases that were asked for lack a whole block of the model's features, or
            are of a new centre that cannot be harmonised.
    """
    lenient = study.model_copy(update={"impute_missing_blocks": True})  # looked at case by case
    with connect(store) as live:
        people = read_people(live)
        known = sorted(map(str, people.index))
        asked = list(dict.fromkeys(_case(known, one) for one in given))
        described = _described(live, store, available, study)
        there = people.loc[_with_others(model, people, asked, described)]
        matrix = study_matrix(live, store, available, lenient, there, alone=True)
        X = as_fitted(matrix, model, there)
    lacking = _lacking(X, model, study)
    X = X[~X.index.isin(list(lacking))]
    strange = _unharmonised(model, X, there["centre"].loc[X.index])
    X = X[~X.index.isin(list(strange))]
    found = PredictionCases(
        cases=[case for case in asked if case not in lacking and case not in strange],
        X=X,
        people=there.loc[X.index],
        lacking=lacking,
        strange=strange,
        asked=people.loc[asked],
        sets=block_sets(store, available, study),
    )
    if not found.cases:
        _refuse(found, model)
    return found


def trained_on(
    model: FittedModel, training: pd.DataFrame, there: pd.DataFrame
) -> dict[str, dict[str, Any]]:
    """Per case whether its patient was trained on, by whatever name.

    Args:
        model: The model.
        training: ``people`` of the cases it was fitted on.
        there: ``people`` of the cases that are asked about.

    Returns:
        ``trained_on``; ``trained_as``, the training case that holds this image, under another
        pseudonym perhaps, and ``out_of_fold``, the risk that models not of it gave; both ``None``
        if there is none.
    """
    pooled = model.out_of_fold().set_index("case")["probability"]
    images = training["voxel_digest"].dropna()
    case_of = {str(image): str(case) for case, image in images.items()}
    trained = there["subject_id"].isin(model.oof["subject"])
    found = {}
    for case, image in there["voxel_digest"].items():
        twin = str(case) if case in pooled.index else case_of.get(str(image))
        found[str(case)] = {
            "trained_on": bool(trained[case]) or twin is not None,
            "trained_as": twin,
            "out_of_fold": None if twin is None else float(pooled[twin]),
        }
    return found


def refused_cases(chosen: PredictionCases) -> list[dict[str, str | None]]:
    """Cases that were asked for and cannot be predicted: ``case_id centre block feature_set why``.

    ``block`` and ``feature_set`` are ``None`` where it is not for a block.
    """
    refused = []
    for case, centre in chosen.asked["centre"].items():
        block, why = chosen.lacking.get(str(case)), chosen.strange.get(str(case))
        if block or why:
            told = why or f"no value of block {block}"
            recipe = chosen.sets[block] if block else None
            row = {"case_id": str(case), "centre": str(centre), "block": block}
            refused.append(row | {"feature_set": recipe, "why": told})
    return refused


def left_out_lines(chosen: PredictionCases) -> list[str]:
    """The same for a person, and whom nobody asked for and nothing was adapted by."""
    lines = []
    for one in refused_cases(chosen):
        who, recipe = f"{str(one['case_id'])[:8]} ({one['centre']})", one["feature_set"]
        hint = _extract([recipe]) if recipe else _ADAPT
        lines.append(f"  case {who}: not predicted, {one['why']}: {hint}")
    others = sorted(set(chosen.lacking) - set(chosen.asked.index))
    if others:
        lines.append(
            f"  {counted(len(others), 'case')} beside them: no value of a block, so nothing was"
            f" adapted by {', '.join(case[:8] for case in others)}"
        )
    return lines


def _refuse(chosen: PredictionCases, model: FittedModel) -> None:
    """Tell that nobody who was asked for can be predicted, and why.

    Raises:
        StudyError: Always.
    """
    refused = refused_cases(chosen)
    told = "; ".join(f"{str(one['case_id'])[:8]}: {one['why']}" for one in refused)
    recipes = [one["feature_set"] for one in refused if one["feature_set"]]
    hint = _extract(recipes) if recipes else _ADAPT
    raise StudyError(f"nobody can be predicted: {told}", f"model {model.model}", hint)


def _extract(recipes: Sequence[str]) -> str:
    """What to try: rows of another recipe, or extractor's version, are none the model knows."""
    names = " and of ".join(sorted(set(recipes)))
    told = "which radlas features show tells, with the versions it names"
    return f"run radlas extract by the recipe of {names}, {told}"


def _unharmonised(model: FittedModel, X: pd.DataFrame, centres: pd.Series) -> dict[str, str]:
    """Cases of centres that are new to a harmoniser and that it does not take, with its reason."""
    if not model.harmonises:
        return {}
    found: dict[str, str] = {}
    for name in sorted(set(centres) - set(model.pipeline["harmonise"].centres_)):
        rows = X[centres == name]
        try:
            model.centre_transforms(rows, [name] * len(rows))
        except StudyError as error:
            found |= dict.fromkeys(map(str, rows.index), error.what)
    return found


def _with_others(
    model: FittedModel, people: pd.DataFrame, cases: list[str], described: set[str]
) -> list[str]:
    """The cases, and those by whose images a harmoniser adapts to their new centre."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt":
        return cases
    new = set(people["centre"].loc[cases]) - set(step.centres_)
    others = people.index[people["centre"].isin(new) & people.index.isin(described)]
    return [*cases, *(case for case in others if case not in set(cases))]


def _described(
    connection: Any, store: Store, available: Sequence[str], study: StudyConfig
) -> set[str]:
    """Cases that have rows of every feature set the model takes."""
    found: list[set[str]] = []
    for name in set(block_sets(store, available, study).values()):
        table = load_recipe(store, name)["table"]
        sql = f"select distinct case_id from {table} where feature_set = ?"
        found.append({case for (case,) in connection.sql(sql, params=[name]).fetchall()})
    return set.intersection(*found) if found else set()


def _lacking(X: pd.DataFrame, model: FittedModel, study: StudyConfig) -> dict[str, str]:
    """Cases without a single value of a block, which would become the training medians."""
    found: dict[str, str] = {}
    if study.impute_missing_blocks:
        return found
    for block in study.models[model.model]:
        if study.blocks[block].table is None:
            continue
        columns = [name for name, owner in model.blocks.items() if owner == block]
        absent = X.index[X[columns].isna().all(axis=1)]
        found |= {str(case): block for case in absent if str(case) not in found}
    return found


def _case(known: Sequence[str], given: str) -> str:
    """The case that is meant, of all of the store, sorted."""
    first, last = bisect_left(known, given), bisect_left(known, f"{given}\U0010ffff")
    if last - first != 1:
        what = f"{last - first or 'no'} cases start with {given!r}"
        hint = "give more digits of one case" if last > first else "radlas query lists cases"
        raise ConfigError(what, "predict", hint)
    return known[first]
