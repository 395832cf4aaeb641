"""How the compiled loops are compiled: once, kept on disk, without the interpreter's lock.

A kernel may call kernels of its own file only: numba does not notice that a function in another
file has changed, and would go on with the stale copy it inlined.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
)

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def kernel(function: F) -> F:
    """Compile at the first call and cache beside the source, or in the user's cache folder.

    A cache that can only be read, as in an image, is read; what it lacks is kept in the next folder
    that can be written. Where there is none, each process compiles anew; ``radlas doctor`` says so.
    """
    compiled: Any = njit(**OPTIONS)(function)
    with suppress(RuntimeError):  # numba's "no locator available": nowhere to write
        compiled.enable_caching()
    with suppress(RuntimeError):  # or nothing that is there to be read
        compiled._cache = _Laid(function, compiled._cache)
    made: F = compiled
    return made


def kept_in(loop: Any) -> Path | None:
    """The folder that holds a loop's code for this kind of processor; None if none does."""
    here = loop.targetctx.codegen().magic_tuple()
    for cache in (loop._cache, getattr(loop._cache, "_ours", None)):
        if isinstance(cache, FunctionCache):
            index = cache._cache_file._load_index()
            if any(processor == here for _, processor, *_ in index):
                return Path(cache._cache_path)
    return None


class _OnlyRead:
    """For numba's locators, which pass over every folder that they cannot write to."""

    get_cache_path: Callable[[], str]

    def ensure_cache_path(self) -> None:
        folder = Path(self.get_cache_path())
        if os.access(folder, os.W_OK) or not any(folder.glob("*.nbi")):
            raise OSError


class _Named(_OnlyRead, UserProvidedCacheLocator): ...  # type: ignore[misc]


class _Beside(_OnlyRead, InTreeCacheLocator): ...  # type: ignore[misc]


class _Found(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Named, _Beside)


class _Laid(FunctionCache):  # type: ignore[misc]
    """Loops that somebody compiled who could write, before those that we can keep."""

    _impl_class = _Found

    def __init__(self, function: Callable[..., Any], ours: Any) -> None:
        super().__init__(function)
        self._ours = ours

    @property
    def cache_path(self) -> str | None:
        """Where what is compiled from now on is kept."""
        path: str | None = self._ours.cache_path
        return path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        laid = super().load_overload(sig, target_context)
        return self._ours.load_overload(sig, target_context) if laid is None else laid

    def save_overload(self, sig: Any, data: Any) -> None:
        self._ours.save_overload(sig, data)
