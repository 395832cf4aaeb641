"""The command line: messages a person sees, exit codes, JSON, help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from radlas.cli import app, data
from radlas.cli.app import SECTIONS
from radlas.doctor import examine

from .conftest import radlas


def commands(group, path=()):
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name), command
        yield from commands(command, (*path, name))


ALL = [words for words, command in commands(get_command(app)) if not hasattr(command, "commands")]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_says_what_it_does_in_one_line(words):
    said = radlas(*words, "--help")
    assert said.code == 0
    assert re.search(r"^  [A-Z].+", said.out, re.MULTILINE), said.out


@pytest.mark.parametrize("group", sorted({words[:-1] for words in ALL}), ids=" ".join)
def test_no_line_of_a_list_of_commands_is_cut_short(group):
    said = radlas(*group, "--help")
    assert "..." not in said.out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("retrain", "--once .*Required: one round"),  # it was told as a choice, and refused without
        ("pretrain", r"--out .*\[YAML's\]"),
        ("pretrain", r"--steps .*\[YAML's\]"),
        ("pretrain", "--store .*instead of the YAML's"),
    ],
)
def test_an_option_says_whether_it_may_be_left_out_and_what_holds_then(verb, told):
    assert re.search(told, " ".join(radlas(verb, "--help").out.split()))


def test_every_verb_stands_under_one_heading_of_the_help():
    listed = [name for names in SECTIONS.values() for name in names.split()]
    assert sorted(listed) == sorted(get_command(app).commands)
    said = radlas("--help").out
    for title, names in SECTIONS.items():
        under = said.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in under.splitlines()] == names.split()


def test_an_empty_store_says_what_comes_first(tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    for words, first in (
        (("snapshot", "create", "x"), "the store holds no case to freeze"),
        (("snapshot", "show", "x"), "there is none yet: radlas snapshot create"),
        (("retry", "--reason", "x"), "nothing to release: no case is in trouble"),
    ):
        assert first in radlas(*words, "--store", store).err


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("query", "select 1"),
        ("snapshot", "list"),
        ("validate", "m"),
        ("report", "m"),
        ("predict", "m", "c"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_a_missing_store_is_named_with_the_remedy_and_exit_code_two(words, tmp_path):
    said = radlas(*words, "--store", tmp_path / "nowhere")
    assert said.code == 2
    assert said.err == (
        f"error: no store here\n  in: {tmp_path}/nowhere\n"
        f"  try: make one: radlas init {tmp_path}/nowhere\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("query", "select 1", "--snapshot", ""), "not a snapshot name: ''"),
        (("export", "out", "--features-only", "--snapshot", ""), "not a snapshot name: ''"),
        (("snapshot", "create", "x", "--cohort", ""), "--cohort is empty"),
        (("schedule", "retrain.yaml", "--every", "1d", "--at", ""), "--at is empty"),
    ],
    ids=lambda words: words[0],
)
def test_an_option_of_a_variable_that_is_not_set_does_not_mean_all(
    words, told, study_store, tmp_path, monkeypatch
):
    """``--snapshot "$NAME"``: the answer would be of other rows, and everything would travel."""
    monkeypatch.chdir(tmp_path)
    said = radlas(*words, "--store", study_store)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {told}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("qc", "--centre", ""), "nothing of centre ''"),
        (("ingest", ".", "--centre", "x", "--label", "²"), "'²' is no label"),
    ],
    ids=lambda words: words[0],
)
def test_a_value_that_names_nothing_is_told_as_it_was_given(words, told, study_store, tmp_path):
    out = ("--out", tmp_path / "qc.html") if words[0] == "qc" else ("--importer", "nifti")
    said = radlas(*words, *out, "--store", study_store)
    assert said.code == 2
    assert told in said.err


def test_an_error_is_json_where_json_was_asked_for(tmp_path):
    said = radlas("status", "--store", tmp_path / "nowhere", "--json")
    assert said.code == 2
    assert said.data["error"]["what"] == "no store here"
    assert said.data["error"]["try"].startswith("make one")


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--json"),  # without a store
        ("query", "select 1", "--format", "json"),
        ("query", "--format=json"),
        ("verify", "--nonsense", "--json"),
        ("ingest", "here", "--store", "s", "--centre", "a", "--resample-masks", "x", "--json"),
        ("nonsense", "--json"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_told_as_json_where_json_was_asked_for(words, monkeypatch):
    """A program that reads what is printed learns, too, that a variable was not set for it."""
    monkeypatch.delenv("RADLAS_STORE", raising=False)
    plain = [word for word in words if word not in {"--json", "--format", "json", "--format=json"}]
    said, read = radlas(*words), radlas(*plain)
    assert (said.code, said.err) == (read.code, "") == (2, "")
    assert f"Error: {said.data['error']['what']}\n" in read.err
    assert said.data["error"]["try"]


def test_the_store_of_a_recipe_is_taken_where_no_other_is_named(study_store, tmp_path, monkeypatch):
    monkeypatch.delenv("RADLAS_STORE", raising=False)
    recipe = Path(__file__).parents[2] / "jobs" / "quick.yaml"
    text = recipe.read_text(encoding="utf-8").replace("demo/store", str(study_store))
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    words = ("extract", "--config", tmp_path / "mine.yaml", "--dry-run", "--engine", "serial")
    said = radlas(*words)
    assert said.code == 0, said.err
    assert "extract would run 18 tasks" in said.out
    other = radlas(*words, "--store", tmp_path / "nowhere")
    assert "no store here\n  in: " + str(tmp_path / "nowhere") in other.err
    monkeypatch.setenv("RADLAS_STORE", str(tmp_path / "elsewhere"))
    assert "no store here\n  in: " + str(tmp_path / "elsewhere") in radlas(*words).err


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("extractors: {deep: {}}", "give --store, set RADLAS_STORE, or add `store:`"),
        ("imageType: {Original: {}}", "give --store, or set RADLAS_STORE"),  # of PyRadiomics
    ],
)
def test_a_recipe_for_no_store_says_where_one_is_named(text, remedy, tmp_path, monkeypatch):
    monkeypatch.delenv("RADLAS_STORE", raising=False)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    said = radlas("extract", "--config", tmp_path / "mine.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"error: no store is named\n  in: {tmp_path}/mine.yaml\n  try: {remedy}\n"


def test_a_query_takes_json_as_all_verbs_do(study_store):
    here = ("query", "--store", study_store, "select count(*) n from cases")
    assert radlas(*here, "--json").out == radlas(*here, "--format", "json").out
    said = radlas(*here, "--json", "--format", "csv")
    assert (said.code, said.data["error"]["what"]) == (2, "--json and --format csv contradict")


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_query_prints_in_the_form_asked_for(study_store, form):
    sql = "select centre, count(*) n from cases group by 1 order by 1"
    said = radlas("query", "--store", study_store, "--format", form, sql)
    assert said.code == 0
    if form == "json":
        assert [row["centre"] for row in said.data] == ["centre-a", "centre-b", "centre-c"]
    elif form == "csv":
        assert said.out.splitlines()[0] == "centre,n"
        assert len(said.out.splitlines()) == 4
    else:
        assert "centre-b" in said.out


def test_parquet_goes_to_a_file(study_store, tmp_path):
    words = ("query", "--store", study_store, "--format", "parquet", "select * from cases")
    assert radlas(*words).code == 2
    assert radlas(*words, "--out", tmp_path / "cases.parquet").code == 0
    assert (tmp_path / "cases.parquet").read_bytes()[:4] == b"PAR1"


def test_a_wide_table_is_not_cut_when_it_goes_to_a_file_or_pipe(study_store):
    said = radlas("query", "--store", study_store, "select * from cases order by case_id limit 2")
    assert "…" not in said.out
    assert "age_years" in said.out


def test_snapshots_are_listed_shown_compared_and_verified(study_store):
    here = ("--store", study_store)
    assert "first@1" in radlas("snapshot", "list", *here).out
    shown = radlas("snapshot", "show", "first", *here, "--json").data
    assert sum(one["cases"] for one in shown["counts"].values()) == len(shown["cases"]) == 18
    assert radlas("snapshot", "diff", "first", "first", *here, "--json").data["same"] is True
    assert radlas("snapshot", "verify", "first@1", *here).code == 0
    assert "there are: first@1" in radlas("snapshot", "show", "none", *here).err


def test_a_snapshot_whose_rows_changed_is_told_with_exit_code_one(own_store):
    part = min((own_store / "lake" / "radiomics").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    said = radlas("snapshot", "verify", "first", "--store", own_store, "--json")
    assert (said.code, said.data["ok"]) == (1, False)
    assert part.name in said.data["damage"][0]
    assert part.name in radlas("snapshot", "verify", "first", "--store", own_store).out


def test_the_command_line_wins_over_a_recipe_also_with_a_zero(
    study_store, recipe, tmp_path, monkeypatch
):
    path, asked = tmp_path / "extract.yaml", []
    path.write_text(recipe.read_text() + "tolerated: 3\n")
    monkeypatch.setattr(data, "execute", lambda flow, config, **more: asked.append(config) or 0)
    words = ("extract", "--store", study_store, "--config", path)
    assert radlas(*words).code == radlas(*words, "--tolerated", 0).code == 0
    assert [config.tolerated for config in asked] == [3, 0]


def test_feature_sets_are_listed_and_shown_with_their_settings(study_store):
    names = radlas("features", "list", "--store", study_store, "--json").data["feature_sets"]
    (name,) = [one for one in names if one.startswith("pyradiomics")]
    recipe = radlas("features", "show", name, "--store", study_store, "--json").data
    assert recipe["settings"]["in_plane_spacing"] == 1.5
    assert recipe["versions"]["pyradiomics"] == "3.0.1"


def test_a_damaged_volume_is_found_and_the_exit_code_is_one(own_store):
    assert radlas("verify", "--store", own_store).code == 0
    path = next(p for p in (own_store / "volumes").rglob("c/0/0/0") if "image" in p.parts)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    said = radlas("verify", "--store", own_store, "--json")
    assert said.code == 1
    assert len(said.data["damage"]) == 1
    assert path.parts[-6].removesuffix(".zarr") in said.data["damage"][0]


def test_an_unknown_engine_is_refused_with_the_known_ones(study_store, recipe):
    said = radlas("extract", "--store", study_store, "--config", recipe, "--engine", "spark")
    assert said.code == 2
    assert "serial, local, local:4, tcp://host:port or tls://host:port" in said.err


def test_a_second_writer_is_refused_and_readers_go_on(study_store, recipe):
    code = (
        "import sys, time, pathlib\n"
        "from radlas.store.layout import open_store\n"
        "from radlas.store.locks import writing\n"
        "with writing(open_store(pathlib.Path(sys.argv[1])), 'extract'):\n"
        "    print('holding', flush=True); time.sleep(30)\n"
    )
    command = [sys.executable, "-c", code, str(study_store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "holding\n"
        said = radlas("extract", "--store", study_store, "--config", recipe)
        assert said.code == 2
        assert "another run is writing: extract by process" in said.err
        assert radlas("status", "--store", study_store).code == 0
        holder.kill()


def test_the_published_contracts_are_those_of_the_code(tmp_path):
    """`schemas/` is made by `radlas schemas export`; change the code, export again, review."""
    published = Path(__file__).parents[2] / "schemas"
    assert radlas("schemas", "export", tmp_path / "now").code == 0

    def texts(root):
        return {p.relative_to(root): p.read_text() for p in root.rglob("*.*") if p.is_file()}

    assert texts(published) == texts(tmp_path / "now")
    (tmp_path / "file").write_text("in the way")
    said = radlas("schemas", "export", tmp_path / "file")
    assert (said.code, "error: Not a directory" in said.err or "exists" in said.err) == (2, True)


def test_doctor_finds_this_machine_fit_for_work():
    said = radlas("doctor", "--json")
    assert {check["name"] for check in json.loads(said.out)["checks"]} >= {"torch", "radiomics"}
    assert said.code == 0


def test_doctor_tells_that_no_folder_takes_temporary_files(monkeypatch):
    """As in a container that can only be read and has no /tmp; not even all libraries import."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._get_default_tempdir", raising(FileNotFoundError))
    monkeypatch.setattr("importlib.import_module", raising(OSError))
    found = {one.name: one for one in examine()}
    assert "--tmpfs" in found["temporary files"].detail
    assert not found["temporary files"].ok
    assert not found["shap"].ok


def raising(error):
    def fails(*args):
        raise error("no room")

    return fails


def test_doctor_tells_that_memory_is_too_little_for_a_worker_on_every_core(monkeypatch):
    monkeypatch.setattr("radlas.engine.local.cores", lambda: 16)
    for module in ("radlas.engine.local", "radlas.doctor"):
        monkeypatch.setattr(f"{module}.memory", lambda: 8 << 30)
    (told,) = [one.detail for one in examine() if one.name == "cores"]
    few = "a local engine uses 6, as 8.0 GiB of memory hold no more; --engine local:16 uses all"
    assert told == f"16; {few}"
    monkeypatch.setattr("radlas.engine.local.cores", lambda: 1)
    (told,) = [one.detail for one in examine() if one.name == "cores"]
    assert told == "1; a local engine uses all, in 8.0 GiB of memory"


def test_doctor_tells_which_gpus_get_workers(monkeypatch):
    monkeypatch.setattr("radlas.doctor.gpus", lambda: ["0", "1"])
    monkeypatch.setattr("radlas.doctor.shares_of", lambda device: 1 + int(device))
    (told,) = [one.detail for one in examine() if one.name == "GPU"]
    assert told == "0: 1 workers of a local engine, 1: 2 workers of a local engine"
    monkeypatch.setattr("radlas.doctor.gpus", list)
    (told,) = [one.detail for one in examine() if one.name == "GPU"]
    assert told == "none that torch can use, and none is needed"


def test_doctor_tells_who_multiplies_matrices_and_whether_a_variable_chose(monkeypatch):
    """OpenBLAS by the loops of an older processor takes twice as long."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    (free,) = [one.detail for one in examine() if one.name == "BLAS"]
    assert re.fullmatch(r"\w+ for [\w ]+(, \w+ for [\w ]+)*", free)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    (held,) = [one.detail for one in examine() if one.name == "BLAS"]
    assert held == f"{free}, as OPENBLAS_CORETYPE says: " + held.rpartition(": ")[2]
    assert "longer" in held


@pytest.mark.parametrize("words", [("qc",), ("report", "m")], ids=" ".join)
def test_a_page_is_no_folder_and_nothing_is_left_in_its_place(words, tmp_path):
    store, folder = tmp_path / "store", tmp_path / "pages"
    radlas("init", store)
    folder.mkdir()
    said = radlas(*words, "--store", store, "--out", folder)
    assert (said.code, "this is a folder" in said.err) == (2, True)
    assert f"name a file: {folder}/page.html" in said.err
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("page", ["ingest", "quarantine"])
def test_a_page_shows_what_radlas_answers(page, tmp_path):
    """Its first commands and what stands below them, to the digits of the pseudonyms."""
    text = (Path(__file__).parents[2] / f"docs/{page}.md").read_text(encoding="utf-8")
    script, shown = re.search(r"```sh\n(.*?)^```\n\n```\n(.*?)^```", text, re.S | re.M).groups()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if line not in said] == [], done.stderr
