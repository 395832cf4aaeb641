"""The forms of what is told of a model in files; ``evaluate.py`` and others say what it is."""

from __future__ import annotations

from radlas.forms import (
    COUNT,
    FLAG,
    NUMBER,
    PAIR,
    POSITIVE,
    SHARE,
    TEXT,
    Alike,
    Maybe,
    Rows,
    every,
    one_of,
)

LABEL = one_of(0, 1)
AREA = {
    **every(COUNT, "positives", "negatives"),
    **every(Maybe(PAIR), "wald", "logit", "exact"),
    "auc": Maybe(SHARE),
    "variance": Maybe(NUMBER),
    "note": TEXT,
}
COMPARED = {
    **every(TEXT, "first", "second", "variable", "note"),
    **every(Maybe(NUMBER), "difference", "statistic", "df", "error", "detectable"),
    **every(Maybe(SHARE), "p", "p_holm", "p_fdr", "p_alike"),
    "interval": Maybe(PAIR),
    "alike": Maybe(FLAG),
}
LEFT_OUT = {
    **every(TEXT, "centre", "note"),
    **every(COUNT, "n", "positives"),
    "auc": Maybe(AREA),
}
TRAINED = {
    **every(COUNT, "n", "positives"),
    "auc": AREA,
    "folds": {"count": COUNT, **every(Maybe(NUMBER), "mean", "sd")},
    "centres": [LEFT_OUT],
}
_RATE = {
    **every(COUNT, "successes", "trials"),
    "value": Maybe(SHARE),
    "interval": Maybe(PAIR),
}
_RESAMPLED = {
    **every(TEXT, "method", "note"),
    "value": Maybe(NUMBER),
    "interval": Maybe(PAIR),
}
JUDGED = {
    **every(TEXT, "model", "digest", "missing"),
    **every(COUNT, "positives", "negatives"),
    "n": POSITIVE,
    "auc": AREA,
    "decision": {
        **every(_RATE, "sensitivity", "specificity", "ppv", "npv", "accuracy"),
        "threshold": NUMBER,
        "counts": {...: COUNT},
        "f1": Maybe(SHARE),
    },
    "brier": Maybe(SHARE),
    "calibration": {
        **every(Maybe(NUMBER), "in_the_large", "slope", "intercept", "mean_risk", "prevalence"),
        **every(Maybe(PAIR), "in_the_large_interval", "slope_interval"),
        "note": TEXT,
    },
    "roc": Maybe(
        Alike(every([SHARE], "sensitivity", "specificity") | {"threshold": [Maybe(NUMBER)]})
    ),
    "notes": [TEXT],
    "intervals": {...: _RESAMPLED},
    "precision_recall": Alike(every([SHARE], "recall", "precision")),
    "elsewhere": [{"prevalence": SHARE, "ppv": _RATE, "npv": _RATE}],
    "calibration_errors": Maybe(
        {**every(NUMBER, "ici", "e50", "e90", "emax"), "ici_interval": Maybe(PAIR)}
    ),
    "calibration_curve": Maybe(
        Alike({**every([NUMBER], "risk", "events"), **every([Maybe(NUMBER)], "low", "high")})
    ),
    "decision_curve": Alike(
        {**every([NUMBER], "threshold", "model", "all"), **every([Maybe(NUMBER)], "low", "high")}
    ),
    "predictions": Rows(
        {**every(TEXT, "case", "subject"), "label": LABEL, "risk": SHARE}, "subject"
    ),
    "difference": Maybe(COMPARED),
}

FITTED = {
    **every(TEXT, "study", "study_digest", "model", "digest"),
    "columns": [[TEXT]],
    "threshold": NUMBER,
    "centres": [LEFT_OUT],
    "stability": Maybe(
        {
            "samples": COUNT,
            "size": NUMBER,
            **every({...: NUMBER}, "blocks", "families"),
            "nogueira": {"index": Maybe(NUMBER), "interval": Maybe(PAIR), "note": TEXT},
            "features": [
                {
                    **every(TEXT, "feature", "cluster"),
                    **every(NUMBER, "selected", "cluster_selected"),
                    "size": COUNT,
                    "agrees": Maybe(NUMBER),
                }
            ],
        }
    ),
}
