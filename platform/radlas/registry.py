"""Names for things that are imported on first use; third parties add theirs by entry points."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from radlas.errors import ConfigError


class Registry(Mapping[str, Any]):
    """``name -> "module:Class"``. Looking a name up imports its module, listing names does not.

    Args:
        group: Entry-point group in which other packages register, as ``radlas.extractors``.
        builtin: Our own names.
    """

    def __init__(self, group: str, builtin: Mapping[str, str]) -> None:
        self.group = group
        self._places = {entry.name: entry.value for entry in entry_points(group=group)}
        self._places.update(builtin)  # ours win: a plug-in cannot replace them in silence

    def __getitem__(self, name: str) -> Any:
        if name not in self._places:
            raise ConfigError(
                f"no {self.group.rpartition('.')[2].rstrip('s')} is named {name!r}",
                hint=f"choose one of: {', '.join(sorted(self._places))}",
            )
        module, _, attribute = self._places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __len__(self) -> int:
        return len(self._places)
