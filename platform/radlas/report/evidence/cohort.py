"""The shapes of what a study was made of: provenance, patients, images.

Read by ``radlas.report.evidence.page``, which holds the whole.
"""

from typing import Any, Literal, NotRequired, TypedDict


class Snapshot(TypedDict):
    """The frozen rows the study was run on."""

    name: str
    version: int
    id: str
    created_at: str
    cases_per_centre: dict[str, int]


class Provenance(TypedDict):
    """Everything needed to run the study again; ``recipes`` are the settings of feature sets."""

    radlas: str
    python: str
    packages: dict[str, str]
    study_digest: str
    model_version: str
    command: str
    seed: int
    feature_sets: list[str]
    weights: NotRequired[str]
    recipes: NotRequired[dict[str, Any]]


class Banner(TypedDict):
    """A warning that must not be missed; ``kind`` is read from the text where it is absent."""

    level: Literal["danger", "warning"]
    text: str
    kind: NotRequired[Literal["synthetic", "random_weights", "other"]]


class Outcome(TypedDict):
    """Words for the label: what is told apart, and its two classes."""

    name: str
    positive: str
    negative: str


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
    """Table 1 of one centre's analysed subjects; age in years, sites as counts.

    ``unrecorded`` counts those of whom ``age``, ``sex`` or ``site`` is not known; ``female`` is
    ``None`` if the sex of nobody is.
    """

    centre: str
    subjects: int
    age_median: float | None
    age_iqr: list[float] | None
    female: int | None
    sites: dict[str, int]
    unrecorded: NotRequired[dict[str, int]]


class Acquisition(TypedDict):
    """Cases of one centre imaged alike; spacing ``x x y x z`` in mm, field in tesla."""

    centre: str
    cases: int
    spacing: str
    field_strength_t: float | None
    manufacturer: str | None


class GalleryCase(TypedDict):
    """One case as it is shown: its slice with most tumour, and what a look should know.

    ``note`` tells why there is no picture.
    """

    case: str
    centre: str
    label: str
    number: int | None
    slices: int | None
    remarks: list[str]
    note: NotRequired[str]


class Gallery(TypedDict):
    """Cases that are shown, those with remarks first, of ``total`` that were analysed."""

    cases: list[GalleryCase]
    total: int
