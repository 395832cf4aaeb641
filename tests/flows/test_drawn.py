"""Whose outlines are taken where several readers drew: those of the one that is named, or none."""

from __future__ import annotations

import numpy as np
import pytest

from radlas.errors import DataError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor, recipe
from radlas.flows.cases.drawn import drawn_rois
from radlas.model import Roi


def roi(name, reader):
    return Roi(name, np.ones((1, 1, 1), bool), "image", reader=reader)


TWO = (roi("tumour", "r1"), roi("edema", "r1"), roi("tumour", "r2"))


def taken(name, outlines=TWO, **settings):
    found = drawn_rois(outlines, make_extractor(EXTRACTORS, name, settings))
    return {one.name: one.reader for one in found.values()}


@pytest.mark.parametrize("region", ["roi_box", "ring_box"])
def test_a_box_around_the_tumour_is_made_of_the_named_readers_outline(region):
    assert taken("deep", regions=["whole", region], reader="r2") == {"tumour": "r2"}
    with pytest.raises(DataError, match="several readers drew the same ROI") as caught:
        taken("deep", regions=[region])
    assert caught.value.reason == "ambiguous_roi"
    with pytest.raises(DataError, match="no mask of reader r3"):
        taken("deep", regions=[region], reader="r3")


def test_the_whole_image_does_not_mind_who_drew():
    assert taken("deep") == {"edema": "r1"}
    assert taken("deep", reader="r3") == {}


def test_only_what_an_extractor_looks_at_has_to_be_of_one_reader():
    rois = (roi("tumour", "r1"), roi("nodes", "r1"), roi("nodes", "r2"))
    assert taken("radiomics", rois) == {"tumour": "r1"}
    with pytest.raises(DataError, match="several readers drew"):
        taken("radiomics", rois, rois=["tumour", "nodes"])
    with pytest.raises(DataError, match="several readers drew"):
        taken("radiomics", rois, ring_excludes=["nodes"])


def test_a_feature_set_made_before_a_reader_could_be_named_keeps_its_name():
    one, named = (make_extractor(EXTRACTORS, "deep", {"reader": name}) for name in ("", "r1"))
    assert "reader" not in recipe("deep", one)["settings"]
    assert recipe("deep", named)["settings"]["reader"] == "r1"
    assert feature_set_name("deep", one) != feature_set_name("deep", named)
