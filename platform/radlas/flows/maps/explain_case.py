"""What a worker does of ``explain``: SHAP of all external cases, or the Grad-CAM of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from radlas.flows.maps.activation import case_map, model_extractor
from radlas.flows.maps.shapley import shap_told
from radlas.flows.study.blocks import as_fitted
from radlas.flows.study.dataset import Dataset, load_dataset
from radlas.flows.study.published import load_model, study_of
from radlas.flows.validate import ModelTask
from radlas.learn.study import StudyConfig
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.models import read_card


@dataclass(frozen=True)
class ExplainTask:
    """SHAP of all external cases (no case given), or the Grad-CAM of one."""

    store: str
    name: str
    number: int
    case_id: str = ""
    weights: Path | None = None
    region: str = ""
    layer: str = "layer4"
    head: tuple[tuple[float, ...], float] = ((), 0.0)  # of the model's deep part
    sided: bool = True  # whether the case's file said how the patient lay
    sanity: bool = False  # a map of every randomised network costs as much as the map


def work(task: ExplainTask) -> dict[str, Any]:
    """One explanation."""
    store = open_store(task.store)
    return _cam(store, task) if task.case_id else _shap(store, task)


def rows_of(
    store: Store, target: ModelTask, study: StudyConfig, centres: tuple[str, ...]
) -> Dataset:
    """The rows of the version's own snapshot, of some centres."""
    card = read_card(store, target.name, target.number)
    return load_dataset(store, load_snapshot(store, card["snapshot"]), study, centres)


def _shap(store: Store, task: ExplainTask) -> dict[str, Any]:
    study = study_of(read_card(store, task.name, task.number))
    model = load_model(store, task.name, task.number, study.primary)
    target = ModelTask(task.store, task.name, task.number)
    external = rows_of(store, target, study, (str(study.external_centre),))
    training = rows_of(store, target, study, study.training_centres)
    rows, background = (
        model.inputs(as_fitted(one.X, model, one.people), one.people["centre"])
        for one in (external, training)
    )
    return shap_told(model, rows, background, study)


def _cam(store: Store, task: ExplainTask) -> dict[str, Any]:
    return case_map(
        store,
        task.case_id,
        task.head,
        _extractor(task.store, task.name, task.number, task.weights, task.region),
        region=task.region,
        layer=task.layer,
        sided=task.sided,
        sanity=task.sanity,
    )


@lru_cache(maxsize=1)
def _extractor(store: str, name: str, number: int, weights: Path | None, region: str) -> Any:
    """Kept per process: with weights from a file, making it reads them."""
    opened = open_store(store)
    return model_extractor(opened, read_card(opened, name, number), weights, region)
