"""What a report is made from: one JSON-ready mapping, written down as types.

``flows/report.py`` builds an ``Evidence``, stores it as ``results.json`` beside the page and gives
it to ``render``. A number that could not be estimated is ``None`` with a ``note``; NaN is refused.
"""

from typing import Any, NotRequired, TypedDict

from radlas.report.evidence.cohort import (
    Acquisition,
    Banner,
    Classes,
    Flow,
    Gallery,
    Outcome,
    Patients,
    Provenance,
    Snapshot,
)
from radlas.report.evidence.explanation import Cam, Shap
from radlas.report.evidence.validation import (
    Balance,
    Band,
    CalibrationErrors,
    CentreTold,
    Checklist,
    Decision,
    Difference,
    Elsewhere,
    FoldComparison,
    Honesty,
    Interaction,
    Interval,
    LeftOut,
    Sensitivity,
    Stability,
    Support,
    Travelled,
)


class SignatureRow(TypedDict):
    """One selected feature; ``coefficient`` per training SD, ``frequency`` over the outer folds."""

    feature: str
    block: str
    mean: float
    scale: float
    coefficient: float
    frequency: float | None


class Training(TypedDict):
    """Out-of-fold discrimination in the training centres.

    ``empty_folds`` of ``folds`` chose no feature; ``tied``: every patient has the same risk.
    """

    auc_pooled: Interval
    auc_folds: list[float]
    empty_folds: NotRequired[int]
    folds: NotRequired[int]
    tied: NotRequired[bool]


class Calibration(TypedDict):
    """Agreement of risk and outcome; ideal intercept 0, slope 1."""

    intercept: float | None
    slope: float | None
    intercept_interval: Interval
    slope_interval: Interval
    note: NotRequired[str]


class Confusion(TypedDict):
    """Patients by truth and call at the locked threshold."""

    tp: int
    fp: int
    fn: int
    tn: int


class Risk(TypedDict):
    """Predicted risk of one patient and the truth."""

    risk: float
    label: int
    case: NotRequired[str]


class External(TypedDict):
    """Performance in the external centre."""

    n: int
    positives: int
    auc: Interval
    f1: Interval
    f1_all_positive: float
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    accuracy: Interval
    brier: float | None
    calibration: Calibration
    confusion: Confusion
    roc: list[list[float]]
    risks: list[Risk]
    brier_interval: NotRequired[Interval]
    average_precision: NotRequired[Interval]
    precision_recall: NotRequired[list[list[float]]]
    elsewhere: NotRequired[list[Elsewhere]]
    errors: NotRequired[CalibrationErrors | None]
    curve: NotRequired[Band | None]
    decision: NotRequired[Decision]


class Model(TypedDict):
    """One fitted model; ``external`` is ``None`` before validation."""

    blocks: list[str]
    candidates: int
    signature: list[SignatureRow]
    intercept: float
    chosen: dict[str, Any]
    training: Training
    threshold: float
    external: External | None


class Comparison(TypedDict):
    """AUC of ``a`` minus AUC of ``b`` on the same external patients."""

    a: str
    b: str
    delta: float | None
    low: float | None
    high: float | None
    z: float | None
    p: float | None
    p_holm: float | None
    note: NotRequired[str]


class Subgroup(TypedDict):
    """Discrimination of one model in one subgroup of the external centre."""

    model: str
    variable: str
    level: str
    n: int
    positives: int
    auc: Interval | None
    note: NotRequired[str]


class Evidence(TypedDict):
    """Everything a report says. ``missing`` gives the reason for a section that is ``None``."""

    title: str
    study: dict[str, Any]
    snapshot: Snapshot
    provenance: Provenance
    banners: list[Banner]
    classes: list[Classes]
    flow: Flow
    table1: list[Patients]
    acquisition: list[Acquisition]
    models: dict[str, Model]
    primary: str
    comparisons: list[Comparison]
    subgroups: list[Subgroup]
    shap: Shap | None
    cam: Cam | None
    looks: int
    limits: list[str]
    outcome: NotRequired[Outcome]
    missing: NotRequired[dict[str, str]]
    gallery: NotRequired[Gallery]
    balance: NotRequired[list[Balance]]
    support: NotRequired[Support]
    honesty: NotRequired[Honesty]
    left_out: NotRequired[list[LeftOut]]
    folds: NotRequired[list[FoldComparison]]
    differences: NotRequired[list[Difference]]
    interactions: NotRequired[list[Interaction]]
    stability: NotRequired[Stability | None]
    centres: NotRequired[list[CentreTold]]
    harmonising: NotRequired[list[Travelled]]
    sensitivity: NotRequired[Sensitivity]
    scored: NotRequired[int]
    checklists: NotRequired[list[Checklist]]
