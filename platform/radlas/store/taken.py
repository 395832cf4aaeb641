"""What a run is told that comes second."""

from __future__ import annotations

from radlas.errors import StoreError
from radlas.places.place import Place


def locked(place: Place, holders: list[str], *, died: str = "") -> StoreError:
    """The error of one who comes second.

    Args:
        place: The store's.
        holders: What the runs that are in the way say of themselves.
        died: What else may be, where one that died still holds its lock.
    """
    return StoreError(
        f"another run is writing: {'; '.join(holders) or 'just started'}",
        str(place),
        f"wait for it to end{died}; reading and querying go on meanwhile",
        "locked",
    )
