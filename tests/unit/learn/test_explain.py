from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import norm

from radlas.errors import StudyError
from radlas.learn.explain import (
    block_shares,
    deep_head,
    deep_parts,
    explain,
    families,
    group_shares,
    profile,
    scored_parts,
)
from radlas.learn.fit import fit_model


@pytest.fixture(scope="module")
def background(cohort) -> pd.DataFrame:
    """More than 100 rows: shap's default would silently take 100 of them."""
    again = cohort.X + 0.0
    again.index = [f"{name}-b" for name in again.index]
    again *= 1.1
    return pd.concat([cohort.X, again])


@pytest.fixture(scope="module")
def explanation(fitted, external, background):
    return explain(fitted, fitted.inputs(external.X), fitted.inputs(background))


def test_contributions_equal_the_closed_form(fitted, external, background, explanation):
    """For a linear model: coefficient times distance to the background's mean."""
    prepare, lasso = fitted.pipeline[:-1], fitted.pipeline["lasso"]
    mean = prepare.transform(background[list(fitted.columns)]).mean()
    expected = (prepare.transform(external.X[list(fitted.columns)]) - mean) * lasso.coef_[0]
    np.testing.assert_allclose(explanation.values, expected, atol=1e-12)


def test_contributions_and_base_add_up_to_the_logit(fitted, external, explanation):
    total = explanation.base + explanation.values.sum(axis=1)
    np.testing.assert_allclose(total, logit(fitted.risk(external.X)), atol=1e-9)
    np.testing.assert_allclose(total, explanation.logit, atol=1e-9)


def test_block_sums_add_up_for_every_patient_and_shares_to_one(explanation):
    found = block_shares(explanation)
    assert sum(found["share"].values()) == pytest.approx(1, abs=1e-12)
    for row in found["rows"]:
        total = found["base"] + sum(row["blocks"].values())
        assert total == pytest.approx(row["logit"], abs=1e-9)


def test_a_model_without_coefficients_has_no_shares_and_says_so(explanation):
    nothing = replace(explanation, values=explanation.values * 0.0)
    found = block_shares(nothing)
    assert set(found["share"].values()) == {None}
    assert "no feature contributes" in found["note"]


def test_the_deep_head_equals_the_pipelines_deep_partial_score(fitted, external):
    weights, bias = deep_head(fitted, width=30)
    raw = external.X[[f"whole__layer4__{i:03d}" for i in range(30)]].to_numpy()
    table = fitted.signature[fitted.signature["block"] == "deep"]
    assert len(table) > 0
    scaled = (external.X[table["feature"]] - table["mean"].to_numpy()) / table["scale"].to_numpy()
    expected = scaled.to_numpy() @ table["coefficient"].to_numpy()
    np.testing.assert_allclose(raw @ weights + bias, expected, atol=1e-9)


def test_moving_a_deep_feature_moves_head_and_model_alike(fitted, external):
    weights, _ = deep_head(fitted, width=30)
    place = int(np.abs(weights).argmax())
    moved = external.X.copy()
    moved[f"whole__layer4__{place:03d}"] += 0.01
    change = logit(fitted.risk(moved)) - logit(fitted.risk(external.X))
    np.testing.assert_allclose(change, 0.01 * weights[place], atol=1e-9)


def test_a_model_without_deep_features_has_no_head(cohort, study):
    single = study.model_copy(update={"splits": study.splits.model_copy(update={"repeats": 1})})
    plain = fit_model(
        cohort.X,
        cohort.y,
        subjects=cohort.subjects,
        centres=cohort.centres,
        study=single,
        model="intratumoral",
    )
    with pytest.raises(StudyError, match="takes no deep features"):
        deep_head(plain)


def test_the_whole_image_comes_first_of_the_regions_of_a_network():
    columns = [
        *("ring_0_10__layer4__000", "whole__layer4__000", "tumour__layer3__000"),
        *("whole__layer3__000", "whole__layer3__001", "tumour__original__glcm_F"),
    ]
    assert deep_parts(SimpleNamespace(columns=columns)) == [
        ("whole", "layer3"),
        ("whole", "layer4"),
        ("ring_0_10", "layer4"),
        ("tumour", "layer3"),
    ]


def test_only_parts_that_the_signature_holds_have_a_map():
    """A model may be offered the whole image and score by a box alone; or by no network at all."""
    offered = ["tumour__original__glcm_F", "whole__layer4__000", "roi_box__layer4__007"]
    for chosen, parts in (
        (offered, [("whole", "layer4"), ("roi_box", "layer4")]),
        (offered[::2], [("roi_box", "layer4")]),
        (offered[:1], []),
    ):
        table = pd.DataFrame({"feature": [*chosen, "(intercept)"]})
        assert scored_parts(SimpleNamespace(columns=offered, signature=table)) == parts


@pytest.mark.parametrize(
    ("wish", "told"), [({"region": "tumour"}, " of tumour"), ({"layer": "layer3"}, "")]
)
def test_a_head_of_what_a_model_does_not_take_is_refused_with_what_it_does(fitted, wish, told):
    with pytest.raises(StudyError) as caught:
        deep_head(fitted, width=30, **wish)
    assert caught.value.what == f"the model takes no deep features{told}"
    assert caught.value.hint == "name one of: whole at layer4"


def test_a_head_narrower_than_the_features_is_refused(fitted):
    with pytest.raises(StudyError, match="beyond the width 1"):
        deep_head(fitted, width=1)


def test_groups_share_what_the_score_moves_and_hold_their_intervals(explanation):
    found = group_shares(explanation, families(explanation.blocks, explanation.blocks))
    assert sum(row["share"] for row in found) == pytest.approx(1)
    assert {"glcm", "deep"} == {row["group"] for row in found}
    assert all(row["low"] <= row["share"] <= row["high"] for row in found)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_of_a_share_is_as_wide_as_the_delta_method_makes_it(explanation, alpha):
    """A share is a ratio of means over patients, of whom each tells its size less the share's."""
    groups = families(explanation.blocks, explanation.blocks)
    size = explanation.values.T.groupby(pd.Series(groups)).sum().T.abs()
    total = size.sum(axis=1)
    for row in group_shares(explanation, groups, alpha=alpha):
        assert row["share"] == pytest.approx(size[row["group"]].mean() / total.mean())
        error = (size[row["group"]] - row["share"] * total).std(ddof=0) / total.mean()
        reach = norm.isf(alpha / 2) * error / np.sqrt(len(size))
        wide = row["share"] - row["low"], row["high"] - row["share"]
        assert wide == pytest.approx((reach, reach), rel=0.2)


def test_a_model_of_which_nothing_contributes_has_no_shares_of_groups(explanation):
    nothing = replace(explanation, values=explanation.values * 0.0)
    assert group_shares(nothing, families(explanation.blocks, explanation.blocks)) == []


def test_the_profile_knows_no_unit_and_no_feature_that_contributes_nowhere(explanation):
    other = replace(explanation, values=explanation.values**2)
    plain = profile(explanation, other)
    small = [replace(one, values=one.values.assign(a=0.0) * 1e-6) for one in (explanation, other)]
    assert profile(*small) == pytest.approx(plain)
    two = explanation.values.iloc[:, :2]
    none, some = (replace(explanation, values=two.assign(a=size)) for size in (0.0, 1e-6))
    assert profile(none, none) is None
    assert profile(none, some) == profile(some, none) is not None


def test_the_profile_is_1_against_itself_and_falls_when_other_features_drive(explanation):
    assert profile(explanation, explanation) == pytest.approx(1)
    size = explanation.values.abs().mean()
    order = size.sort_values().index
    turned = explanation.values.copy()
    turned[order] = explanation.values[order[::-1]].to_numpy()
    assert profile(explanation, replace(explanation, values=turned)) < 0.5
