"""Which Pythons `make setup` takes, and how it builds PyRadiomics for them."""

import configparser
import io
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SHIM = ROOT / "infra" / "pyradiomics" / "sitecustomize.py"


def test_the_setup_of_pyradiomics_finds_what_python_no_longer_has(monkeypatch):
    """Its versioneer.py reads setup.cfg by these two names, which are gone since Python 3.12."""

    class Parser(configparser.RawConfigParser):
        readfp = None  # as good as gone

    newer = ModuleType("configparser")
    newer.ConfigParser = Parser
    monkeypatch.setitem(sys.modules, "configparser", newer)
    runpy.run_path(str(SHIM))
    parser = newer.SafeConfigParser()
    parser.readfp(io.StringIO("[versioneer]\nstyle = pep440-post\n"))
    assert parser.get("versioneer", "style") == "pep440-post"


def test_what_helps_to_build_pyradiomics_is_read_where_it_is_built():
    told = (ROOT / "Makefile").read_text()
    built = next(line for line in told.splitlines() if "pyradiomics==" in line)
    assert f'PYTHONPATH="$(CURDIR)/{SHIM.parent.relative_to(ROOT)}"' in built


def test_nothing_is_installed_while_pyradiomics_is_built():
    """Its build reads setuptools' modules one by one, and torch may bring another setuptools."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    built = next(line for line in lines if "pyradiomics==" in line)
    assert "&" not in built
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {"setuptools", "wheel", "numpy", "Cython", "versioneer"} <= pinned


@pytest.mark.parametrize(
    ("found", "taken"),
    [((3, 10), False), ((3, 11), True), ((3, 12), True), ((3, 13), True), ((3, 14), False)],
)
def test_setup_takes_the_pythons_that_are_told_and_no_other(found, taken):
    check = re.search(r"-c '(import sys; [^']*)'", (ROOT / "Makefile").read_text())
    assert check is not None
    as_if = check[1].replace("import sys;", f"import sys; sys.version_info = {(*found, 0)};")
    command = [sys.executable, "-c", as_if]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) == taken
    assert taken or "radlas needs Python 3.11, 3.12 or 3.13, found" in done.stderr
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert (f"Programming Language :: Python :: {found[0]}.{found[1]}" in told) == taken
