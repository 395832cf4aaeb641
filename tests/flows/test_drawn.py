"""Whose outlines are taken where several readers drew: those of the one that is named, or none."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from radlas.digests import canonical_json, digest_of
from radlas.errors import DataError, StoreError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor, recipe
from radlas.flows.cases import extract_case
from radlas.flows.cases.drawn import drawn_rois
from radlas.geometry import Geometry
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.volumes.zarr import input_digests, read_record, volume_name, write_case

from .conftest import radlas


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
    assert caught.value.hint == "`reader: r1` in the recipe; there are: r1, r2"
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


def test_what_the_named_reader_did_not_draw_is_told_by_the_plan(cohort, tmp_path):
    """No row would miss it, and a ring that is to leave it out holds it."""
    source, store, recipe = (tmp_path / name for name in ("source", "store", "recipe.yaml"))
    source.mkdir()
    names = {"image": ["image"], "tumour": ["tumour_AB", "tumour_CD"], "edema": ["edema"]}
    here = sorted((cohort / "centre-c").rglob("*_edema.nii.gz"))[:2]
    for patient in (path.name.partition("_")[0] for path in here):
        for kind, copies in names.items():
            (file,) = (cohort / "centre-c").rglob(f"{patient}_{kind}.nii.gz")
            for name in copies:
                shutil.copy(file, source / f"{patient}_{name}.nii.gz")
    readers = tmp_path / "map.yaml"
    readers.write_text("readers: {r1: '_AB$', r2: '_CD$'}\n")
    assert radlas("init", store).code == 0
    into = ("--store", store, "--engine", "serial")
    how = ("--centre", "c", "--importer", "nifti", "--rois", readers)
    told = radlas("ingest", source, *into, *how)
    assert told.code == 0, told.out + told.err

    def planned(settings):
        recipe.write_text(f"extractors: {{radiomics: {{{settings}}}}}\n")
        said = radlas("extract", *into, "--config", recipe, "--dry-run")
        return [line for line in said.out.splitlines() if "passed over" in line]

    missed = ["  !! edema of 2 cases is passed over: not drawn by reader r1"]
    assert planned("reader: r1") == missed
    assert planned("reader: r1, rois: [tumour], ring_excludes: [edema]") == missed
    assert planned("reader: r1, rois: [tumour]") == []
    assert planned("rois: [tumour]") == []


def test_a_feature_set_made_before_a_reader_could_be_named_keeps_its_name():
    one, named = (make_extractor(EXTRACTORS, "deep", {"reader": name}) for name in ("", "r1"))
    assert "reader" not in recipe("deep", one)["settings"]
    assert recipe("deep", named)["settings"]["reader"] == "r1"
    assert feature_set_name("deep", one) != feature_set_name("deep", named)


def test_masks_that_nothing_looks_at_are_not_read(tmp_path):
    """The network that sees the whole image needs none, and a damaged one keeps it from nothing."""
    place, geometry = Folder(tmp_path), Geometry((2, 4, 4), np.eye(4))
    image = Volume(np.arange(32, dtype=np.int16).reshape(geometry.shape), geometry)
    write_case(place, "c1", image, [Roi("tumour", image.voxels > 9, "image")])
    (mask,) = (tmp_path / volume_name("c1") / "masks/tumour").rglob("c/*/*/*")
    mask.write_bytes(b"")

    def read(**settings: object):
        extractor = make_extractor(EXTRACTORS, "deep", settings)
        text = canonical_json(extractor.settings.model_dump(mode="json"))
        digest = digest_of(input_digests(read_record(place, "c1")))
        names = {"key": "", "centre": "a", "case_id": "c1", "subject_id": "s", "feature_set": "f"}
        names |= {"settings": text, "versions": canonical_json(dict(extractor.versions))}
        names |= {"extractor": "deep", "input_digest": digest, "store_id": "s"}
        task = extract_case.ExtractTask(**names, place=place)
        return extract_case._read(task)

    volume, rois = read()
    np.testing.assert_array_equal(volume.voxels, image.voxels)
    assert rois == {}
    with pytest.raises(StoreError):
        read(regions=["roi_box"])
