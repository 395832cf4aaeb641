"""Predict: one case in, a risk out, with how sure it is, what drove it and what was unusual."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.pages.prediction_words import told
from radlas.flows.study.blocks import as_fitted
from radlas.flows.study.dataset import load_dataset
from radlas.flows.study.networks import network_warnings, without_marks
from radlas.flows.study.prediction_cases import (
    PredictionCases,
    gather_cases,
    left_out_lines,
    refused_cases,
    trained_on,
)
from radlas.flows.study.published import load_model, study_of
from radlas.flows.validate import ModelConfig, ModelTask, model_task
from radlas.learn.fitted import FittedModel
from radlas.learn.prediction import predictions
from radlas.learn.study import StudyConfig
from radlas.places.documents import Document
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.models import read_card


class PredictConfig(ModelConfig):
    """Which published model, and which cases of the store."""

    cases: tuple[str, ...] = Field(min_length=1, description="Case ids, or their first digits.")
    out: Path | None = Field(default=None, description="Folder for a page of each case.")
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )


def _make_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise ConfigError("no such folder", str(path.parent), "make it first")
    if path.exists() and not path.is_dir():
        raise ConfigError("this is no folder", str(path), "name another")
    path.mkdir(exist_ok=True)


class _Published(NamedTuple):
    """A version's primary model; ``study`` is its protocol with this one model."""

    label: str
    card: Document
    study: StudyConfig
    model: FittedModel


def predict(config: PredictConfig) -> Report:
    """The primary model's risk for each case, against its locked threshold.

    Raises:
        ConfigError: A case is unknown or ambiguous, or ``out`` is no folder.
        StudyError: Every case lacks a whole block of the model's features, or is of a new centre
            that cannot be harmonised. If only some do, they are told and the exit code is 1.
    """
    if config.out is not None:
        _make_folder(config.out)
    store = open_store(config.store)
    known = _published(store, model_task(config))
    sets = known.card["feature_sets"]
    chosen = gather_cases(store, sets, known.study, known.model, config.cases)
    rows = _rows(store, known, chosen)
    refused, warnings = refused_cases(chosen), network_warnings(store, sets)
    lines = [*told(known.label, known.card, rows, warnings), *left_out_lines(chosen)]
    lines += _pages(store, known, chosen, rows, config)
    data = {
        "model": known.label,
        "synthetic": known.card["synthetic"],
        "rows": rows,
        "refused": refused,
        "warnings": without_marks(warnings),
    }
    return Report(tuple(lines), data, exit_code=1 if refused else 0)


def _published(store: Store, task: ModelTask) -> _Published:
    card = read_card(store, task.name, task.number)
    study = study_of(card)
    alone = study.model_copy(update={"models": {study.primary: study.models[study.primary]}})
    model = load_model(store, task.name, task.number, study.primary)
    return _Published(f"{task.name}@{task.number}", card, alone, model)


def _rows(store: Store, known: _Published, chosen: PredictionCases) -> list[dict[str, Any]]:
    """What is said of each case, and what is known of it from the training."""
    study, model, centres = known.study, known.model, chosen.people["centre"]
    snapshot = load_snapshot(store, known.card["snapshot"])
    training = load_dataset(store, snapshot, study, study.training_centres)
    background = as_fitted(training.X, model, training.people)
    trained_at = training.people["centre"]
    said = predictions(model, chosen.X, centres, background, trained_at, alpha=study.alpha)
    before = trained_on(model, training.people, chosen.people)
    return [
        {
            "case_id": case,
            "centre": str(centres[case]),
            "known_centre": centres[case] in study.training_centres,
            **said[case],
            **before[case],
        }
        for case in chosen.cases
    ]


def _pages(
    store: Store,
    known: _Published,
    chosen: PredictionCases,
    rows: list[dict[str, Any]],
    config: PredictConfig,
) -> list[str]:
    """Write a page of each case if that was asked for, and say where."""
    if config.out is None:
        return []
    from radlas.flows.pages.patient_page import Asked, write_page  # noqa: PLC0415 - of figures and maps

    transforms = known.model.centre_transforms(chosen.X, chosen.people["centre"])
    flags = chosen.people["flags"].fillna("").to_dict()
    asked = Asked(store, known.card, known.model, known.label, transforms, config.weights, flags)
    return [f"  page: {write_page(asked, row, config.out)}" for row in rows]
