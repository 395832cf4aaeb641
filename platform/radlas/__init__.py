"""radlas: a feature store for multicentre MRI radiomics, and the study it exists for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radlas.errors import RadlasError
from radlas.version import __version__

if TYPE_CHECKING:
    from radlas.api import OpenStore

__all__ = ["RadlasError", "__version__", "open"]


def open(path: str | Path) -> OpenStore:  # noqa: A001 - read as radlas.open
    """Open a store for reading: ``.query(sql)``, ``.snapshot(label)``, ``.matrix()``.

    Raises:
        StoreError: There is none, or it is of another format version.
    """
    from radlas.api import open_path  # noqa: PLC0415 - importing the package stays cheap

    return open_path(path)
