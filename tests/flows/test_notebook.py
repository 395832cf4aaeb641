"""The first notebook, and what the README prints, run on a store whose names they do not know."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import radlas

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_first_study.ipynb"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def state_of(store):
    return {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def executed(study_store):
    """The texts it showed, the number of its pictures, and the store before and after."""
    before = state_of(study_store)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADLAS_STORE", str(study_store))
        NotebookClient(notebook, kernel_name="python3", timeout=120, resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    texts = [output.get("text", "") for output in outputs] + [d.get("text/plain", "") for d in data]
    pictures = sum("image/png" in d for d in data)
    return "\n".join(texts), pictures, before, state_of(study_store)


def test_the_notebook_finds_snapshot_and_model_and_runs_to_its_end(executed):
    text, pictures, *_ = executed
    assert "first@1" in text
    assert "study tiny, snapshot first@1, 18 cases" in text
    assert pictures == 2


def test_the_notebook_counts_the_auc_of_the_report_from_frozen_rows(executed):
    counted, told = re.search(r"counted ([\d.]+), told ([\d.]+)", executed[0]).groups()
    assert counted == told


def test_the_notebook_says_that_patients_are_invented_and_weights_random(executed):
    assert "!! Synthetic cohort" in executed[0]
    assert "!! Random network weights" in executed[0]


def test_the_notebook_changes_nothing_in_the_store(executed):
    assert executed[2] == executed[3]


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def readme_queries():
    """Every query the README prints, with its options."""
    return re.findall(r'^radlas query (--snapshot \S+ )?"([^"]+)"', README, re.MULTILINE)


def test_the_readme_prints_queries_of_the_live_store_and_of_a_snapshot():
    assert {bool(options) for options, _ in readme_queries()} == {True, False}


@pytest.mark.parametrize(("options", "sql"), readme_queries())
def test_every_query_of_the_readme_has_an_answer(study_store, options, sql):
    frozen = ("--snapshot", "first") if options else ()
    said = radlas("query", "--store", study_store, "--format", "json", *frozen, sql)
    assert said.code == 0, said.err
    absent = ("quarantined", "wavelet", "from missing", "a.feature_set")  # in a small sound store
    assert said.data or any(word in sql for word in absent)


def test_the_readmes_cohort_selects_one_case_per_subject(study_store):
    (sql,) = re.findall(r'--cohort "([^"]+)"', README)
    rows = radlas("query", "--store", study_store, "--format", "json", sql).data
    assert len({row["case_id"] for row in rows}) == len(rows) == 18


def test_the_readmes_python_runs(study_store):
    (code,) = re.findall(r"```python\n(import radlas\n.+?)```", README, re.DOTALL)
    code = code.replace('"demo/store"', repr(str(study_store))).replace('"demo"', '"first"')
    names = {}
    exec(code, names)  # noqa: S102 - our own text
    assert len(names["X"]) == 18
    assert all(name.startswith("tumour__original__") for name in names["X"].columns)
