"""Explain: SHAP of the primary model, Grad-CAM of its deep part, on the external centre."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from radlas.engine.base import Done
from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor
from radlas.features.preprocess import resample_mask
from radlas.flows.base import Flow, Plan, Report
from radlas.flows.dataset import load_dataset
from radlas.flows.train import fitted_or_raise
from radlas.flows.validate import RESULT as VALIDATION
from radlas.flows.validate import ModelConfig, model_task
from radlas.geometry import Geometry
from radlas.learn.explain import block_shares, deep_head
from radlas.learn.explain import explain as shap_values
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.model import TUMOUR, Volume
from radlas.roi.body import body_mask
from radlas.roi.mass import cam_mass
from radlas.roi.ring import ring, ring_name
from radlas.store.layout import Store, open_store
from radlas.store.models import find_beside, keep_beside, model_folder, read_beside, read_card
from radlas.store.recipes import load_recipe
from radlas.store.snapshots import load_snapshot
from radlas.volumes.zarr import read_rois, read_volume

RESULT, CAM_FOLDER = "explanation.json", "cam"
RINGS_MM = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0))
SHOWN_MM = (0.0, 10.0)  # the ring drawn in the montage


class ExplainConfig(ModelConfig):
    """Which published model, and how many maps."""

    maps: int = Field(default=4, ge=0, description="Grad-CAM cases, evenly spaced over the risks.")
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )


@dataclass(frozen=True)
class ExplainTask:
    """SHAP of all external cases (no case given), or the Grad-CAM of one."""

    store: str
    name: str
    number: int
    case_id: str = ""
    weights: Path | None = None


def plan(config: ExplainConfig) -> Plan[ExplainTask]:
    """One task for SHAP, one per map; none if this version was explained already.

    Raises:
        ConfigError: The version was not validated: its external cases may not be looked at yet.
    """
    store, target = open_store(config.store), model_task(config)
    if find_beside(store, target.name, target.number, RESULT):
        return Plan(known={"ok": 1}, extra=(target, []))
    validation = find_beside(store, target.name, target.number, VALIDATION)
    if not validation:
        raise ConfigError(
            "not validated yet", f"{target.name}@{target.number}", "radlas validate first"
        )
    study = StudyConfig.parse(read_card(store, target.name, target.number)["study"])
    rows = validation["models"][study.primary]["predictions"]
    deep = any(study.blocks[block].deep for block in study.models[study.primary])
    chosen = spread(rows, config.maps) if deep else []
    task = ExplainTask(target.store, target.name, target.number, weights=config.weights)
    maps = tuple(
        ExplainTask(task.store, task.name, task.number, row["case"], config.weights)
        for row in chosen
    )
    return Plan(tasks=(task,), gpu_tasks=maps, extra=(target, chosen))


def work(task: ExplainTask) -> dict[str, Any]:
    """One explanation."""
    store = open_store(task.store)
    return _cam(store, task) if task.case_id else _shap(store, task)


def commit(
    config: ExplainConfig,
    plan: Plan[ExplainTask],
    done: Iterator[Done[ExplainTask, dict[str, Any]]],
) -> Report:
    """Write all explanations beside the model."""
    target, chosen = plan.extra
    store, version = open_store(config.store), (target.name, target.number)
    label = f"{target.name}@{target.number}"
    found = {one.task.case_id: fitted_or_raise(one) for one in done}
    if not found:
        known = read_beside(store, *version, RESULT)
        return Report((f"explain: {label} is explained already",), known)
    cases = []
    for row in chosen:
        part = found[row["case"]]
        keep_beside(store, *version, f"{CAM_FOLDER}/{row['case']}.npz", part.pop("slice"))
        cases.append({"case_id": row["case"], "label": row["label"], "risk": row["risk"], **part})
    result = {"shap": found[""], "cam": _montage(found[""]["model"], cases), "missing": {}}
    if not cases:
        result["missing"] = {"cam": "the primary model has no deep block, or no map was asked for"}
    keep_beside(store, *version, RESULT, result)
    shares = ", ".join(f"{b['block']} {b['share']:.0%}" for b in found[""]["blocks"])
    lines = [f"explain: {label}, share of |SHAP| by block: {shares or 'none'}"]
    lines += [f"  Grad-CAM of {len(cases)} cases, evenly spaced over the risks"] if cases else []
    return Report(tuple(lines), result)


def spread(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Cases evenly spaced over the order of risks: chosen by rule, not by looks."""
    ordered = sorted(rows, key=lambda row: (row["risk"], row["case"]))
    places = np.linspace(0, len(ordered) - 1, min(number, len(ordered))).round().astype(int)
    return [ordered[place] for place in places]


def _shap(store: Store, task: ExplainTask) -> dict[str, Any]:
    card = read_card(store, task.name, task.number)
    study, snapshot = StudyConfig.parse(card["study"]), load_snapshot(store, card["snapshot"])
    model = load(model_folder(store, task.name, task.number) / study.primary)
    external = load_dataset(store, snapshot, study, (str(study.external_centre),))
    training = load_dataset(store, snapshot, study, study.training_centres)
    columns = list(model.columns)
    found = shap_values(model, external.X.reindex(columns=columns), training.X[columns])
    size = found.values.abs().mean().sort_values(ascending=False, kind="stable")
    order = size.index[size > 0]  # LASSO left the others at zero
    values, data = found.values[order], found.data[order]
    shares = block_shares(found)
    return {
        "model": study.primary,
        "base": found.base,
        "note": shares["note"],
        "features": [
            {"feature": str(f), "block": found.blocks[f], "mean_abs": float(size[f])} for f in order
        ],
        "blocks": [
            {"block": block, "share": share}
            for block, share in shares["share"].items()
            if share is not None
        ],
        "values": {
            "features": [str(name) for name in order],
            "cases": [str(case) for case in values.index],
            "phi": values.to_numpy().tolist(),
            "x": data.to_numpy().tolist(),
        },
    }


def _cam(store: Store, task: ExplainTask) -> dict[str, Any]:
    card = read_card(store, task.name, task.number)
    primary = card["study"]["primary"]
    model = load(model_folder(store, task.name, task.number) / primary)
    volume = read_volume(store.place, task.case_id)
    extractor = _extractor(store, card, task.weights)
    seen, cam = extractor.class_activation(volume, *deep_head(model))
    masks = _regions(store, task.case_id, volume, seen.geometry)
    rings = {ring_name(*edges): masks[ring_name(*edges)] for edges in RINGS_MM}
    mass = cam_mass(cam.map, masks["body"], masks[TUMOUR], rings)
    return {
        "mass": [
            {"region": name, "share": part.mass_share, "enrichment": part.enrichment}
            for name, part in mass.items()
        ],
        "note": _resolution(cam.cell_mm, float(cam.map.max())),
        "cell_mm": list(cam.cell_mm),
        "layer": cam.layer,
        "slice": _slice(seen, cam.map, masks),
    }


def _extractor(store: Store, card: Mapping[str, Any], weights: Path | None) -> Any:
    """The extractor that made the model's deep features.

    Raises:
        ConfigError: The weights are not the ones the features were made with.
    """
    recipes = [load_recipe(store, name) for name in card["feature_sets"]]
    (recipe,) = [one for one in recipes if one["table"] == "deep"]
    extractor = make_extractor(
        EXTRACTORS, recipe["extractor"], {**recipe["settings"], "weights": weights}
    )
    wanted, given = recipe["versions"]["weights"], extractor.versions["weights"]
    if wanted != given:
        raise ConfigError(
            f"the deep features were made with weights {wanted[:12]}, not {given[:12]}",
            f"model {card['study']['name']}",
            "name the file: radlas explain --weights FILE",
        )
    return extractor


def _regions(store: Store, case_id: str, volume: Volume, grid: Geometry) -> dict[str, Any]:
    """Tumour, body and rings, made on the volume's own grid, taken to the network's."""
    tumour = next(roi for roi in read_rois(store.place, case_id) if roi.name == TUMOUR).mask
    body = body_mask(volume.voxels.astype(np.float32), volume.geometry.spacing)
    masks = {TUMOUR: tumour, "body": body}
    for inner, outer in (*RINGS_MM, SHOWN_MM):
        made = ring(tumour, volume.geometry.spacing_zyx, inner_mm=inner, outer_mm=outer, body=body)
        masks[ring_name(inner, outer)] = made.mask
    return {name: resample_mask(mask, volume.geometry, grid) for name, mask in masks.items()}


def _resolution(cell_mm: tuple[float, float, float], strongest: float) -> str:
    """What a reader must know before believing a ring's share."""
    if strongest <= 0:
        return "the map is all zero: nothing speaks for a higher score"
    finer = [ring_name(*edges) for edges in RINGS_MM if edges[1] - edges[0] < max(cell_mm[1:])]
    return f"finer than a cell of the map, so not resolved: {', '.join(finer)}" if finer else ""


def _slice(seen: Volume, cam_map: Any, masks: Mapping[str, Any]) -> bytes:
    """The slice with the most tumour, as one npz file."""
    z = int(masks[TUMOUR].sum(axis=(1, 2)).argmax())
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        image=seen.voxels[z],
        map=cam_map[z],
        tumour=masks[TUMOUR][z],
        ring=masks[ring_name(*SHOWN_MM)][z],
        spacing_mm=np.array(seen.geometry.spacing_zyx[1:]),
        scale_max=np.array(cam_map.max()),
    )
    return stream.getvalue()


def _montage(model: str, cases: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not cases:
        return None
    cells = [case["cell_mm"] for case in cases]  # a grid fitted to the body differs by patient
    cell, layer = [max(edges) for edges in zip(*cells, strict=True)], cases[0]["layer"]
    names = ("case_id", "label", "risk", "mass", "note")
    return {
        "model": model,
        "cell_mm": cell,
        "layer": layer,
        "cases": [{name: case[name] for name in names} for case in cases],
    }


explain = Flow("explain", ExplainConfig, plan, work, commit)
