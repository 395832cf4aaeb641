"""The shapes of what makes a number believable: controls, curves, stability, what a sample carries.

Read by ``radlas.report.evidence.page``, which holds the whole.
"""

from typing import NotRequired, TypedDict

NOT_IMPUTED, WITHIN = "no value imputed", "no value beyond training"  # choices of patients


class Interval(TypedDict):
    """An estimate with its 95 % interval.

    ``low`` and ``high`` are ``None`` if there is none, all three if nothing can be estimated.
    """

    estimate: float | None
    low: float | None
    high: float | None
    method: NotRequired[str]
    note: NotRequired[str]


class Balance(TypedDict):
    """External against training patients: standardised difference [SD], ``None`` if undefined."""

    characteristic: str
    smd: float | None
    note: NotRequired[str]


class Support(TypedDict):
    """What the patients carry, known before anything was fitted.

    ``parameters`` tells, by share of the explainable that a model explains, how many parameters can
    be fitted; ``auc`` how exactly the external centre tells an AUC; ``halves`` the smallest
    difference between two halves of it that would be seen four times out of five.
    """

    training: int
    events: int
    candidates: dict[str, int]
    parameters: dict[str, int]
    external: int
    auc: list[dict[str, float]]
    halves: list[dict[str, float]]


class Control(TypedDict):
    """A model that the study's own must beat; ``external`` is ``None`` where it means nothing.

    Or where it could not be judged: then ``note`` says why. ``difference`` is the primary model's
    external AUC minus the control's, on the same patients.
    """

    control: str
    meaning: str
    training: Interval
    external: Interval | None
    difference: NotRequired[Interval | None]
    folds_mean: NotRequired[float | None]
    features: int
    note: NotRequired[str]


class Honesty(TypedDict):
    """The controls that were fitted, and why others were not."""

    rows: list[Control]
    missing: dict[str, str]


class LeftOut(TypedDict):
    """A training centre judged by a model of the others."""

    model: str
    centre: str
    n: int
    positives: int
    auc: Interval | None
    note: str


class FoldComparison(TypedDict):
    """AUC of ``a`` minus AUC of ``b`` over the outer folds both were judged on."""

    a: str
    b: str
    delta: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


class Difference(TypedDict):
    """Two levels of a subgroup: difference, what would have been seen, whether they are alike."""

    model: str
    variable: str
    a: str
    b: str
    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    p_fdr: float | None
    detectable: float | None
    alike: bool | None
    note: str


class Interaction(TypedDict):
    """Whether a score means the same in every level of a variable."""

    model: str
    variable: str
    statistic: float | None
    df: int
    p: float | None
    note: str


class Held(TypedDict):
    """How often one feature of the signature, or any of its cluster, was selected again."""

    feature: str
    cluster: str
    size: int
    selected: float
    cluster_selected: float
    agrees: float | None


class Stability(TypedDict):
    """The primary model's signature over resampled patients."""

    samples: int
    index: Interval
    size: float
    blocks: dict[str, float]
    families: dict[str, float]
    features: list[Held]


class Elsewhere(TypedDict):
    """Predictive values where another share of patients has the disease."""

    prevalence: float
    ppv: Interval
    npv: Interval


class CalibrationErrors(TypedDict):
    """Distances between risks and the smooth share of events [1]."""

    ici: Interval
    e50: float
    e90: float
    emax: float


class Band(TypedDict):
    """A curve with its pointwise 95 % band; ``None`` where the band does not reach."""

    x: list[float]
    y: list[float]
    low: list[float | None]
    high: list[float | None]


class Decision(TypedDict):
    """Net benefit per patient over thresholds: the model with its band, and treating everyone."""

    model: Band
    all: list[float]


class CentreTold(TypedDict):
    """How well a centre can be told from features of the training patients."""

    features: str
    balanced_accuracy: float
    chance: float
    differing: float


class Item(TypedDict):
    """One item of a reporting checklist: ``evidence``, ``needs author`` or ``not met``."""

    number: str
    item: str
    state: str
    where: str
    why: str


class Checklist(TypedDict):
    """A reporting checklist, prefilled."""

    name: str
    source: str
    items: list[Item]
    note: NotRequired[str]


class Travelled(TypedDict):
    """The locked model on the external centre, with a method of harmonising or ``none``."""

    method: str
    auc: Interval
    youden: float | None
    intercept: float | None
    slope: float | None
    brier: float | None


class Variant(TypedDict):
    """The primary model made otherwise; ``difference`` is its AUC minus the primary model's.

    ``None`` where it was judged on other patients, or not yet.
    """

    name: str
    change: str
    training: Interval
    n: int | None
    positives: int | None
    auc: Interval | None
    difference: Interval | None
    threshold: NotRequired[float]
    features: NotRequired[int]
    sensitivity: NotRequired[float | None]
    specificity: NotRequired[float | None]


class FewerPatients(TypedDict):
    """The primary model on a part of the external patients."""

    patients: str
    n: int
    positives: int
    auc: Interval | None
    note: str


class Sensitivity(TypedDict):
    """Whether the result hangs on one choice.

    ``missing`` tells why a variant was not fitted; of one among the variants, why not judged.
    """

    variants: list[Variant]
    patients: list[FewerPatients]
    missing: dict[str, str]
