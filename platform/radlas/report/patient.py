"""One patient on one page: the risk, how sure it is, what drove it, and what was unusual."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from radlas.errors import StudyError
from radlas.report import format as fmt
from radlas.report import verdict
from radlas.report.evidence.cohort import Banner, Outcome
from radlas.report.evidence.explanation import Cam, CamImage
from radlas.report.evidence.validation import Interval
from radlas.report.figures import cam as figures_cam
from radlas.report.figures import ground as base
from radlas.report.figures import patients as figures_patients
from radlas.report.figures.ground import Panel
from radlas.report.pages import fill, style_sheet


class Unusual(TypedDict):
    """A feature of the signature beyond what training ever saw, in its own unit."""

    feature: str
    value: float
    low: float
    high: float


class Driver(TypedDict):
    """What one feature adds to the score [logit], and the patient's z-score of it."""

    feature: str
    logit: float
    z: float


class Patient(TypedDict):
    """What is said of one case by one model."""

    case_id: str
    centre: str
    known_centre: bool
    centre_note: str
    model: str
    primary: str
    outcome: Outcome
    banners: list[Banner]
    risk: Interval
    threshold: float
    base: float
    drivers: list[Driver]
    imputed: list[str]
    out_of_range: list[Unusual]
    signature: int
    trained_on: bool
    out_of_fold: float | None
    harmonises: bool
    resampled: int
    otherwise: int
    training: dict[str, list[float]]
    cam: NotRequired[Cam | None]
    missing: NotRequired[dict[str, str]]
    provenance: dict[str, Any]


def render_patient(patient: Mapping[str, Any], image: CamImage | None = None) -> str:
    """The page of one patient as HTML without network or script.

    Args:
        patient: Shaped as ``Patient``.
        image: The slice of the Grad-CAM, if there is a map.

    Raises:
        StudyError: Something of it is absent.
    """
    absent = sorted(Patient.__required_keys__ - patient.keys())
    if absent:
        raise StudyError(f"the patient's page lacks {', '.join(absent)}", "report")
    found = cast(Patient, patient)
    panels = [_place(found), figures_patients.one(found["base"], _steps(found))]
    cam = found.get("cam")
    if cam and image is not None:
        panels.append(figures_cam.montage(cam, {found["case_id"]: image}, found["outcome"]))
    css = Markup(style_sheet())  # noqa: S704 - our own file
    values = {
        "p": found,
        "panels": panels,
        "css": css,
        "missing": found.get("missing", {}),
        "stamps": verdict.stamps(found["banners"]),
        "unseen_share": _moved(found, {row["feature"] for row in found["out_of_range"]}),
        "imputed_share": max(
            _moved(found, set(found["imputed"])),
            len(found["imputed"]) / max(1, found["signature"]),
        ),
    }
    return fill("patient.html.j2", values)


def _moved(patient: Patient, names: set[str]) -> float:
    """Share of these features in what moves the score [1]."""
    moved = {row["feature"]: abs(row["logit"]) for row in patient["drivers"]}
    return sum(moved[name] for name in names & moved.keys()) / (sum(moved.values()) or 1.0)


def _steps(patient: Patient) -> list[tuple[str, float]]:
    return [(row["feature"], row["logit"]) for row in patient["drivers"]]


def _tied(training: Mapping[str, list[float]]) -> str:
    values = {value for one in training.values() for value in one}
    return "; all have one risk, for those models chose no feature" if len(values) == 1 else ""


def _place(patient: Patient) -> Panel:
    """Where the patient stands among the training patients, each judged by a model not of it."""
    risk, training = patient["risk"], patient["training"]
    names = {"negative": patient["outcome"]["negative"], "positive": patient["outcome"]["positive"]}

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for y, (label, colour, marker) in enumerate(
            (("negative", base.NEGATIVE, "o"), ("positive", base.POSITIVE, "D"))
        ):
            values = training[label]
            offsets = base.swarm(values, span=(0, 1), bins=60)
            step = 0.07 * min(1, 5 / max(np.abs(offsets), default=1)) if np.any(offsets) else 0
            axes.scatter(values, y + step * offsets, s=14, color=colour, marker=marker, lw=0)
        if risk["low"] is not None and risk["high"] is not None:
            axes.axvspan(risk["low"], risk["high"], color=base.INK, alpha=0.1, lw=0)
        axes.axvline(patient["threshold"], color=base.QUIET, lw=1, ls=(0, (4, 2)))
        axes.axvline(risk["estimate"] or 0.0, color=base.INK, lw=2.2)
        axes.set_yticks([0, 1], [fmt.shorten(names[key], 16) for key in ("negative", "positive")])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, 1.6), xlabel="risk [1]")
        axes.tick_params(axis="y", length=0)

    words = f"risk {fmt.estimate(risk)}, threshold {fmt.fixed(patient['threshold'])}"
    return Panel(
        "place",
        "Among the training patients",
        base.svg("place", (7.4, 2.5), paint, f"{words}; training patients by class."),
        "Each mark is a training patient, judged by a model that had not seen it"
        f"{_tied(training)}. Solid line and grey band, this patient's risk with its interval;"
        " dashed, the locked threshold.",
        ("True class", "Patients", "Median risk [1]"),
        tuple(
            (names[key], str(len(values)), fmt.fixed(float(np.median(values)) if values else None))
            for key, values in training.items()
        ),
        "training",
    )
