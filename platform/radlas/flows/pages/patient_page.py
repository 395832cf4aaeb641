"""One patient's page: what is told of a risk, and the map of the deep part behind it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radlas.errors import RadlasError
from radlas.flows.maps.activation import case_map, model_extractor
from radlas.flows.maps.montage import NO_PART
from radlas.flows.maps.slices import of_slice
from radlas.flows.pages import evidence_origin as origin
from radlas.flows.pages.intervals import interval
from radlas.flows.study.published import study_of
from radlas.learn.explain import deep_head, scored_parts
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig
from radlas.places.documents import Document
from radlas.places.stages import whole
from radlas.places.within import within
from radlas.report.patient import render_patient
from radlas.report.qc_concerns import sided
from radlas.store.layout import Store

_CENTRE = {
    "error": "The model does not harmonise centres it was not fitted on.",
    "raw": "Its features were taken as they are.",
    "adapt": "Its features were harmonised with training by its own cases, without labels.",
}


@dataclass(frozen=True, eq=False)
class Asked:
    """What pages are made of, beside their rows.

    Attributes:
        transforms: As ``model.centre_transforms`` returns them.
        flags: Of the table ``cases``, by case.
    """

    store: Store
    card: Document
    model: FittedModel
    label: str
    transforms: dict[str, pd.DataFrame]
    weights: Path | None
    flags: Mapping[str, str]


def write_page(asked: Asked, row: dict[str, Any], out: Path) -> Path:
    """Write one case's page; what cannot be shown is said there."""
    card, model = asked.card, asked.model
    study = study_of(card)
    cam, image, why = _map(asked, row)
    pooled = model.out_of_fold()
    classes = {"negative": 0, "positive": 1}
    note = "" if model.resamples.size else "no interval: the model was not resampled"
    outcome = study.outcome
    patient = {
        **{key: row[key] for key in ("case_id", "centre", "known_centre", "threshold", "base")},
        **{key: row[key] for key in ("drivers", "imputed", "out_of_range")},
        **{key: row[key] for key in ("resampled", "otherwise")},
        "signature": len(model.signature) - 1,
        **{key: row[key] for key in ("trained_on", "out_of_fold")},
        "centre_note": _centre_note(study, row) if model.harmonises else "",
        "harmonises": model.harmonises,
        "model": asked.label,
        "primary": study.primary,
        "outcome": {
            "name": outcome.column,
            "positive": outcome.positive_name,
            "negative": outcome.negative_name,
        },
        "banners": origin.banners(asked.store, card),
        "risk": interval(row["risk"], row["interval"], note=note),
        "training": {
            name: pooled.loc[pooled["label"] == label, "probability"].tolist()
            for name, label in classes.items()
        },
        "cam": cam,
        "missing": {"cam": why} if why else {},
        "provenance": {
            "Model": f"{asked.label}, digest {model.digest()[:16]}",
            "Snapshot": f"{card['snapshot']}, {card['snapshot_id'][:16]}",
            "Feature sets": ", ".join(card["feature_sets"]),
            "Software": f"radlas {card['radlas']}",
        },
    }
    path = within(out, f"{row['case_id'][:12]}.html")
    with whole(path) as file:
        file.write_text(render_patient(patient, image), encoding="utf-8")
    return path


def _centre_note(study: StudyConfig, row: dict[str, Any]) -> str:
    by = f" Cases used: {row['adapted_by']}." if row["adapted_by"] else ""
    return _CENTRE[study.harmonise.on_unseen] + by


def _map(asked: Asked, row: dict[str, Any]) -> tuple[dict[str, Any] | None, Any, str]:
    """The Grad-CAM of one case with its slice, or why there is none."""
    store, transform = asked.store, asked.transforms.get(row["centre"])
    parts = scored_parts(asked.model)
    if not parts:
        return None, None, f"There is no map: {NO_PART}."
    region, layer = parts[0]
    try:
        extractor = model_extractor(store, asked.card, asked.weights, region)
        head = deep_head(asked.model, region=region, transform=transform)
        found = case_map(
            store,
            row["case_id"],
            head,
            extractor,
            region=region,
            layer=layer,
            sided=sided({"flags": asked.flags[row["case_id"]]}),
            sanity=False,
        )
    except RadlasError as error:  # the risk stands without a map
        why = f"{error.what}; to try: {error.hint}" if error.hint else error.what
        return None, None, f"There is no map: {why}."
    image = of_slice(io.BytesIO(found["slice"]))
    case = {"case_id": row["case_id"], "label": None, "risk": row["risk"], "mass": found["mass"]}
    cam = {
        "model": asked.card["study"]["primary"],
        "region": region,
        "cell_mm": found["cell_mm"],
        "layer": found["layer"],
        "cases": [case | {"note": found["note"]}],
    }
    return cam, image, ""
