"""A hospital's features at the coordinating centre, through the verbs of the command line."""

from __future__ import annotations

from .conftest import radlas


def test_features_travel_and_images_stay(study_store, recipe, tmp_path):
    said = radlas("export", tmp_path / "a.zip", "--store", study_store)
    assert said.code == 2
    assert "images are never exported" in said.err
    words = ("--store", study_store, "--features-only", "--snapshot", "first")
    said = radlas("export", tmp_path / "a.zip", *words)
    assert said.code == 0, said.err
    assert "next, where it goes: radlas merge a.zip" in said.out

    there = tmp_path / "centre"
    assert radlas("init", there).code == 0
    assert radlas("merge", tmp_path / "a.zip", "--store", there, "--json").code == 0
    again = radlas("merge", tmp_path / "a.zip", "--store", there, "--json").data
    assert {one["new"] for one in again["rows"].values()} == {0}
    sql = "select roi, image_type, count(*) n, min(row_digest) d from radiomics"
    sql += " group by all order by all"
    answers = [
        radlas("query", "--store", store, sql, "--format", "json").data
        for store in (study_store, there)
    ]
    assert answers[0] == answers[1]
    assert radlas("verify", "--store", there).code == 0
    said = radlas("extract", "--store", there, "--config", recipe)
    assert said.code == 2
    assert "no case whose images are here" in said.err
    looked = radlas("qc", "--store", there, "--out", tmp_path / "qc.html", "--json")
    assert (looked.code, looked.data["damaged"], looked.data["elsewhere"]) == (0, 0, 18)


def test_features_that_come_home_hide_no_image(own_store, recipe, tmp_path):
    """A case whose volume is here is here, whoever else sent its rows."""
    words = ("--store", own_store, "--features-only")
    assert radlas("export", tmp_path / "a.zip", *words).code == 0
    assert radlas("merge", tmp_path / "a.zip", "--store", own_store).code == 0
    said = radlas("extract", "--store", own_store, "--config", recipe, "--engine", "serial")
    assert (said.code, said.err) == (0, "")
    chunk = next(path for path in (own_store / "volumes").rglob("c/0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[:-4] + b"oops")
    assert radlas("verify", "--store", own_store).code == 1


def test_a_snapshot_is_exported_to_a_folder_that_another_site_opens(study_store, recipe, tmp_path):
    for name, told in (
        ("v1.2", "where it goes: radlas snapshot verify first@1 --store v1.2\n"),
        ("a.zip", "unzip a.zip -d a; radlas snapshot verify first@1 --store a\n"),
    ):
        said = radlas("snapshot", "export", "first", tmp_path / name, "--store", study_store)
        assert told in said.out
    said = radlas("snapshot", "export", "first", tmp_path / "out", "--store", study_store)
    assert said.code == 0, said.err
    assert "no image, no mask, no site key" in said.out
    here = radlas("snapshot", "show", "first", "--store", study_store, "--json").data
    there = radlas("snapshot", "show", "first@1", "--store", tmp_path / "out", "--json").data
    assert there["id"] == here["id"]
    verified = radlas("snapshot", "verify", "first", "--store", tmp_path / "out")
    assert verified.code == 0, verified.err
    said = radlas("extract", "--store", tmp_path / "out", "--config", recipe, "--engine", "serial")
    assert said.code == 2
    assert "no case whose images are here" in said.err
