"""Names of files that stay below their folder: what names them may be another's text.

A store that was copied from elsewhere tells parts, cases and recipes by names of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from radlas.errors import StoreError

_OUTSIDE = re.compile(r"^/|(?:^|/)\.\.(?:/|$)|\0")


def within(root: Path, name: str) -> Path:
    """A file or folder below ``root``; links that lie there are followed, as a person made them.

    Raises:
        StoreError: The name leads out of ``root``, or none can be called so.
    """
    if _OUTSIDE.search(name):
        what = f"a name in it leads out of it: {name}"
        raise StoreError(what, str(root), "do not use this store: ask who made it", "outside")
    return root / name
