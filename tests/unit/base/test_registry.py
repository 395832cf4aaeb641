"""Registries: names are cheap, imports happen on use, mistakes are named."""

import platform
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from radlas.errors import ConfigError
from radlas.registry import Registry


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


def test_an_unknown_name_lists_the_known_ones():
    registry = Registry("radlas.extractors", {"b": "x:y", "a": "x:y"})
    with pytest.raises(ConfigError) as caught:
        registry["c"]
    assert str(caught.value) == "no extractor is named 'c'\n  try: choose one of: a, b"


def test_importing_the_package_imports_neither_torch_nor_radiomics_nor_dask():
    """A query must not wait for a network library."""
    code = "import radlas, radlas.features, radlas.store.query, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "radiomics", "distributed", "sklearn"} & set(out.stdout.split())


def test_the_folder_platform_does_not_shadow_the_standard_library():
    assert platform.python_implementation()
    assert "radlas" not in platform.__file__
