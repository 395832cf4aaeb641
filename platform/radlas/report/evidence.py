"""What a report is made from: one JSON-ready mapping, written down as types.

``flows/report.py`` builds an ``Evidence``, stores it as ``results.json`` beside the page and gives
it to ``render``. A number that could not be estimated is ``None`` with a ``note``; NaN is refused.
"""

from typing import Any, Literal, NotRequired, TypedDict

from numpy.typing import NDArray

from radlas.report.evidence_validation import (
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
    Stability,
    Support,
)


class Snapshot(TypedDict):
    """The frozen rows the study was run on."""

    name: str
    version: int
    id: str
    created_at: str
    cases_per_centre: dict[str, int]


class Provenance(TypedDict):
    """Everything needed to run the study again."""

    radlas: str
    python: str
    packages: dict[str, str]
    study_digest: str
    model_version: str
    command: str
    seed: int
    feature_sets: list[str]
    weights: NotRequired[str]


class Banner(TypedDict):
    """A warning that must not be missed; ``kind`` is read from the text where it is absent."""

    level: Literal["danger", "warning"]
    text: str
    kind: NotRequired[Literal["synthetic", "random_weights", "other"]]


class Classes(TypedDict):
    """Labels of one centre [subjects]."""

    centre: str
    role: Literal["training", "external"]
    positive: int
    negative: int
    excluded: int
    unlabelled: int


class ReasonCount(TypedDict):
    """Cases lost for one reason."""

    reason: str
    count: int
    meaning: str
    remedy: str


class Flow(TypedDict):
    """What became of every case; ``inputs = ok + quarantined + failed``."""

    inputs: int
    ok: int
    quarantined: int
    failed: int
    reasons: list[ReasonCount]
    analysed: int


class Patients(TypedDict):
    """Table 1 of one centre; age in years, sites as counts."""

    centre: str
    subjects: int
    age_median: float | None
    age_iqr: list[float] | None
    female: int | None
    sites: dict[str, int]


class Acquisition(TypedDict):
    """Cases of one centre imaged alike; spacing ``x x y x z`` in mm, field in tesla."""

    centre: str
    cases: int
    spacing: str
    field_strength_t: float | None
    manufacturer: str | None


class SignatureRow(TypedDict):
    """One selected feature; ``coefficient`` per training SD, ``frequency`` over resamples."""

    feature: str
    block: str
    mean: float
    scale: float
    coefficient: float
    frequency: float | None


class Training(TypedDict):
    """Out-of-fold discrimination in the training centres."""

    auc_pooled: Interval
    auc_folds: list[float]


class Calibration(TypedDict):
    """Agreement of risk and outcome; ideal intercept 0, slope 1."""

    intercept: float | None
    slope: float | None
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


class FeatureShare(TypedDict):
    """Mean absolute SHAP value of one feature [logit]."""

    feature: str
    block: str
    mean_abs: float


class BlockShare(TypedDict):
    """A block's share of the summed absolute SHAP values [1]."""

    block: str
    share: float


class ShapValues(TypedDict):
    """``phi`` and ``x``, both ``(case, feature)``: logits, and standardised feature values."""

    features: list[str]
    cases: list[str]
    phi: list[list[float]]
    x: list[list[float]]
    labels: list[int | None]


class GroupShare(TypedDict):
    """Share of one group in how far the score moves, with its interval over patients [1]."""

    group: str
    share: float
    low: float
    high: float


class ShapGroups(TypedDict):
    """Shares by block and by family of features."""

    blocks: list[GroupShare]
    families: list[GroupShare]


class Shap(TypedDict):
    """SHAP of one model; ``base`` is the mean logit of the background (the training rows)."""

    model: str
    features: list[FeatureShare]
    blocks: list[BlockShare]
    values: ShapValues
    base: float
    note: NotRequired[str]
    groups: NotRequired[ShapGroups]
    profile: NotRequired[float | None]


class Mass(TypedDict):
    """Share of a map's mass in one region, and that share over the region's volume share.

    ``p`` tells how often the region is as enriched at a random place of the body.
    """

    region: str
    share: float | None
    enrichment: float | None
    p: NotRequired[float | None]


class CamCase(TypedDict):
    """Where one patient's map lies."""

    case_id: str
    label: int | None
    risk: float | None
    mass: list[Mass]
    note: NotRequired[str]


class CamComparison(TypedDict):
    """Enrichment of one region in the two classes."""

    region: str
    positives: int
    negatives: int
    median_positive: float | None
    median_negative: float | None
    superiority: float | None
    p: float | None
    p_holm: float | None


class CamSanity(TypedDict):
    """A map against that of a network whose layers from ``stage`` on are random."""

    stage: str
    correlation: float | None


class Cam(TypedDict):
    """Grad-CAM of the score's deep part; ``cell_mm`` is ``[z, y, x]`` of one map cell."""

    model: str
    cell_mm: list[float]
    layer: str
    cases: list[CamCase]
    note: NotRequired[str]
    region: NotRequired[str]
    comparison: NotRequired[list[CamComparison]]
    sanity: NotRequired[list[CamSanity]]


class Outcome(TypedDict):
    """Words for the label: what is told apart, and its two classes."""

    name: str
    positive: str
    negative: str


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
    balance: NotRequired[list[Balance]]
    support: NotRequired[Support]
    honesty: NotRequired[Honesty]
    left_out: NotRequired[list[LeftOut]]
    folds: NotRequired[list[FoldComparison]]
    differences: NotRequired[list[Difference]]
    interactions: NotRequired[list[Interaction]]
    stability: NotRequired[Stability | None]
    centres: NotRequired[list[CentreTold]]
    checklists: NotRequired[list[Checklist]]


class CamImage(TypedDict):
    """One slice of one patient; every array ``(y, x)``.

    ``image`` and ``map`` (>= 0) are real, ``tumour`` and ``ring`` bool; ``spacing_mm`` is
    ``(y, x)``; ``scale_max`` is the map value drawn with the strongest colour.
    """

    image: NDArray[Any]
    map: NDArray[Any]
    tumour: NDArray[Any]
    ring: NDArray[Any]
    spacing_mm: tuple[float, float]
    scale_max: float
