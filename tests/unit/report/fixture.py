"""A made-up study of 60 subjects whose numbers belong together; same seed, same evidence."""

from __future__ import annotations

from typing import Any

import numpy as np

MODELS = {
    "Intratumoural": (["tumour"], 1.1),
    "Intra + peritumoural": (["tumour", "ring"], 1.5),
    "DLR": (["tumour", "ring", "deep"], 2.1),
}
FEATURES = {
    "tumour": [
        "tumour__original__shape_Maximum3DDiameter",
        "tumour__original__firstorder_Mean",
        "tumour__wavelet-LLH__glszm_SmallAreaHighGrayLevelEmphasis",
        "tumour__log-sigma-2-0-mm__glcm_Idn",
    ],
    "ring": [
        "ring_0_10__original__firstorder_90Percentile",
        "ring_0_10__log-sigma-4-0-mm__gldm_LargeDependenceHighGrayLevelEmphasis",
        "ring_0_10__wavelet-HHL__glrlm_RunEntropy",
    ],
    "deep": [f"deep__layer4__{i:03d}" for i in (17, 45, 101, 133, 208, 264, 377)],
}
EXTERNAL = 24


def make_evidence(seed: int = 0) -> dict[str, Any]:
    """Evidence as the report's flow would give it, ready for JSON."""
    rng = np.random.default_rng(seed)
    labels = np.array([1] * 14 + [0] * 10)
    models = {name: make_model(rng, blocks, d, labels) for name, (blocks, d) in MODELS.items()}
    return {
        "title": "High- or low-grade soft-tissue sarcoma on fat-suppressed T2-weighted MRI",
        "study": {
            "outcome": {"column": "grade", "positive": ["high", "intermediate"]},
            "models": {name: {"blocks": model["blocks"]} for name, model in models.items()},
            "selection": {"rfe": [10, 20, 30], "lasso": "logistic", "rule": "one_standard_error"},
            "splits": {"folds": 5, "repeats": 10, "unit": "subject"},
            "threshold": {"rule": "youden", "value": None},
            "seed": seed,
        },
        "snapshot": {
            "name": "phantom",
            "version": 1,
            "id": "5b1f0d0c2a97e6d3" * 4,
            "created_at": "2026-01-15T09:30:00Z",
            "cases_per_centre": {"centre_a": 20, "centre_b": 16, "centre_c": 24},
        },
        "provenance": {
            "radlas": "0.1.0",
            "python": "3.11.7",
            "packages": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0"},
            "study_digest": "c0ffee12" * 8,
            "model_version": "dlr-0003",
            "command": "radlas report study.yaml --store store --snapshot phantom@1",
            "seed": seed,
            "feature_sets": ["pyradiomics-1a2b3c4d", "resnet18-medicalnet-rand0-9f8e7d6c"],
        },
        "banners": [
            {
                "level": "danger",
                "kind": "synthetic",
                "text": "Synthetic cohort: these images were made by a program. Nothing here is a"
                " result about patients.",
            },
            {
                "level": "danger",
                "kind": "random_weights",
                "text": "The deep features come from a network with random weights (seed 0). They"
                " are a null reference, not a learned representation.",
            },
            {
                "level": "warning",
                "text": "Two of three centres were scanned at one field strength.",
            },
        ],
        "outcome": {"name": "grade", "positive": "high grade", "negative": "low grade"},
        "classes": [
            make_classes("centre_a", "training", 12, 8, 1, 1),
            make_classes("centre_b", "training", 9, 7, 0, 2),
            make_classes("centre_c", "external", 14, 10, 1, 0),
        ],
        "flow": {
            "inputs": 71,
            "ok": 65,
            "quarantined": 5,
            "failed": 1,
            "analysed": 60,
            "reasons": [
                make_reason("slice_gap", 2, "slices are missing inside the series"),
                make_reason("no_tumour", 2, "masks were found, but none is named as the tumour"),
                make_reason("empty_mask", 1, "the mask holds no voxel on its image"),
                make_reason("worker", 1, "the worker ran out of memory"),
            ],
        },
        "table1": [
            make_patients("centre_a", 20, 52.5, 9, {"lower limb": 12, "upper limb": 3, "trunk": 5}),
            make_patients("centre_b", 16, 58.0, 7, {"lower limb": 8, "upper limb": 4, "trunk": 4}),
            make_patients(
                "centre_c", 24, 49.5, 13, {"lower limb": 15, "upper limb": 2, "trunk": 7}
            ),
        ],
        "acquisition": [
            make_acquisition("centre_a", 14, "0.78 x 0.78 x 6.50", 1.5, "SIEMENS"),
            make_acquisition("centre_a", 6, "0.94 x 0.94 x 5.00", 3.0, "GE MEDICAL SYSTEMS"),
            make_acquisition("centre_b", 16, "0.63 x 0.63 x 5.50", 3.0, "Philips"),
            make_acquisition("centre_c", 24, "0.70 x 0.70 x 6.00", None, None),
        ],
        "models": models,
        "primary": "DLR",
        "comparisons": make_comparisons(),
        "subgroups": make_subgroups(),
        "shap": make_shap(rng, models["DLR"], labels),
        "cam": make_cam(rng, labels),
        "looks": 2,
        "limits": [
            "The ring width, the resampling and the bin width are settings of this study.",
            "Grades come from reports; they were not read again.",
        ],
    }


def make_model(
    rng: np.random.Generator, blocks: list[str], distance: float, labels: np.ndarray
) -> dict[str, Any]:
    """A model with consistent risks, ROC, confusion and proportions."""
    logits = rng.normal(size=EXTERNAL) + distance * (labels - 0.5)
    risks = 1 / (1 + np.exp(-1.3 * logits))
    names = [(name, block) for block in blocks for name in FEATURES[block]]
    return {
        "blocks": blocks,
        "candidates": {1: 1004, 2: 1928, 3: 2440}[len(blocks)],
        "signature": [
            {
                "feature": name,
                "block": block,
                "mean": float(rng.normal(0, 300)),
                "scale": float(rng.uniform(0.01, 90)),
                "coefficient": float(rng.normal(0, 0.5)),
                "frequency": float(rng.uniform(0.2, 1)),
            }
            for name, block in names
        ],
        "intercept": float(rng.normal()),
        "chosen": {"k": 20, "C": 0.1},
        "training": {
            "auc_pooled": interval(0.80 + 0.03 * len(blocks), 0.07),
            "auc_folds": [float(x) for x in rng.uniform(0.7, 0.95, size=50)],
        },
        "threshold": 0.47,
        "external": make_external(risks, labels, 0.47),
    }


def make_external(risks: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, Any]:
    """External results computed from the risks by their definitions."""
    called = risks >= threshold
    tp, fp = int(np.sum(called & (labels == 1))), int(np.sum(called & (labels == 0)))
    fn, tn = int(np.sum(~called & (labels == 1))), int(np.sum(~called & (labels == 0)))
    positives = int(labels.sum())
    pairs = risks[labels == 1][:, None] - risks[labels == 0][None, :]
    cuts = [np.inf, *sorted(set(risks), reverse=True)]
    return {
        "n": len(labels),
        "positives": positives,
        "auc": interval(float(np.mean((pairs > 0) + 0.5 * (pairs == 0))), 0.09, "DeLong, logit"),
        "f1": interval(2 * tp / (2 * tp + fp + fn), 0.1, "bootstrap"),
        "f1_all_positive": 2 * positives / (len(labels) + positives),
        "sensitivity": interval(tp / (tp + fn), 0.12, "Wilson"),
        "specificity": interval(tn / (tn + fp), 0.15, "Wilson"),
        "ppv": interval(tp / (tp + fp), 0.12, "Wilson"),
        "npv": interval(tn / (tn + fn), 0.15, "Wilson"),
        "accuracy": interval((tp + tn) / len(labels), 0.1, "Wilson"),
        "brier": float(np.mean((risks - labels) ** 2)),
        "calibration": {
            "intercept": -0.21,
            "slope": 0.84,
            "intercept_interval": bounded(-0.21, -0.71, 0.27),
            "slope_interval": bounded(0.84, 0.42, 1.38),
        },
        "confusion": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
        "roc": [
            [float(np.mean(risks[labels == 0] >= cut)), float(np.mean(risks[labels == 1] >= cut))]
            for cut in cuts
        ],
        "risks": [
            {"risk": float(risk), "label": int(label)}
            for risk, label in zip(risks, labels, strict=True)
        ],
    }


def bounded(value: float, low: float, high: float) -> dict[str, Any]:
    """An interval of its own shape."""
    return {"estimate": value, "low": low, "high": high, "method": "profile likelihood"}


def interval(value: float, half: float, method: str = "DeLong") -> dict[str, Any]:
    """An interval clipped to [0, 1]."""
    low, high = max(value - half, 0.0), min(value + half, 1.0)
    return {"estimate": value, "low": low, "high": high, "method": method, "note": ""}


def make_classes(centre: str, role: str, *counts: int) -> dict[str, Any]:
    """Labels of one centre."""
    names = ("positive", "negative", "excluded", "unlabelled")
    return {"centre": centre, "role": role, **dict(zip(names, counts, strict=True))}


def make_reason(reason: str, count: int, meaning: str) -> dict[str, Any]:
    """One row of the reasons."""
    remedy = "export the series again, with every slice, and ingest it once more"
    return {"reason": reason, "count": count, "meaning": meaning, "remedy": remedy}


def make_patients(
    centre: str, subjects: int, age: float, female: int, sites: dict[str, int]
) -> dict[str, Any]:
    """Table 1 of one centre."""
    quartiles = [age - 12.0, age + 11.5]
    return {
        "centre": centre,
        "subjects": subjects,
        "age_median": age,
        "age_iqr": quartiles,
        "female": female,
        "sites": sites,
    }


def make_acquisition(
    centre: str, cases: int, spacing: str, field: float | None, maker: str | None
) -> dict[str, Any]:
    """Cases of one centre imaged alike."""
    return {
        "centre": centre,
        "cases": cases,
        "spacing": spacing,
        "field_strength_t": field,
        "manufacturer": maker,
    }


def make_comparisons() -> list[dict[str, Any]]:
    """The three pairs; one cannot be estimated."""
    names = list(MODELS)
    base = {"low": -0.031, "high": 0.241, "z": 1.512, "p": 0.1305, "p_holm": 0.261, "note": ""}
    strong = {"low": 0.04, "high": 0.30, "z": 3.6, "p": 0.0003, "p_holm": 0.0009, "note": ""}
    none = dict.fromkeys(("delta", "low", "high", "z", "p", "p_holm"))
    return [
        {"a": names[2], "b": names[0], "delta": 0.17, **strong},
        {"a": names[2], "b": names[1], "delta": 0.105, **base},
        {"a": names[1], "b": names[0], **none, "note": "zero variance: curves are identical"},
    ]


def make_subgroups() -> list[dict[str, Any]]:
    """Subgroups of the primary model, two of them too small."""
    rows = []
    for variable, levels in {
        "Age": {"< 50 a": (12, 7), "≥ 50 a": (12, 7)},
        "Sex": {"F": (13, 8), "M": (11, 6)},
        "Site": {"lower limb": (15, 9), "upper limb": (2, 1), "trunk": (7, 4)},
    }.items():
        for i, (level, (n, positives)) in enumerate(levels.items()):
            auc = None if n < 8 else interval(0.83 + 0.06 * i, 0.16)
            note = "" if auc else "fewer than 5 in a class"
            row = {"model": "DLR", "variable": variable, "level": level, "n": n}
            rows.append({**row, "positives": positives, "auc": auc, "note": note})
    return rows


def make_shap(
    rng: np.random.Generator, model: dict[str, Any], labels: np.ndarray
) -> dict[str, Any]:
    """SHAP values of a linear score: coefficient times standardised value."""
    rows = model["signature"]
    x = rng.normal(size=(EXTERNAL, len(rows))) + 0.4 * labels[:, None]
    phi = x * np.array([row["coefficient"] for row in rows])
    strength = np.abs(phi).mean(axis=0)
    blocks = model["blocks"]
    block_of = np.array([row["block"] for row in rows])
    return {
        "model": "DLR",
        "base": 0.31,
        "features": [
            {"feature": row["feature"], "block": row["block"], "mean_abs": float(value)}
            for row, value in zip(rows, strength, strict=True)
        ],
        "blocks": [
            {"block": block, "share": float(strength[block_of == block].sum() / strength.sum())}
            for block in blocks
        ],
        "values": {
            "features": [row["feature"] for row in rows],
            "cases": [case_id(i) for i in range(EXTERNAL)],
            "phi": phi.tolist(),
            "x": x.tolist(),
            "labels": labels.tolist(),
        },
    }


def make_cam(rng: np.random.Generator, labels: np.ndarray) -> dict[str, Any]:
    """Masses of six patients; the last map is empty."""
    regions = {"tumour": 0.12, "ring 0–5 mm": 0.05, "ring 5–10 mm": 0.06, "rest of body": 0.77}
    cases = []
    for i in (0, 3, 8, 14, 18, 21):
        raw = rng.gamma(2, size=len(regions)) * list(regions.values()) * [6, 4, 2, 1]
        shares = None if i == 21 else raw / raw.sum()
        mass = [
            {
                "region": region,
                "share": None if shares is None else float(shares[j]),
                "enrichment": None if shares is None else float(shares[j] / volume),
            }
            for j, (region, volume) in enumerate(regions.items())
        ]
        note = "" if shares is not None else "the map is zero everywhere"
        case = {"case_id": case_id(i), "label": int(labels[i]), "risk": float(rng.uniform())}
        cases.append({**case, "mass": mass, "note": note})
    return {"model": "DLR", "cell_mm": [12.0, 10.4, 10.4], "layer": "layer4", "cases": cases}


def make_images(evidence: dict[str, Any], seed: int = 0) -> dict[str, dict[str, Any]]:
    """One slice per patient of the montage: a limb, a tumour, its ring, a coarse map."""
    rng = np.random.default_rng(seed)
    cases = evidence["cam"]["cases"]
    return {case["case_id"]: make_image(rng, empty=bool(case["note"])) for case in cases}


def make_image(rng: np.random.Generator, *, empty: bool) -> dict[str, Any]:
    """A thigh as ellipses, 1.2 mm pixels."""
    y, x = np.mgrid[:112, :128]
    limb = ((x - 64) / 55) ** 2 + ((y - 56) / 48) ** 2 < 1
    cx, cy, r = rng.uniform(45, 80), rng.uniform(45, 70), rng.uniform(10, 19)
    angle = np.arctan2(y - cy, x - cx)
    distance = np.hypot(x - cx, y - cy) / (1 + 0.15 * np.sin(3 * angle))
    tumour, ring = distance < r, (distance >= r) & (distance < r + 8) & limb
    bone = np.hypot(x - 60, y - 52) < 7
    image = 90.0 * limb + 160 * tumour - 60 * (bone & ~tumour) + rng.normal(0, 9, limb.shape)
    heat = np.exp(-(((x - cx - 5) / (1.2 * r)) ** 2) - ((y - cy) / (1.2 * r)) ** 2) * limb
    return {
        "image": image,
        "map": np.zeros_like(image) if empty else heat * rng.uniform(0.5, 1),
        "tumour": tumour,
        "ring": ring,
        "spacing_mm": (1.2, 1.2),
        "scale_max": 1.0,
    }


def case_id(i: int) -> str:
    """A pseudonym of 32 hexadecimal digits."""
    return f"{(i + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC834:032x}"[-32:]
