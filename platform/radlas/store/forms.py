"""The forms of a store's JSON files, key by key: what verbs count on when they read one."""

from __future__ import annotations

import re
from typing import Any

from radlas.features.notes import NOTE
from radlas.forms import (
    COUNT,
    FLAG,
    NUMBER,
    POSITIVE,
    SHARE,
    TEXT,
    VERSION,
    Form,
    Kind,
    Maybe,
    Rows,
    every,
    misfit,
    one_of,
)
from radlas.learn.forms import AREA, COMPARED, JUDGED, LABEL, TRAINED
from radlas.tables import TABLES

MASK = {"centres": [TEXT], "refused": [TEXT]}
MERGE = {"cases": [TEXT]}
RECIPE = {
    **every(TEXT, "extractor", "label"),
    "table": one_of("radiomics", "deep"),
    "settings": {},
    "versions": {...: TEXT},
    "provenance": NOTE,
}
_STRANGE = Kind("of a table that this radlas knows", lambda _: False)


def _by_table(form: Form) -> Form:
    return every(form, *TABLES) | {...: _STRANGE}


SNAPSHOT = {
    "versions": _by_table(VERSION),
    "parts": _by_table(None),
    "counts": {...: every(COUNT, "cases", "subjects")},
    "tables": _by_table({"rows": COUNT, "digest": TEXT}),
    "validation": {
        "findings": [
            {
                **every(TEXT, "gate", "meaning"),
                "many": COUNT,
                "examples": Rows({"where": TEXT, "found": NUMBER}),
            }
        ]
    },
}

_CARD = {
    **every(TEXT, "key", "study_digest", "snapshot", "snapshot_id", "radlas", "created_at"),
    **every([TEXT], "feature_sets", "pretraining", "warnings"),
    **every({...: TRAINED}, "training", "controls", "sensitivity"),
    **every({...: TEXT}, "packages", "controls_missing", "sensitivity_missing"),
    "study": {
        **every(TEXT, "name", "primary"),
        "training_centres": [TEXT],
        "external_centre": Maybe(TEXT),
        "sensitivity": {...: {"training_centres": [TEXT]}},
    },
    "synthetic": FLAG,
    "classes": [{"centre": TEXT, **every(COUNT, "positive", "negative", "excluded")}],
    "models": {...: {"digest": TEXT, "k": COUNT, "c": NUMBER}},
    "support": {
        "candidates": {...: COUNT},
        "training": {**every(COUNT, "n", "events"), "parameters": {...: COUNT}},
        "external": {"n": COUNT, **every([{...: NUMBER}], "auc", "halves")},
    },
    "centres_told": [
        {"features": TEXT, **every(NUMBER, "balanced_accuracy", "chance", "differing")}
    ],
    "folds_compared": [COMPARED],
}
_VALIDATION = {
    "look": POSITIVE,
    "trained_on": [TEXT],
    "centre": TEXT,
    "models": {...: JUDGED},
    "comparisons": [COMPARED],
    "controls": {...: JUDGED},
    "sensitivity": {
        "variants": {...: JUDGED},
        "patients": [
            {
                **every(TEXT, "patients", "note"),
                **every(COUNT, "n", "positives"),
                "auc": Maybe(AREA),
            }
        ],
    },
    "subgroups": {
        ...: {
            "levels": [
                {
                    **every(TEXT, "variable", "level", "note"),
                    **every(COUNT, "n", "positives"),
                    "auc": Maybe(AREA),
                }
            ],
            "differences": [COMPARED],
            "interactions": [COMPARED],
            "notes": [TEXT],
        }
    },
}


def _is_table(values: Any) -> bool:
    """Whether numbers are told by case and feature, as many as there are of both."""
    whole = {**every([TEXT], "features", "cases"), **every([[NUMBER]], "phi", "x")}
    if not isinstance(values, dict) or whole.keys() - values.keys() or misfit(values, whole):
        return False
    wide, high = len(values["features"]), len(values["cases"])
    return all(
        len(values[name]) == high and all(len(row) == wide for row in values[name])
        for name in ("phi", "x")
    )


_TABLE = Kind("a table of cases by features", _is_table)
_SHARES = [{**every(TEXT, "group", "block"), **every(NUMBER, "share", "low", "high")}]
_EXPLANATION = {
    "asked_maps": Maybe(COUNT),
    "missing": {...: TEXT},
    "warnings": [TEXT],
    "shap": {
        **every(TEXT, "model", "note"),
        "base": NUMBER,
        "features": [{**every(TEXT, "feature", "block"), "mean_abs": NUMBER}],
        "blocks": _SHARES,
        "groups": every(_SHARES, "blocks", "families"),
        "profile": Maybe(NUMBER),
        "values": _TABLE,
    },
    "cam": Maybe(
        {
            **every(TEXT, "model", "region", "layer", "note"),
            "cell_mm": [NUMBER],
            "cases": [
                {
                    **every(TEXT, "case_id", "note"),
                    "label": Maybe(LABEL),
                    "risk": Maybe(SHARE),
                    "mass": [{"region": TEXT, **every(Maybe(NUMBER), "share", "enrichment", "p")}],
                }
            ],
            "comparison": [
                {
                    "region": TEXT,
                    **every(COUNT, "positives", "negatives"),
                    **every(Maybe(NUMBER), "median_positive", "median_negative", "superiority"),
                    **every(Maybe(SHARE), "p", "p_holm"),
                }
            ],
            "sanity": [{"stage": TEXT, "correlation": Maybe(NUMBER)}],
        }
    ),
}

_VERSION = Kind(
    "a version as NAME@N",
    lambda value: isinstance(value, str) and re.fullmatch(r"[^@]+@[0-9]{1,9}", value) is not None,
)
# Of the registry's files, by what their names begin with.
REGISTRY: dict[str, Form] = {
    "version": _CARD,
    "validation": _VALIDATION,
    "explanation": _EXPLANATION,
    "decision": {
        **every(COUNT, "challenger", "promotions"),
        **every(TEXT, "at", "decision", "why"),
        "champion": Maybe(COUNT),
        "margin": NUMBER,
        "compared": {...: COUNT},
    },
    "champion": {"history": [{"version": COUNT, **every(TEXT, "at", "why")}]},
    "looks": {
        "looks": [{**every(TEXT, "centre", "made_from"), "model": _VERSION, "at": Maybe(TEXT)}]
    },
}
