"""Is this machine fit? What radlas needs, whether it works, and the remedy if it does not."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from typing import NamedTuple

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # ships no types

from radlas.engine.base import this_machine
from radlas.engine.gpus import gpus, shares_of
from radlas.engine.memory import memory
from radlas.engine.spawn import folder_left_alone
from radlas.errors import ConfigError

_NEEDED = (
    "numba",
    "numpy",
    "pydicom",
    "highdicom",
    "SimpleITK",
    "zarr",
    "deltalake",
    "duckdb",
    "dask",
    "torch",
    "radiomics",
    "sklearn",
    "shap",
)
_DISTRIBUTIONS = {"radiomics": "pyradiomics", "sklearn": "scikit-learn"}
_PYRADIOMICS = (
    "build it against the installed numpy: pip install numpy setuptools wheel versioneer cython;"
    " pip install --no-build-isolation pyradiomics==3.0.1"
)

_CORE_TYPE = "OPENBLAS_CORETYPE"  # some sites set it against faults of old versions


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


def examine() -> list[Check]:
    """Python, every library, cores, disk, and whether a GPU is there (none is needed)."""
    python = ".".join(map(str, sys.version_info[:3]))
    checks = [Check("Python", sys.version_info >= (3, 11), f"{python}; 3.11 or newer is needed")]
    checks += [_library(name) for name in _NEEDED]
    checks.append(_temporary())
    free = shutil.disk_usage(".").free / 2**30
    checks.append(Check("disk", free > 5, f"{free:.0f} GiB free here; 5 GiB is little"))
    checks.append(_cores())
    checks.append(Check("name", True, f"{this_machine()} in the ledger's column `worker`"))
    return [*checks, _gpus(), _products(), _compiled(), *_plug_ins()]


def compile_loops() -> None:
    """Compile every loop that is hot, and keep it; see ``examine`` for where.

    Two processes begin with parts that share next to nothing; the third look finds what is left.
    """
    from radlas.features.warm import compile_kernels, texture_loops  # noqa: PLC0415 - numba

    with folder_left_alone(), ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for part in [pool.submit(one) for one in (texture_loops, _filters_and_learning)]:
            part.result()
    compile_kernels()


def _filters_and_learning() -> None:
    from radlas.features.warm import filter_loops  # noqa: PLC0415 - numba
    from radlas.learn.warm import compile_kernels  # noqa: PLC0415

    filter_loops()
    compile_kernels()


def _cores() -> Check:
    """How many there are, and whether a local engine has the memory to use them all."""
    from radlas.engine.local import cores, workers_there  # noqa: PLC0415 - Dask takes a second

    there, workers, room = cores(), workers_there(), f"{memory() / 2**30:.1f} GiB of memory"
    if workers == there:
        return Check("cores", True, f"{there}; a local engine uses all, in {room}")
    few = f"a local engine uses {workers}, as {room} hold no more; --engine local:{there} uses all"
    return Check("cores", True, f"{there}; {few}")


def _gpus() -> Check:
    """Those that a local engine starts workers for."""
    shares = [f"{device}: {shares_of(device)} workers of a local engine" for device in gpus()]
    return Check("GPU", True, ", ".join(shares) or "none that torch can use, and none is needed")


def _products() -> Check:
    """Whose loops multiply matrices, and for which processor: a network mostly waits for them."""
    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    told = {f"{one['internal_api']} for {one.get('architecture', 'any')}" for one in found}
    detail = ", ".join(sorted(told)) or "none that can be asked"
    if os.environ.get(_CORE_TYPE):
        detail += f", as {_CORE_TYPE} says: deep features take longer if this processor is newer"
    return Check("BLAS", True, detail)


def _compiled() -> Check:
    """Whether the extraction's loops lie compiled in a cache; if not, a first case waits."""
    from radlas.compiled import kept_in  # noqa: PLC0415 - numba is slow to import
    from radlas.features.kernels.sweep import sweep  # noqa: PLC0415

    folder = kept_in(sweep)
    if folder is not None:
        detail = f"{len(list(folder.glob('*.nbc')))} in {folder}"
    elif sweep.stats.cache_path is None:  # type: ignore[attr-defined]
        detail = "no folder can be written to keep them: each process compiles; set NUMBA_CACHE_DIR"
    else:
        detail = "none for this processor yet; radlas doctor --compile spares the first case a wait"
    return Check("compiled loops", True, detail)


def _plug_ins() -> Iterator[Check]:
    """Whether what other packages add can be used."""
    from radlas.features import EXTRACTORS  # noqa: PLC0415 - what it lists is found at once
    from radlas.ingest import IMPORTERS  # noqa: PLC0415

    for registry in (IMPORTERS, EXTRACTORS):
        for name in registry.plug_ins:
            told = f"{registry.group.partition('.')[2].rstrip('s')} {name}"
            try:
                yield Check(told, True, registry.plug_in(name))
            except ConfigError as error:
                yield Check(told, False, f"{error.what}; {error.hint}")


def _temporary() -> Check:
    """Where temporary files lie; without such a folder not even all libraries can be imported."""
    try:
        return Check("temporary files", True, f"in {tempfile.gettempdir()}")
    except FileNotFoundError:
        remedy = "no folder can be written: mount one, as docker run --tmpfs /tmp, or set TMPDIR"
        return Check("temporary files", False, remedy)


def _library(name: str) -> Check:
    try:
        importlib.import_module(name)
        return Check(name, True, version(_DISTRIBUTIONS.get(name, name)))
    except OSError as error:  # matplotlib's, without a folder for temporary files
        return Check(name, False, f"{error}")
    except (ImportError, PackageNotFoundError) as error:
        remedy = _PYRADIOMICS if name == "radiomics" else f"pip install -c constraints.txt {name}"
        return Check(name, False, f"{error}; {remedy}")
