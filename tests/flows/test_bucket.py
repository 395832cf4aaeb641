"""A study in a bucket is the study it would be in a folder."""

from __future__ import annotations

from radlas.places.place import open_place

from .conftest import radlas

LIGHT = """
extractors:
  radiomics: {feature_classes: [firstorder], in_plane_spacing: 2, rois: [tumour], rings: [[0, 10]]}
"""


def study(cohort, place, recipe):
    """One centre's exams, from files to a verified snapshot; its identity."""
    here = ("--store", place)
    options = ("--centre", "centre-c", "--importer", "nifti", "--engine", "serial")
    for words in (
        ("init", place, "--key", cohort / "site.key"),
        ("ingest", cohort / "centre-c", *here, *options),
        ("extract", *here, "--config", recipe, "--engine", "serial"),
        ("snapshot", "create", "x", *here),
        ("verify", *here),
    ):
        said = radlas(*words)
        assert said.code == 0, said.out + said.err
    before = stored(place)
    assert radlas("ingest", cohort / "centre-c", *here, *options).code == 0
    assert radlas("extract", *here, "--config", recipe, "--engine", "serial").code == 0
    assert stored(place) == before, "a second identical run writes no byte"
    return radlas("snapshot", "show", "x", *here, "--json").data["id"]


def stored(address):
    """Every file of a store and its digest; locks say who was here last."""
    place = open_place(address)
    names = [name for name in place.names() if "lock" not in name]
    return {name: place.sha256(name) for name in names}


def test_a_bucket_and_a_folder_give_the_same_snapshot(cohort, bucket, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(LIGHT)
    assert study(cohort, bucket, recipe) == study(cohort, tmp_path / "store", recipe)
    sql = ("query", "select count(*) n from radiomics", "--format", "json")
    assert radlas(*sql, "--store", bucket).data == [{"n": 12}]
