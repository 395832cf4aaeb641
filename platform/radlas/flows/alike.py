"""Whether a worker has what the machine that planned has: else it would make something else."""

from __future__ import annotations

from collections.abc import Mapping

from radlas.errors import WorkerError

OTHER = "other_software"
ALIKE = "give all workers the same libraries and the same file of weights; then run again"
_SHOWN = 12  # signs of a version, or of a digest


def check_alike(found: Mapping[str, str], wanted: Mapping[str, str], made: str) -> None:
    """Check a worker's versions against those of the plan.

    Args:
        found: Name to version, here.
        wanted: The same of the plan.
        made: What would be others: ``features``.

    Raises:
        WorkerError: ``other_software``: some differ, or are not there.
    """
    others = sorted(key for key in {**found, **wanted} if found.get(key) != wanted.get(key))
    if others:
        shown = (f"{one} {_told(found, one)} instead of {_told(wanted, one)}" for one in others)
        what = f"this worker would make different {made}: it has {', '.join(shown)}"
        raise WorkerError(what, hint=ALIKE, reason=OTHER)


def _told(versions: Mapping[str, str], name: str) -> str:
    return versions.get(name, "none")[:_SHOWN]
