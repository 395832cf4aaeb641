"""How the compiled loops are compiled: once, kept on disk, without the interpreter's lock.

A kernel may call kernels of its own file only: numba does not notice that a function in another
file has changed, and would go on with the stale copy it inlined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def kernel(function: F) -> F:
    """Compile at the first call and cache beside the source, or in the user's cache folder.

    Where neither can be written (a read-only image without a home), the loop is compiled anew by
    each process; ``radlas doctor`` says so.
    """
    try:
        compiled: F = njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # numba's "no locator available": nowhere to write
        compiled = njit(**OPTIONS)(function)
    return compiled
