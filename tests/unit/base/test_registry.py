"""Registries: names are cheap, imports happen on use, mistakes are named."""

import os
import platform
import subprocess
import sys
from colorsys import rgb_to_hsv
from importlib.metadata import EntryPoint

import pytest

from radlas.doctor import examine
from radlas.engine.base import measure
from radlas.entry import guarded
from radlas.errors import ConfigError
from radlas.registry import Registry
from radlas.store.layout import init_store


def test_a_name_is_imported_on_first_use_only():
    registry = Registry("radlas.things", {"turtle": "turtle_that_does_not_exist:Turtle"})
    assert list(registry) == ["turtle"]
    with pytest.raises(ModuleNotFoundError):
        registry["turtle"]


@pytest.fixture
def registered(monkeypatch):
    """A registry of things with one name of ours, where other packages register these."""

    def register(*places: str) -> Registry:
        entries = [EntryPoint("theirs", place, "radlas.things") for place in places]
        monkeypatch.setattr("radlas.registry.entry_points", lambda **_: entries)
        return Registry("radlas.things", {"ours": "pathlib:Path"}, needs=("exists", "touch"))

    return register


def test_a_class_of_another_package_is_found_beside_ours(registered):
    registry = registered("pathlib:PosixPath")
    assert list(registry) == ["ours", "theirs"]
    assert registry["theirs"].__name__ == "PosixPath"


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (["absent_package:Turtle"], "cannot be imported: ModuleNotFoundError: No module named"),
        (["pathlib:Turtle"], "cannot be imported: AttributeError: module 'pathlib' has no"),
        (["pathlib"], "cannot be imported: AttributeError"),
        (["pathlib:PurePath"], "has no exists, touch"),
        (["pathlib:Path", "pathlib:PosixPath"], "two packages register the thing 'theirs'"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_told_and_is_no_defect_of_ours(registered, places, told):
    with pytest.raises(ConfigError) as caught:
        registered(*places)["theirs"]
    assert told in caught.value.what
    assert caught.value.where == f"entry point theirs = {places[0]}, group radlas.things"


def test_packages_that_register_one_name_are_all_named(registered):
    """Whoever has to uninstall one could not tell which the other was."""
    registry = registered("pathlib:Path", "pathlib:PosixPath", "pathlib:Path")
    with pytest.raises(ConfigError) as caught:
        registry.plug_in("theirs")
    assert caught.value.hint == "uninstall one of them: pathlib:Path, pathlib:PosixPath"


def test_a_plug_in_that_ends_the_process_while_it_is_imported_is_told_and_ends_nothing(
    registered, tmp_path, monkeypatch
):
    """As one without a licence does: the doctor said nothing more, of it or of any other."""
    (tmp_path / "unlicensed.py").write_text("import sys\nsys.exit('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="cannot be imported: SystemExit: no licence"):
        registered("unlicensed:Turtle")["theirs"]


def test_a_plug_in_that_takes_a_name_of_ours_is_told_to_whoever_looks(monkeypatch):
    entry = EntryPoint("ours", "colorsys:rgb_to_hsv", "radlas.things")
    monkeypatch.setattr("radlas.registry.entry_points", lambda **_: [entry])
    registry = Registry("radlas.things", {"ours": "pathlib:Path"})
    assert registry["ours"].__name__ == "Path"
    assert registry.plug_ins == ("ours",)
    with pytest.raises(ConfigError, match="'ours', which is radlas's own") as caught:
        registry.plug_in("ours")
    assert caught.value.hint == "it is not used: have it registered by another name"


def test_the_doctor_looks_at_every_plug_in(monkeypatch):
    entries = [
        EntryPoint("seen", "colorsys:rgb_to_hsv", "radlas.extractors"),
        EntryPoint("deep", "absent_package:Turtle", "radlas.extractors"),
    ]
    monkeypatch.setattr("radlas.registry.entry_points", lambda **_: entries)
    registry = Registry("radlas.extractors", {"deep": "x:y"})
    monkeypatch.setattr("radlas.features.EXTRACTORS", registry)
    monkeypatch.setattr("radlas.doctor._NEEDED", ())
    found = {one.name: one for one in examine()}
    assert found["extractor seen"].ok
    assert found["extractor seen"].detail == "colorsys:rgb_to_hsv"
    assert not found["extractor deep"].ok
    assert "radlas's own; it is not used" in found["extractor deep"].detail


def test_a_bug_in_a_plug_in_is_reported_to_those_who_make_it(monkeypatch):
    """Wherever it comes to light: here in the standard library, on the way from their code."""
    entry = EntryPoint("colours", "colorsys:rgb_to_hsv", "radlas.extractors")
    monkeypatch.setattr("radlas.registry.entry_points", lambda **_: [entry])
    told = [measure(work, "red").error.hint for work in (lambda text: rgb_to_hsv(text, 0, 0), int)]
    assert told == [
        f"this is a defect of {who}: please report it" for who in ("colorsys", "radlas")
    ]


def test_a_bug_of_a_plug_in_that_ends_a_command_names_its_makers(monkeypatch, capsys):
    entry = EntryPoint("colours", "colorsys:rgb_to_hsv", "radlas.extractors")
    monkeypatch.setattr("radlas.registry.entry_points", lambda **_: [entry])
    assert guarded(lambda: int(rgb_to_hsv("red", 0, 0)[0]), as_json=True) == 70
    assert "a defect of colorsys: please report it" in capsys.readouterr().out


def test_an_unknown_name_lists_the_known_ones():
    registry = Registry("radlas.extractors", {"b": "x:y", "a": "x:y"})
    with pytest.raises(ConfigError) as caught:
        registry["c"]
    hint = "choose one of: a, b; or install the package that registers it"
    assert str(caught.value) == f"no extractor is named 'c'\n  try: {hint}"


def test_importing_the_package_imports_neither_torch_nor_radiomics_nor_dask():
    """A query must not wait for a network library."""
    code = "import radlas, radlas.features, radlas.store.query, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "radiomics", "distributed", "sklearn"} & set(out.stdout.split())


def test_the_command_line_begins_without_libraries_that_its_verb_may_not_need():
    """Each verb imports its flow when it is called: help and status wait for none."""
    code = "import sys, radlas.cli; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "scipy", "sklearn", "numba", "SimpleITK", "distributed", "torch"}
    assert not heavy & set(out.stdout.split())


def test_an_answer_that_is_no_frame_waits_for_no_pandas(tmp_path):
    """DuckDB loads it at the first value it is given: a third of what a short query takes."""
    store = init_store(tmp_path / "store").place
    code = (
        "import sys\n"
        "from radlas.store.layout import open_store\n"
        "from radlas.store.query import connect, run_sql\n"
        "with connect(open_store(sys.argv[1]), cohort=['a'], memory='1GB') as connection:\n"
        "    print(run_sql(connection, 'select 40 + 2').fetchall())\n"
        "print('pandas' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(store)]
    out = subprocess.run(words, capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["[(42,)]", "False"]


def test_features_of_a_network_need_torch_for_nothing_where_there_is_no_gpu():
    """It takes a second and a half, and a quarter of a gigabyte, of every worker."""
    code = (
        "import sys, numpy as np\n"
        "from radlas.features.resnet.extractor import DeepExtractor\n"
        "runner = DeepExtractor(DeepExtractor.Settings()).runner()\n"
        "print(runner.features([np.ones((16, 16, 16), np.float32)])[0].shape)\n"
        "print(*sys.modules)"
    )
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-c", code]
    out = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    shape, loaded = out.stdout.splitlines()
    assert shape == "(512,)"
    assert not {"torch", "radiomics", "distributed", "sklearn"} & set(loaded.split())


def test_who_describes_a_case_loads_nothing_of_the_lake():
    """A quarter of a second of every worker, and tens of megabytes."""
    code = "import sys, radlas.flows.cases.extract_case; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pyarrow", "deltalake", "duckdb", "pandas", "torch"} & set(out.stdout.split())


def test_the_folder_platform_does_not_shadow_the_standard_library():
    assert platform.python_implementation()
    assert "radlas" not in platform.__file__
