"""The catalogue of features: whole, defined in words of its own, coded as IBSI codes them."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from radiomics import featureextractor
from typer.testing import CliRunner

from radlas.catalogue import BY_NAME, FAMILIES, FEATURES, IBSI_FEATURES
from radlas.cli import app

# Features of each family of the manual (arXiv 1612.07003v11) that have a consensus value; two of
# the histogram bear PyRadiomics' names, firstorder_Entropy and firstorder_Uniformity.
IBSI_COUNTS = {
    "shape": 25,
    "localintensity": 2,
    "firstorder": 18 + 2,
    "histogram": 23 - 2,
    "ivh": 6,
    "glcm": 25 - 2,
    "glrlm": 16,
    "glszm": 16,
    "gldzm": 16,
    "ngtdm": 5,
    "gldm": 17,
}


def test_every_feature_of_pyradiomics_is_there_once_and_no_other():
    classes = featureextractor.getFeatureClasses()
    upstream = {
        f"{family}_{name}"
        for family, one in classes.items()
        if family in FAMILIES
        for name, deprecated in one.getFeatureNames().items()
        if not deprecated
    }
    assert {one.name for one in FEATURES} == upstream
    assert len(FEATURES) == 107


def test_the_features_of_ibsi_come_on_top_and_stand_apart():
    assert len(IBSI_FEATURES) == 65
    assert {one.name for one in IBSI_FEATURES}.isdisjoint(one.name for one in FEATURES)
    assert set(BY_NAME.values()) == {*FEATURES, *IBSI_FEATURES}
    assert all(BY_NAME[one.name] is one for one in FEATURES + IBSI_FEATURES)
    assert all(one.ibsi for one in IBSI_FEATURES)


def test_both_tables_have_every_feature_of_the_manual():
    """Of co-occurrence it has two pairs of one definition: dissimilarity and sum variance."""
    coded = Counter(one.family for one in BY_NAME.values() if one.ibsi)
    assert coded == IBSI_COUNTS


def test_families_are_described_and_stay_together():
    assert list(FAMILIES) == list(dict.fromkeys(one.family for one in BY_NAME.values()))
    starts = [family for family, _ in itertools.groupby(one.family for one in BY_NAME.values())]
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize("feature", BY_NAME.values(), ids=lambda one: one.name)
def test_each_is_one_sentence_with_a_unit(feature):
    assert re.fullmatch(r"[A-Z][^|]*(?:\.|\[bit\]\.)", feature.definition)
    assert feature.unit in {"1", "mm", "mm2", "mm3", "1/mm"}
    assert re.fullmatch(r"[A-Z0-9]{4}|", feature.ibsi)


def test_a_code_names_one_feature_only():
    codes = [one.ibsi for one in BY_NAME.values() if one.ibsi]
    assert len(codes) == len(set(codes)) == 102 + 65


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

    told = [line.split()[0].rstrip(":") for line in say().stdout.splitlines()]
    assert {one.name for one in FEATURES} <= set(told) <= {*BY_NAME, *FAMILIES}
    assert len(say("ngtdm").stdout.splitlines()) == 6
    assert "IBSI RNU0" in say("MeshVolume").stdout
    assert "by N in profile pyradiomics, by N-1 in profile ibsi" in say("LeastAxis").stdout
    assert say("nonsense").exit_code == 2
