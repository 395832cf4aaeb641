"""A hospital's features at the coordinating centre, through the verbs of the command line."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

from radlas.store import delta
from radlas.store.layout import open_store

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
    said = radlas("verify", "--store", there)
    whole = "everything reads as it was committed; the images of 18 cases are not in it\n"
    assert (said.code, said.out) == (0, whole), "nor does anybody take them for read"
    said = radlas("extract", "--store", there, "--config", recipe)
    assert said.code == 2
    assert "no case whose images are here" in said.err
    looked = radlas("qc", "--store", there, "--out", tmp_path / "qc.html", "--json")
    assert (looked.code, looked.data["damaged"], looked.data["elsewhere"]) == (0, 0, 18)


def test_status_tells_of_a_merge_that_was_killed_until_it_is_repeated(
    study_store, tmp_path, monkeypatch
):
    """It said that no exam was in the store yet, and listed those of the merge below."""
    words = ("--store", study_store, "--features-only")
    assert radlas("export", tmp_path / "a.zip", *words).code == 0
    there = tmp_path / "centre"
    radlas("init", there)
    append = delta.Appender.append

    def killed(appender, name, rows):
        if name == "radiomics":
            raise KeyboardInterrupt
        return append(appender, name, rows)

    with monkeypatch.context() as patch:
        patch.setattr(delta.Appender, "append", killed)
        assert radlas("merge", tmp_path / "a.zip", "--store", there).code == 130
    said = radlas("status", "--store", there).out
    theirs = open_store(study_store).store_id
    assert f"a merge of store {theirs[:8]} has not ended" in said
    assert "no exam in it yet" not in said
    assert radlas("merge", tmp_path / "a.zip", "--store", there).code == 0
    assert radlas("status", "--store", there, "--json").data["unfinished_merges"] == []
    assert "has not ended" not in radlas("status", "--store", there).out


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


def withdrawal() -> list[str]:
    """The commands by which a page makes a store without a patient."""
    text = (Path(__file__).parents[2] / "docs/store.md").read_text(encoding="utf-8")
    chapter = text.partition("## When a patient withdraws")[2]
    return re.search(r"```sh\n(.*?)```", chapter, re.DOTALL)[1].splitlines()


def bytes_told(store: Path) -> bytes:
    """Every byte of a store's files, and of what its Parquet files hold unpacked."""
    told = b""
    for path in sorted(one for one in store.rglob("*") if one.is_file()):
        told += str(path).encode() + path.read_bytes()
        if path.suffix == ".parquet":
            told += str(pq.read_table(path).to_pylist()).encode()
    return told


def test_who_withdraws_is_in_no_byte_of_the_second_store(
    study_store, cohort, recipe, tmp_path, monkeypatch
):
    """As the page tells it: nothing is read or computed again, and the next ingest adds none."""
    rows = delta.read(open_store(study_store), "cases", ["case_id", "subject_id", "centre"])
    gone = next(row for row in rows.to_pylist() if row["centre"] == "centre-a")
    case, subject = gone["case_id"], gone["subject_id"]
    (who,) = radlas("whois", subject, "--store", study_store, "--json").data["found"]
    first, second = tmp_path / "sarcoma", tmp_path / "sarcoma-2"
    shutil.copytree(study_store, first)
    for ending in (".key", ".sources.json"):
        shutil.copy(f"{study_store}{ending}", f"{first}{ending}")
    monkeypatch.setenv("RADLAS_STORE", str(first))
    monkeypatch.chdir(tmp_path)
    theirs = {"0f3a04573db34e98c01ec2ba017a3415": subject, "STS_005": who["subject"]}
    theirs |= {"volumes/42/": f"volumes/{case[:2]}/", "42d0153671e2e2f9958ea38304308540": case}
    for line in withdrawal():
        for mine, other in ({"/data/": f"{tmp_path}/"} | theirs).items():
            line = line.replace(mine, other)  # noqa: PLW2901 - the same line, of this patient
        tool, *words = shlex.split(line, comments=True)
        if tool == "radlas":
            said = radlas(*words)
            assert said.code == 0, said.out + said.err
        else:
            subprocess.run([tool, *words], check=True)
    assert said.out == "everything reads as it was committed\n"
    volume = next((second / "volumes").glob("*/*.zarr"))
    volume.rename(tmp_path / "not copied")
    assert radlas("verify", "--store", second, "--json").data == {"damage": [], "elsewhere": 1}
    (tmp_path / "not copied").rename(volume)
    sources = tmp_path / "centre-a"
    shutil.copytree(cohort / "centre-a", sources, ignore=lambda *_: [who["subject"]])
    words = ("--centre", "centre-a", "--importer", "tcia-sts", "--store", second, "--dry-run")
    assert "ingest would run 0 tasks" in radlas("ingest", sources, *words).out
    told = radlas("extract", "--store", second, "--config", recipe, "--dry-run").out
    assert "extract would run 0 tasks" in told
    here = bytes_told(second)
    assert subject.encode() in bytes_told(first)
    assert not any(one.encode() in here for one in (subject, case, who["subject"]))
