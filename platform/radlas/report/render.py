"""One evidence in, one self-contained HTML page out: no script, no network, the same bytes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from markupsafe import Markup

from radlas.digests import digest_of
from radlas.errors import StudyError
from radlas.report import verdict
from radlas.report.check import check_evidence, check_images, name_random_blocks
from radlas.report.evidence.cohort import Outcome
from radlas.report.evidence.explanation import Cam, CamImage, Shap
from radlas.report.evidence.page import Evidence
from radlas.report.figures import cam as figures_cam
from radlas.report.figures import explain as figures_explain
from radlas.report.figures import model as figures_model
from radlas.report.figures import patients as figures_patients
from radlas.report.figures import validation as figures_validation
from radlas.report.figures.ground import Panel
from radlas.report.method import pipeline_words, threshold_words
from radlas.report.pages import fill, style_sheet
from radlas.report.thumbnail import Thumbnail, outline_colours

_TRAINED_CLAIM = re.compile(r"pre-?\s?trained", re.IGNORECASE)
_FORMULA = frozenset("=+-@\t\r")  # what a formula begins with
_SIGNED = re.compile(r"[+-](\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-](inf|nan)", re.IGNORECASE)
_DEFAULT_OUTCOME = Outcome(name="outcome", positive="positive", negative="negative")


class Page(NamedTuple):
    """A report.

    Attributes:
        html: The page.
        tables: The data beside every figure as CSV, by the figure's key.
    """

    html: str
    tables: dict[str, str]


def render(
    evidence: Mapping[str, Any],
    cam_images: Mapping[str, CamImage] | None = None,
    pictures: Mapping[str, Thumbnail] | None = None,
) -> str:
    """The report as one HTML page; arguments and errors as for ``compose``."""
    return compose(evidence, cam_images, pictures).html


def compose(
    evidence: Mapping[str, Any],
    cam_images: Mapping[str, CamImage] | None = None,
    pictures: Mapping[str, Thumbnail] | None = None,
) -> Page:
    """The report as one HTML page, and the data of its figures.

    Args:
        evidence: What is reported, shaped as ``radlas.report.evidence.page.Evidence``.
        cam_images: One slice per case of the Grad-CAM section, by case.
        pictures: One slice per case of the gallery, by case.

    Returns:
        HTML whose bytes depend on the arguments and the installed versions only.

    Raises:
        StudyError: The evidence is incomplete or contradicts itself, holds NaN, or claims
            training for a network whose weights are random.
    """
    checked = check_evidence(evidence)
    images = dict(cam_images or {})
    check_images(images)
    digest, named = _digest(checked), name_random_blocks(checked)
    drawn = panels(named, images)
    shown = dict(pictures or {})
    outlines = outline_colours(roi for view in shown.values() for roi in view.outlines)
    context = _context(named, drawn) | {"digest": digest, "pictures": shown, "outlines": outlines}
    page = fill("template.html.j2", context)
    _refuse_trained_claim(checked, page)
    return Page(page, {key: _csv(panel) for key, panel in drawn.items()})


def _csv(panel: Panel) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = ([_no_formula(cell) for cell in row] for row in (panel.columns, *panel.rows))
    writer.writerows(rows)
    return text.getvalue()


def _no_formula(cell: str) -> str:
    """A cell as a spreadsheet is to show it: a formula, as models may be called, would be run."""
    begins = cell[:1] in _FORMULA and not _SIGNED.fullmatch(cell)
    return f"'{cell}" if begins else cell


def panels(evidence: Evidence, images: Mapping[str, CamImage]) -> dict[str, Panel]:
    """Every figure the evidence supports, by key; what is missing here is said on the page."""
    outcome = evidence.get("outcome", _DEFAULT_OUTCOME)
    drawn = [*_model_panels(evidence, outcome)]
    if shap := evidence["shap"]:
        drawn += _shap_panels(evidence, shap, outcome)
    if cam := evidence["cam"]:
        drawn += _cam_panels(cam, images, outcome)
    return {panel.key: panel for panel in drawn}


def _model_panels(evidence: Evidence, outcome: Outcome) -> list[Panel]:
    models, primary = evidence["models"], evidence["primary"]
    results = figures_model.validated(models)
    drawn = []
    if (honesty := evidence.get("honesty")) and honesty["rows"]:
        drawn.append(figures_validation.controls(models, honesty, primary))
    if not results:
        return drawn
    more = (
        figures_model.roc(models, primary),
        figures_model.risks(models, outcome),
        figures_validation.precision(models, primary),
        figures_validation.calibration(models, primary),
        figures_validation.decisions(models, primary),
    )
    drawn += [panel for panel in more if panel]
    overall = results[primary]["auc"] if primary in results else None
    if any(row["model"] == primary for row in evidence["subgroups"]):
        drawn.append(figures_model.forest(evidence["subgroups"], primary, overall))
    if found := evidence.get("sensitivity"):
        panel = figures_model.sensitivity(found, primary, overall)
        drawn += [panel] if panel else []
    return drawn


def _shap_panels(evidence: Evidence, shap: Shap, outcome: Outcome) -> list[Panel]:
    if not shap["values"]["cases"] or not shap["values"]["features"]:
        return []
    threshold = evidence["models"][shap["model"]]["threshold"]
    return [
        figures_explain.blocks(shap),
        figures_explain.features(shap),
        figures_explain.beeswarm(shap),
        figures_patients.waterfalls(shap, threshold, outcome),
    ]


def _cam_panels(cam: Cam, images: Mapping[str, CamImage], outcome: Outcome) -> list[Panel]:
    drawn = []
    if any(case["case_id"] in images for case in cam["cases"]):
        drawn.append(figures_cam.montage(cam, images, outcome))
    if any(one["enrichment"] is not None for case in cam["cases"] for one in case["mass"]):
        drawn.append(figures_cam.enrichment(cam, outcome))
    return drawn


def _context(evidence: Evidence, drawn: Mapping[str, Panel]) -> dict[str, Any]:
    models = evidence["models"]
    return {
        "e": evidence,
        "outcome": evidence.get("outcome", _DEFAULT_OUTCOME),
        "missing": evidence.get("missing", {}),
        "panels": drawn,
        "primary": models[evidence["primary"]],
        "validated": figures_model.validated(models),
        "stamps": verdict.stamps(evidence["banners"]),
        "warnings": verdict.warnings(evidence),
        "calibration_sentence": verdict.calibration_sentence,
        "recorded": lambda row, what: row["subjects"] - row.get("unrecorded", {}).get(what, 0),
        "sites": list(dict.fromkeys(site for row in evidence["table1"] for site in row["sites"])),
        "study_yaml": _yaml(evidence["study"]),
        "recipes_yaml": {
            name: _yaml(recipe)
            for name, recipe in evidence["provenance"].get("recipes", {}).items()
        },
        "method": pipeline_words(evidence["study"]),
        "threshold_rule": threshold_words(evidence["study"]),
        "css": Markup(style_sheet()),  # noqa: S704
    }


def _yaml(values: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(values))  # YAML knows no mapping but Python's own
    text: str = yaml.safe_dump(plain, allow_unicode=True, sort_keys=True)
    return text


def _digest(evidence: Evidence) -> str:
    try:
        return digest_of(evidence)
    except (TypeError, ValueError) as error:
        raise StudyError(
            f"the evidence is not plain JSON: {error}",
            "report",
            "give None and a note for what cannot be estimated",
        ) from error


def _refuse_trained_claim(evidence: Evidence, page: str) -> None:
    claim = _TRAINED_CLAIM.search(page)
    if claim and "Random network weights" in verdict.stamps(evidence["banners"]):
        raise StudyError(
            f"the report would say {claim[0]!r}, but the network's weights are random",
            "report",
            "remove the words from the study's title, settings, banners or limits",
        )
