"""Names for things that are imported on first use; third parties add theirs by entry points."""

from __future__ import annotations

import importlib
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from radlas.errors import ConfigError

GROUPS = (IMPORTER_GROUP, EXTRACTOR_GROUP) = ("radlas.importers", "radlas.extractors")


class Registry(Mapping[str, Any]):
    """``name -> "module:Class"``. Looking a name up imports its module, listing names does not.

    Args:
        group: Entry-point group in which other packages register, as ``radlas.extractors``.
        builtin: Our own names.
        needs: What every class must have, as ``("find", "read")``.
    """

    def __init__(self, group: str, builtin: Mapping[str, str], needs: Sequence[str] = ()) -> None:
        self.group, self._builtin, self._needs = group, frozenset(builtin), tuple(needs)
        self._kind = group.rpartition(".")[2].rstrip("s")
        self._places: dict[str, str] = {}
        self._claims = defaultdict[str, list[str]](list)  # where names of other packages lead
        for entry in entry_points(group=group):
            self._places.setdefault(entry.name, entry.value)
            if entry.value not in self._claims[entry.name]:
                self._claims[entry.name].append(entry.value)
        self.plug_ins = tuple(sorted(self._places))
        self._places.update(builtin)  # ours win: a plug-in cannot replace them in silence

    def __getitem__(self, name: str) -> Any:
        if name not in self._places:
            here = ", ".join(sorted(self._places))
            raise ConfigError(
                f"no {self._kind} is named {name!r}",
                hint=f"choose one of: {here}; or install the package that registers it",
            )
        if name in self._builtin:  # what goes wrong there is a bug of ours
            return _load(self._places[name])
        return self._of_theirs(name)

    def plug_in(self, name: str) -> str:
        """Where a name of another package leads.

        Args:
            name: One of ``plug_ins``.

        Raises:
            ConfigError: It cannot be used, and what to do about it.
        """
        if name in self._builtin:
            what = f"a package registers the {self._kind} {name!r}, which is radlas's own"
            where = f"entry point {name}, group {self.group}"
            raise ConfigError(what, where, "it is not used: have it registered by another name")
        self._of_theirs(name)
        return self._places[name]

    def _of_theirs(self, name: str) -> Any:
        """A class of another package, or what that package has to mend."""
        where = f"entry point {name} = {self._places[name]}, group {self.group}"
        claims = self._claims[name]
        if len(claims) > 1:
            what = f"two packages register the {self._kind} {name!r}"
            raise ConfigError(what, where, f"uninstall one of them: {', '.join(claims)}")
        try:
            found = _load(self._places[name])
        except (Exception, SystemExit) as error:  # to import theirs can go wrong in any way
            raise ConfigError(
                f"the {self._kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
                where,
                "mend or update the package that registers it",
            ) from error
        lacking = [needed for needed in self._needs if not hasattr(found, needed)]
        if lacking:
            raise ConfigError(
                f"the {self._kind} {name!r} has no {', '.join(lacking)}",
                where,
                "ARCHITECTURE.md names the protocol that it should follow",
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __len__(self) -> int:
        return len(self._places)


def makers(error: BaseException) -> str:
    """Who has to mend what an unexpected error shows: the packages whose code it passed, or we.

    Args:
        error: As caught, with its traceback.

    Returns:
        Names of top-level packages that register something, or ``radlas``.
    """
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    passed = {str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames}
    theirs = {
        entry.value.partition(":")[0].partition(".")[0]
        for group in GROUPS
        for entry in entry_points(group=group)
    }
    return ", ".join(sorted(passed & theirs - {"radlas"})) or "radlas"


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
