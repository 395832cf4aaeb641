"""The notebooks, and what the pages print, run on a store whose names they do not know."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import radlas

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = "\n".join(
    page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
)


def state_of(store):
    return {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()}


class Shown(NamedTuple):
    """The texts a notebook showed, the number of its pictures, and the store before and after."""

    text: str
    pictures: int
    before: dict[Path, int]
    after: dict[Path, int]


@pytest.fixture(scope="module")
def shown(study_store):
    """What a notebook shows, by its number; each is run once."""
    return cache(lambda number: execute(NOTEBOOKS[number - 1], study_store))


def execute(path, store):
    before = state_of(store)
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        resources=where,
        coalesce_streams=True,  # the kernel may send a line that is printed in two parts
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADLAS_STORE", str(store))
        client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    texts = [output.get("text", "") for output in outputs] + [d.get("text/plain", "") for d in data]
    pictures = sum("image/png" in d for d in data)
    return Shown("\n".join(texts), pictures, before, state_of(store))


def test_the_first_notebook_finds_snapshot_and_model_and_runs_to_its_end(shown):
    assert "first@1" in shown(1).text
    assert "study tiny, snapshot first@1, 18 cases" in shown(1).text


def test_the_first_notebook_counts_the_auc_of_the_report_from_frozen_rows(shown):
    counted, told = re.search(r"counted ([\d.]+), told ([\d.]+)", shown(1).text).groups()
    assert counted == told


def test_the_second_notebook_tries_a_model_on_training_rows_alone(shown):
    assert re.search(r"12 cases of centre-a, centre-b, \d+ columns", shown(2).text)


def test_the_third_notebook_tells_one_patients_risk_and_checks_every_link_of_it(shown):
    """It asserts itself that the drivers make the risk, and that all links hold."""
    assert re.search(r"risk 0\.\d+, 0\.\d+ to 0\.\d+", shown(3).text)
    assert re.search(r"volume +voxels [0-9a-f]{16} +True", shown(3).text)


@pytest.mark.parametrize(("number", "pictures"), [(1, 2), (2, 1), (3, 4)])
def test_a_notebook_shows_its_pictures_and_changes_nothing_in_the_store(shown, number, pictures):
    assert shown(number).pictures == pictures
    assert shown(number).before == shown(number).after


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_notebook_says_that_patients_are_invented_and_weights_random(shown, number):
    assert "!! Synthetic cohort" in shown(number).text
    assert "!! Random network weights" in shown(number).text


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_notebook_takes_no_recipe_of_another_package_for_one_of_ours(path):
    """A plug-in's set may come first by its name; it has neither our columns nor rings to show."""
    (chosen,) = re.findall(r"next\(name for name in card.+?\)\)\)?", path.read_text("utf-8"))
    sets = ["contrast-0a559880", "pyradiomics-5eac8c42", "resnet18-medicalnet-rand0-e565c290"]
    found = eval(chosen.replace("\\", ""), {"card": {"feature_sets": sets}})  # noqa: S307 - our own
    assert found == sets[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def printed_queries():
    """Every query that a notebook's text names."""
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    texts = [one.source for book in notebooks for one in book.cells if one.cell_type == "markdown"]
    return [
        shlex.split(code) for text in texts for code in re.findall(r"`radlas (query [^`]+)`", text)
    ]


def test_a_query_that_a_notebook_names_can_be_asked(study_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADLAS_STORE", str(study_store))
    queries = printed_queries()
    assert queries
    for words in queries:
        assert not {">", "|"} & set(words)  # else a shell has a part in it
        said = radlas(*(word.replace("NAME", "first").replace("…", "1") for word in words))
        assert said.code == 0, said.out + said.err


def printed_for_users():
    """Every query that the README and the pages of docs print, with its options."""
    return re.findall(r'^radlas query (--snapshot \S+ )?"([^"]+)"', PAGES, re.MULTILINE)


def test_the_pages_print_queries_of_the_live_store_and_of_a_snapshot():
    assert {bool(options) for options, _ in printed_for_users()} == {True, False}


@pytest.mark.parametrize(("options", "sql"), printed_for_users())
def test_every_query_of_the_pages_has_an_answer(study_store, options, sql):
    frozen = ("--snapshot", "first") if options else ()
    own = next(path.stem for path in (study_store / "feature_sets").glob("pyradiomics-*.json"))
    sql = re.sub(r"pyradiomics-[0-9a-f]{8}", own, sql)  # the pages tell to put one's own there
    said = radlas("query", "--store", study_store, "--format", "json", *frozen, sql)
    assert said.code == 0, said.err
    absent = ("quarantined", "wavelet", "from missing")  # in a small sound store
    assert said.data or any(word in sql for word in absent)


def test_the_readmes_cohort_selects_one_case_per_subject(study_store):
    (sql,) = re.findall(r'create first --cohort "([^"]+)"', PAGES)
    rows = radlas("query", "--store", study_store, "--format", "json", sql).data
    assert len({row["case_id"] for row in rows}) == len(rows) == 18


def test_the_python_of_the_pages_runs(study_store):
    (code,) = re.findall(r"```python\n(import radlas\n.+?)```", PAGES, re.DOTALL)
    code = code.replace('"demo/store"', repr(str(study_store))).replace('"demo"', '"first"')
    names = {}
    exec(code, names)  # noqa: S102 - our own text
    assert len(names["X"]) == 18
    assert all(name.startswith("tumour__original__") for name in names["X"].columns)
