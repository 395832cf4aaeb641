"""The catalogue of features: whole, defined in words of its own, coded as IBSI codes them."""

from __future__ import annotations

import re

import pytest
from radiomics import featureextractor
from typer.testing import CliRunner

from radlas.catalogue import BY_NAME, FAMILIES, FEATURES
from radlas.cli import app


def test_every_feature_of_pyradiomics_is_there_once_and_no_other():
    classes = featureextractor.getFeatureClasses()
    upstream = {
        f"{family}_{name}"
        for family, one in classes.items()
        if family in FAMILIES
        for name, deprecated in one.getFeatureNames().items()
        if not deprecated
    }
    assert set(BY_NAME) == upstream
    assert len(FEATURES) == len(BY_NAME) == 107


@pytest.mark.parametrize("feature", FEATURES, ids=lambda one: one.name)
def test_each_is_one_sentence_with_a_unit(feature):
    assert re.fullmatch(r"[A-Z][^|]*(?:\.|\[bit\]\.)", feature.definition)
    assert feature.unit in {"1", "mm", "mm2", "mm3", "1/mm"}
    assert re.fullmatch(r"[A-Z0-9]{4}|", feature.ibsi)


def test_a_code_names_one_feature_only():
    codes = [one.ibsi for one in FEATURES if one.ibsi]
    assert len(codes) == len(set(codes)) == 102


def test_the_features_that_differ_from_ibsi_say_how():
    """Those that miss the digital phantom's consensus, and the third axis with them."""
    told = {one.name for one in FEATURES if one.remark}
    assert told == {
        "firstorder_Kurtosis",
        "shape_LeastAxisLength",
        "shape_MajorAxisLength",
        "shape_MinorAxisLength",
    }


def test_the_command_describes_a_family_a_feature_or_what_is_like_it():
    def say(*words):
        return CliRunner().invoke(app, ["features", "describe", *words])

    assert len(say().stdout.splitlines()) == 107 + len(FAMILIES)
    assert len(say("ngtdm").stdout.splitlines()) == 6
    assert "IBSI RNU0" in say("MeshVolume").stdout
    assert say("nonsense").exit_code == 2
