"""Registries: names are cheap, imports happen on use, mistakes are named."""

import platform
import subprocess
import sys

import pytest

from radlas.errors import ConfigError
from radlas.registry import Registry


def test_a_name_is_imported_on_first_use_only():
    registry = Registry("radlas.things", {"turtle": "turtle_that_does_not_exist:Turtle"})
    assert list(registry) == ["turtle"]
    with pytest.raises(ModuleNotFoundError):
        registry["turtle"]


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
