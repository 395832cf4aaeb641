"""What a report says, gathered from the registry, the snapshot and the ledger. Numbers only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from radlas.flows.pages.evidence_validation import details
from radlas.flows.pages.intervals import auc_interval, interval, of_area, of_pair, of_rate
from radlas.flows.study.dataset import load_people
from radlas.flows.validate import f1_all_positive
from radlas.learn.design import labels
from radlas.learn.fitted import FittedModel
from radlas.learn.settings import MISSING
from radlas.learn.statistics.balance import mean_difference, share_difference
from radlas.learn.study import StudyConfig
from radlas.reasons import REASONS
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.ledger import Standing, as_it_ended, case_standings

Json = dict[str, Any]


def cohort(store: Store, snapshot: Snapshot, study: StudyConfig, card: Mapping[str, Any]) -> Json:
    """Classes, flow of cases, patients and acquisition, per centre."""
    people = load_people(store, snapshot)
    used = people[people["centre"].isin([*study.training_centres, study.external_centre])]
    role = dict.fromkeys(study.training_centres, "training")
    out = MISSING in study.outcome.excluded  # else an empty value has a class like any other
    classes = [
        {
            "centre": row["centre"],
            "role": role.get(row["centre"], "external"),
            **{name: row[name] for name in ("positive", "negative")},
            "excluded": row["excluded"] - empty,
            "unlabelled": empty,
        }
        for row in card["classes"]
        for empty in [_unlabelled(used, row["centre"], study) if out else 0]
    ]
    analysed = sum(row["positive"] + row["negative"] for row in classes)
    labelled = labels(used.reset_index(), study.outcome)
    seen = used[used["subject_id"].isin(labelled.index)]  # those whom every other number is of
    return {
        "classes": classes,
        "flow": _flow(_ingested(store, snapshot, set(used["centre"])), analysed),
        "table1": [_patients(str(centre), part) for centre, part in seen.groupby("centre")],
        "balance": _balance(seen, study),
        "acquisition": _acquisition(seen),
    }


def _unlabelled(people: Any, centre: str, study: StudyConfig) -> int:
    written = people[people["centre"] == centre][study.outcome.column]
    return int((written.isna() | (written.astype(str).str.strip() == "")).sum())


def model_evidence(model: FittedModel, trained: Mapping[str, Any], external: Json | None) -> Json:
    """One model: how it was made, what it selected, how it did."""
    frequency = model.frequency.set_index("feature")["selected"].to_dict()
    rows = model.signature.iloc[:-1].to_dict("records")
    names = ("feature", "block", "mean", "scale", "coefficient")
    signature = [
        {**{n: row[n] for n in names}, "frequency": frequency.get(row["feature"], 0.0)}
        for row in rows
    ]
    return {
        "blocks": list(dict.fromkeys(model.blocks.values())),
        "candidates": len(model.columns),
        "signature": signature,
        "intercept": float(model.signature.iloc[-1]["coefficient"]),
        "chosen": model.parameters,
        "training": {
            "auc_pooled": of_area(trained["auc"]),
            "auc_folds": [float(value) for value in model.folds["auc"].dropna()],
            "empty_folds": int((model.folds["features"] == 0).sum()),
            "folds": len(model.folds),
            "tied": bool(model.out_of_fold()["probability"].nunique() == 1),
        },
        "threshold": float(model.threshold),
        "external": _external(external) if external else None,
    }


def comparisons(found: list[Json]) -> list[Json]:
    """Paired differences of AUC."""
    return [
        {
            **of_pair(row),
            "z": row["statistic"],
            "p": row["p"],
            "p_holm": row["p_holm"],
            "note": row["note"],
        }
        for row in found
    ]


def subgroup_rows(found: Mapping[str, Json]) -> list[Json]:
    """Every level of every subgroup of every model."""
    rows = []
    for model, groups in found.items():
        for level in groups["levels"]:
            area = level["auc"]
            shown = interval(area["auc"], auc_interval(area)[0]) if area else None
            names = ("variable", "level", "n", "positives")
            row = {"model": model, **{n: level[n] for n in names}, "auc": shown}
            rows.append(row | ({"note": level["note"]} if level["note"] else {}))
    return rows


def _ingested(store: Store, snapshot: Snapshot, centres: set[str]) -> list[Standing]:
    """What became of the centres' cases, as the ledger stood when the snapshot was made.

    One that was released and not done again ended as it did: no case vanishes.
    """
    ledger = case_standings(store, snapshot.versions.get("outcomes", -1), stage="ingest")
    return [as_it_ended(one) for one in ledger if one.centre in centres]


def _flow(ingested: list[Standing], analysed: int) -> Json:
    states = Counter(one.state for one in ingested)
    reasons = Counter(one.reason for one in ingested if one.state in {"quarantined", "failed"})
    counted = {state: states.get(state, 0) for state in ("ok", "quarantined", "failed")}
    return {
        "inputs": sum(counted.values()),
        **counted,
        "reasons": [
            {
                "reason": reason,
                "count": number,
                "meaning": REASONS[reason].meaning if reason in REASONS else "see the ledger",
                "remedy": REASONS[reason].remedy if reason in REASONS else "radlas status",
            }
            for reason, number in sorted(reasons.items())
        ],
        "analysed": analysed,
    }


def _patients(centre: str, part: Any) -> Json:
    age = part["age_years"].dropna().astype(float)
    columns = {"age": "age_years", "sex": "sex", "site": "site_group"}
    return {
        "centre": centre,
        "subjects": int(part["subject_id"].nunique()),
        "age_median": float(age.median()) if len(age) else None,
        "age_iqr": [float(age.quantile(q)) for q in (0.25, 0.75)] if len(age) else None,
        "female": int((part["sex"] == "F").sum()) if part["sex"].notna().any() else None,
        "sites": {str(k): int(v) for k, v in part["site_group"].value_counts().items()},
        "unrecorded": {name: int(part[one].isna().sum()) for name, one in columns.items()},
    }


def _balance(used: Any, study: StudyConfig) -> list[Json]:
    """External against training patients, characteristic by characteristic."""
    outside = used["centre"] == study.external_centre
    parts = used[outside], used[~outside]
    if any(part.empty for part in parts):
        return []
    one, other = (part["age_years"].astype(float) for part in parts)
    rows = [_apart("age", mean_difference(one, other), one.mean(), other.mean())]
    rows.append(_shares(parts, "female", "sex", "F"))
    sites = sorted(used["site_group"].dropna().unique())
    return rows + [_shares(parts, f"site: {site}", "site_group", site) for site in sites]


def _shares(parts: Sequence[Any], name: str, column: str, value: str) -> Json:
    one, other = ((int((p[column] == value).sum()), int(p[column].notna().sum())) for p in parts)
    shares = [count / whole if whole else float("nan") for count, whole in (one, other)]
    return _apart(name, share_difference(one, other), *shares)


def _apart(name: str, smd: float | None, one: float, other: float) -> Json:
    """A difference; or that it is total, which no deviation measures."""
    total = smd is None and abs(one - other) > 0  # not of what is missing
    note = {"note": "total: nothing varies within either group"} if total else {}
    return {"characteristic": name, "smd": smd, **note}


def _spacing(people: Any) -> Any:
    columns = ("spacing_x_mm", "spacing_y_mm", "spacing_z_mm")
    texts = people[list(columns)].map(lambda value: f"{value:.2f}")
    return texts.agg(" x ".join, axis=1).rename("spacing")


def _acquisition(people: Any) -> list[Json]:
    """Cases of a centre by spacing, field and maker: what is not recorded is a group, too."""
    if people.empty:
        return []
    field = people["field_strength_t"].astype(float).round(1)
    columns = [people["centre"], _spacing(people), field, people["manufacturer"]]
    return [
        {
            "centre": str(centre),
            "cases": len(part),
            "spacing": spacing,
            "field_strength_t": None if pd.isna(strength) else float(strength),
            "manufacturer": None if pd.isna(maker) else str(maker),
        }
        for (centre, spacing, strength, maker), part in people.groupby(columns, dropna=False)
    ]


def _external(found: Json) -> Json:
    decision = found["decision"]
    parts = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    fit = found["calibration"]
    return {
        "n": found["n"],
        "positives": found["positives"],
        "auc": of_area(found["auc"]),
        "f1": interval(decision["f1"], None, note="no interval is computed for F1"),
        "f1_all_positive": f1_all_positive(found),
        **{name: of_rate(decision[name], "Wilson") for name in parts},
        "brier": found["brier"],
        "calibration": {
            "intercept": fit["in_the_large"],
            "slope": fit["slope"],
            "intercept_interval": _profiled(fit, "in_the_large"),
            "slope_interval": _profiled(fit, "slope"),
            "note": fit["note"],
        },
        "confusion": decision["counts"],
        "roc": _roc(found["roc"]),
        "risks": [{n: p[n] for n in ("case", "risk", "label")} for p in found["predictions"]],
        **details(found),
    }


def _profiled(fit: Json, name: str) -> Json:
    """An estimate of calibration; validations of earlier days have no interval of it."""
    return interval(fit[name], fit.get(f"{name}_interval"), method="profile likelihood")


def _roc(points: Json | None) -> list[list[float]]:
    if points is None:
        return []
    pairs = zip(points["specificity"], points["sensitivity"], strict=True)
    return [[1 - specificity, sensitivity] for specificity, sensitivity in pairs]


def shap_evidence(explained: Mapping[str, Any], labels: Mapping[str, int]) -> Json:
    """SHAP as stored by the flow `explain`, with the labels of its cases."""
    values = explained["values"]
    return {**explained, "values": {**values, "labels": [labels[c] for c in values["cases"]]}}
