"""Figures draw what the evidence says: every curve, interval, dot, bar and outline of it.

A table beside a figure tells the same numbers, and a reader looks at the figure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from radlas.report.figures import cam, explain, model, patients, validation
from radlas.report.figures.ground import NEGATIVE, POSITIVE, Panel

from .fixture import interval, make_evidence, make_images

OUTCOME = {"positive": "high grade", "negative": "low grade"}
PRIMARY = "DLR"


@pytest.fixture
def axes_of(painted) -> Callable[..., list[Any]]:
    """The axes that a figure is painted on."""

    def axes(figure: Callable[..., Panel], *told: Any) -> list[Any]:
        painted.clear()
        figure(*told)
        (made,) = painted.values()
        return made.axes

    return axes


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Each has curves of its own, and one no interval outside."""
    models, rng = make_evidence()["models"], np.random.default_rng(1)
    x = np.linspace(0.05, 0.9, 8)
    for one in models.values():
        y = np.sort(rng.uniform(0, 1, (4, 8)), axis=1)
        band = {"x": x.tolist(), "y": y[0].tolist()}
        band |= {"low": (y[0] - 0.1).tolist(), "high": (y[0] + 0.2).tolist()}
        one["external"] |= {
            "curve": band,
            "decision": {"model": {**band, "y": y[1].tolist()}, "all": (0.5 - x).tolist()},
            "precision_recall": np.column_stack([y[2], y[3, ::-1]]).tolist(),
            "average_precision": interval(0.8, 0.1),
        }
    models["DLR"]["training"]["auc_pooled"] = interval(0.77, 0.05)
    bare = next(one for name, one in models.items() if name != PRIMARY)
    bare["external"]["auc"] |= {"low": None, "high": None}
    return models


def test_names_of_many_models_do_not_lie_on_their_curves(axes_of, models):
    """Of twenty they hid most of what is drawn; of few they find a place beside it."""
    for many in (3, 20):
        shown = {f"{number}": models[PRIMARY] for number in range(many)}
        curves = axes_of(model.roc, shown, "0")[0]
        names = curves.get_legend()
        assert len(names.get_texts()) == many
        inside = names.get_window_extent().y1 > curves.get_window_extent().y0
        assert inside == (many == 3)


def drawn_as(axes: Any, points: Any) -> list[Any]:
    """Lines through just these points."""
    wanted = np.asarray(points, dtype=float)
    lines = [(one, np.column_stack(one.get_data())) for one in axes.lines]
    return [one for one, at in lines if at.shape == wanted.shape and np.allclose(at, wanted)]


def intervals(axes: Any) -> dict[float, tuple[float | None, ...]]:
    """By height: an estimate and the ends of its line."""
    dots, ends = {}, {}
    for line in axes.lines:
        x, y = map(np.asarray, line.get_data())
        if len(x) == 1:
            dots[float(y[0])] = float(x[0])
        elif len(x) == 2 and y[0] == y[1]:
            ends[float(y[0])] = (float(x[0]), float(x[1]))
    assert ends.keys() <= dots.keys()
    return {y: (dot, *ends.get(y, (None, None))) for y, dot in dots.items()}


def told(area: dict[str, Any]) -> tuple[float | None, ...]:
    return area["estimate"], area["low"], area["high"]


def test_the_legend_of_blocks_lies_on_no_bar(axes_of):
    """A long name hid the shortest bars, which end where the corner was free."""
    shap = copy.deepcopy(make_evidence()["shap"])
    for one in (*shap["features"], *shap["blocks"]):
        one["block"] = f"{one['block']} of all that was drawn, and of what lies around"
    (axes,) = axes_of(explain.features, shap)
    legend = axes.get_legend()
    axes.figure.draw_without_rendering()
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1
    assert all(len(text.get_text()) <= 30 for text in legend.get_texts())


def test_roc_curves_thresholds_and_both_areas_of_each_model(axes_of, models):
    curves, areas = axes_of(model.roc, models, PRIMARY)
    found = intervals(areas)
    for place, one in enumerate(models.values()):
        outside = one["external"]
        assert drawn_as(curves, outside["roc"])
        sensitivity, specificity = (outside[n]["estimate"] for n in ("sensitivity", "specificity"))
        assert drawn_as(curves, [[1 - specificity, sensitivity]])
        training, external = (
            found.pop(y) for y in sorted(found, reverse=True) if round(y) == place
        )
        assert (training, external) == (told(one["training"]["auc_pooled"]), told(outside["auc"]))
    assert not found
    assert areas.get_ylim()[0] > areas.get_ylim()[1], "the first is on top"


def test_areas_of_models_and_of_controls(axes_of, models):
    rows = [
        {"control": "volume", "training": interval(0.6, 0.1), "external": interval(0.55, 0.2)},
        {"control": "permuted", "training": interval(0.5, 0.1), "external": None},
    ]
    (axes,) = axes_of(validation.controls, models, {"rows": rows}, PRIMARY)
    found = intervals(axes)
    pairs = [(one["training"]["auc_pooled"], one["external"]["auc"]) for one in models.values()]
    pairs += [(one["training"], one["external"]) for one in rows]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [*models, "volume", "permuted"]
    for place, pair in enumerate(pairs):
        here = [found[y] for y in sorted(found, reverse=True) if round(y) == place]
        assert here == [told(area) for area in pair if area]


def test_subgroups_with_their_names_and_numbers(axes_of):
    rows = make_evidence()["subgroups"]
    axes, beside = axes_of(model.forest, rows, PRIMARY, interval(0.8, 0.1))
    found = intervals(axes)
    assert found == {float(y): told(one["auc"]) for y, one in enumerate(rows) if one["auc"]}
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"{one['variable']}: {one['level']}" for one in rows]
    assert any(list(line.get_xdata()) == [0.8, 0.8] for line in axes.lines), "all patients"
    counts = {text.get_position(): text.get_text() for text in beside.texts}
    for y, one in enumerate(rows):
        assert counts[1, y] == f"{one['positives']} / {one['n'] - one['positives']}"


def test_each_patients_risk_in_the_column_of_its_class(axes_of, models):
    for axes, one in zip(axes_of(model.risks, models, OUTCOME), models.values(), strict=True):
        for label, cloud in enumerate(axes.collections):
            x, y = cloud.get_offsets().T
            mine = [row["risk"] for row in one["external"]["risks"] if row["label"] == label]
            np.testing.assert_allclose(y, mine)
            assert (np.round(x) == label).all()
            assert drawn_as(
                axes, [[label - 0.28, np.median(mine)], [label + 0.28, np.median(mine)]]
            )
        assert drawn_as(axes, [[0, one["threshold"]], [1, one["threshold"]]])


def test_calibration_curves_the_primarys_band_and_its_patients(axes_of, models):
    axes, below = axes_of(validation.calibration, models, PRIMARY)
    for one in models.values():
        curve = one["external"]["curve"]
        assert drawn_as(axes, np.column_stack([curve["x"], curve["y"]]))
    mine = models[PRIMARY]["external"]
    (band,) = axes.collections
    (path,) = band.get_paths()
    edges = {tuple(at) for at in path.vertices.round(9)}
    for end in ("low", "high"):
        wanted = np.column_stack([mine["curve"]["x"], mine["curve"][end]]).round(9)
        assert set(map(tuple, wanted)) <= edges
    for spikes, sign, label in zip(below.collections, (1, -1), (1, 0), strict=True):
        risks = [row["risk"] for row in mine["risks"] if row["label"] == label]
        heights = {float(one[0, 0]): one[1, 1] * sign for one in spikes.get_segments()}
        assert sum(heights.values()) == len(risks)
        for at, height in heights.items():
            assert height == sum(abs(risk - at) <= 1 / 80 for risk in risks)


def test_a_primary_model_without_a_curve_keeps_its_patients_below_the_others(axes_of, models):
    """One risk for all has no curve; those drawn below were another model's patients."""
    flat = copy.deepcopy(models)
    mine = flat[PRIMARY]["external"]
    mine["curve"] = None
    for row in mine["risks"]:
        row["risk"] = 0.51
    _, below = axes_of(validation.calibration, flat, PRIMARY)
    for spikes in below.collections:
        assert {float(one[0, 0]) for one in spikes.get_segments() if one[1, 1]} == {0.5125}
    assert "It has one risk for all: no curve." in validation.calibration(flat, PRIMARY).caption
    assert "no curve" not in validation.calibration(models, PRIMARY).caption


def test_net_benefits_of_models_of_all_and_of_nobody(axes_of, models):
    (axes,) = axes_of(validation.decisions, models, PRIMARY)
    for one in models.values():
        found = one["external"]["decision"]
        assert drawn_as(axes, np.column_stack([found["model"]["x"], found["model"]["y"]]))
        assert drawn_as(axes, np.column_stack([found["model"]["x"], found["all"]]))
    assert drawn_as(axes, [[0, 0], [1, 0]])


def test_precisions_at_each_recall_and_the_prevalence(axes_of, models):
    (axes,) = axes_of(validation.precision, models, PRIMARY)
    for one in models.values():
        (line,) = drawn_as(axes, one["external"]["precision_recall"])
        assert line.get_drawstyle() == "steps-pre"
    share = 14 / 24
    assert drawn_as(axes, [[0, share], [1, share]])


def test_a_block_that_moves_the_score_a_little_is_not_told_as_none(axes_of):
    """Nor the other as all: 0.996 and 0.004 stood as 100 % and 0 %."""
    shap = copy.deepcopy(make_evidence()["shap"])
    for one, share in zip(shap["blocks"], (0.996, 0.004, 0.0), strict=True):
        one["share"] = share
    (axes,) = axes_of(explain.blocks, shap)
    assert [text.get_text() for text in axes.texts] == ["> 99 %", "< 1 %", "0 %"]


def test_what_moves_the_score_and_every_patients_share_of_it(axes_of):
    shap = make_evidence()["shap"]
    strength = {one["feature"]: one["mean_abs"] for one in shap["features"]}
    ranked = sorted(strength, key=lambda name: -strength[name])[: explain.TOP]
    (axes,) = axes_of(explain.features, shap)
    bars = [bar.get_width() for bar in axes.patches if bar.get_height() > 0.5 and bar.get_width()]
    np.testing.assert_allclose(bars, [strength[name] for name in ranked])
    (axes,) = axes_of(explain.blocks, shap)
    assert [bar.get_width() for bar in axes.patches] == [one["share"] for one in shap["blocks"]]
    axes, _ = axes_of(explain.beeswarm, shap)
    phi, x, names = explain.matrices(shap)
    for row, (cloud, name) in enumerate(zip(axes.collections, ranked, strict=True)):
        column = names.index(name)
        at = cloud.get_offsets()
        np.testing.assert_allclose(at[:, 0], phi[:, column])
        np.testing.assert_allclose(cloud.get_array(), x[:, column])
        assert (np.abs(at[:, 1] - row) <= 0.4).all(), "no dot in another's row"


def test_steps_of_a_patient_lead_from_the_mean_score_to_its_own(axes_of):
    shap = make_evidence()["shap"]
    phi, _, _ = explain.matrices(shap)
    logits = shap["base"] + phi.sum(axis=1)
    panels = axes_of(patients.waterfalls, shap, 0.5, OUTCOME)
    chosen = [logits.argmax(), np.abs(logits).argmin(), logits.argmin()]
    for axes, case in zip(panels, chosen, strict=True):
        at = shap["base"]
        for bar in axes.patches:
            assert bar.get_x() == pytest.approx(at)
            assert to_hex(bar.get_facecolor()) == (POSITIVE if bar.get_width() > 0 else NEGATIVE)
            at += bar.get_width()
        assert at == pytest.approx(logits[case])
        label = "positive" if shap["values"]["labels"][case] else "negative"
        title = axes.get_title(loc="right")
        assert title.endswith(f"risk {1 / (1 + np.exp(-logits[case])):.3f}, truly {OUTCOME[label]}")


def test_one_feature_beyond_the_steps_of_a_waterfall_is_told_in_the_singular():
    """As in a signature of ten features, where nine have a step of their own."""
    names = [(f"tumour__original__glcm_{i}", 1.0 + i) for i in range(patients.STEPS + 2)]
    last = [patients.one(0.0, names[-some:]).rows[-1] for some in (patients.STEPS + 1, len(names))]
    assert last == [("1 other feature", "+2.000"), ("2 other features", "+3.000")]


def test_enrichment_of_each_region_in_the_colour_of_its_class(axes_of):
    found = make_evidence()["cam"]
    (axes,) = axes_of(cam.enrichment, found, OUTCOME)
    regions = [one["region"] for one in found["cases"][0]["mass"]]
    for cloud in axes.collections:
        label = int(cloud.get_label() == OUTCOME["positive"])
        wanted = sorted(
            (regions.index(one["region"]), one["enrichment"])
            for case in found["cases"]
            for one in case["mass"]
            if case["label"] == label and one["enrichment"] is not None
        )
        at = sorted((round(float(y)), float(x)) for x, y in cloud.get_offsets())
        assert at == wanted
        assert to_hex(cloud.get_facecolor()[0]) == (POSITIVE if label else NEGATIVE)


def test_a_montage_shows_each_slice_its_map_and_its_outlines_in_mm(axes_of):
    evidence = make_evidence()
    found, images = evidence["cam"], make_images(evidence)
    for number, image in enumerate(images.values()):
        image["spacing_mm"], image["scale_max"] = (1.5, 0.8), 1.0 + number % 2
    pairs = axes_of(cam.montage, found, images, OUTCOME)
    for case, left, right in zip(found["cases"], pairs[::2], pairs[1::2], strict=False):
        image = images[case["case_id"]]
        rows, columns = image["image"].shape
        for axes in (left, right):
            np.testing.assert_array_equal(axes.images[0].get_array(), image["image"])
            assert {tuple(one.get_extent()) for one in axes.images} == {
                (0, columns * 0.8, rows * 1.5, 0)
            }
            outlines = [
                np.vstack([p.vertices for p in one.get_paths()]) for one in axes.collections
            ]
            for mask, outline in zip((image["ring"], image["tumour"]), outlines, strict=True):
                y, x = np.nonzero(mask)
                edges = [x.min() * 0.8, y.min() * 1.5, (x.max() + 1) * 0.8, (y.max() + 1) * 1.5]
                at = [*outline.min(axis=0), *outline.max(axis=0)]
                np.testing.assert_allclose(at, edges, atol=1e-6)
        np.testing.assert_allclose(right.images[1].get_array(), image["map"] / 2)
        (bar,) = left.lines
        assert np.ptp(bar.get_xdata()) == pytest.approx(20)
        truth = OUTCOME["positive" if case["label"] else "negative"]
        assert left.get_title().endswith(f": {truth}, risk {case['risk']:.2f}")


def test_a_montage_names_the_patients_sides_where_they_are_known(axes_of):
    evidence = make_evidence()
    found, images = evidence["cam"], make_images(evidence)
    first = found["cases"][0]["case_id"]
    assert "the patient's" not in cam.montage(found, images, OUTCOME).caption
    images[first]["sides"] = ("A", "H")
    left, _, other, *_ = axes_of(cam.montage, found, images, OUTCOME)
    at = {one.get_text(): one.get_position() for one in left.texts}
    assert (at["A"], at["H"]) == ((0.02, 0.5), (0.5, 0.98))
    assert [one.get_text() for one in other.texts] == ["2 cm"]
    assert " A, H: the patient's front, head." in cam.montage(found, images, OUTCOME).caption


def test_one_patients_map_has_colours_of_its_own_and_says_so():
    """Each patient's page spans its own map: the strongest colour of two pages is not one value."""
    evidence = make_evidence()
    found, images = evidence["cam"], make_images(evidence)
    assert "one colour scale for all patients" in cam.montage(found, images, OUTCOME).caption
    first = found["cases"][0]["case_id"]
    alone = cam.montage(found | {"cases": found["cases"][:1]}, {first: images[first]}, OUTCOME)
    assert "the colours span this patient's map alone" in alone.caption
    assert "all patients" not in alone.caption
    assert "Grad-CAM overlays of 1 patient: " in alone.picture
