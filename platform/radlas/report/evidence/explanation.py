"""The shapes of explanations: SHAP values and Grad-CAM maps.

Read by ``radlas.report.evidence.page``, which holds the whole.
"""

from typing import Any, NotRequired, TypedDict

from numpy.typing import NDArray


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


class CamImage(TypedDict):
    """One slice of one patient; every array ``(y, x)``.

    ``image`` and ``map`` (>= 0) are real, ``tumour`` and ``ring`` bool; ``spacing_mm`` is
    ``(y, x)``; ``scale_max`` is the map value drawn with the strongest colour; ``sides`` are the
    patient's at the left and the top edge, as ``geometry.as_seen`` names them, if known.
    """

    image: NDArray[Any]
    map: NDArray[Any]
    tumour: NDArray[Any]
    ring: NDArray[Any]
    spacing_mm: tuple[float, float]
    scale_max: float
    sides: NotRequired[tuple[str, ...]]
