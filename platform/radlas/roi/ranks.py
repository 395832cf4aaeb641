"""Values by their ranks, without sorting them all: exact, by counting their leading bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

Floats = NDArray[np.float32]
_REST = 15  # bits that are not counted by: 2^16 bins are left of 31
_VALUE = 0x7FFFFFFF  # all bits but the sign; so read, numbers from 0 on are in their own order


class Ranked:
    """Many values of which some ranks are asked for.

    Args:
        values: Any shape, at least one, none below 0 and none NaN.
    """

    def __init__(self, values: Floats) -> None:
        self._bits = np.ascontiguousarray(values).reshape(-1).view(np.uint32)
        counts = np.zeros(1 << (31 - _REST), np.int64)
        _count(self._bits, counts)
        self._ends = np.cumsum(counts)
        self._sorted: dict[int, Floats] = {}  # bins that were asked for

    def at(self, rank: int) -> np.float32:
        """What stands at a rank, from 0 on, once all are sorted."""
        place = int(np.searchsorted(self._ends, rank, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        found: np.float32 = self._members(place, before)[rank - before]
        return found

    def median(self, start: int, stop: int) -> np.float32:
        """The median of those from one rank to before another, as numpy's."""
        last = start + stop - 1
        middle = np.array([self.at(last // 2), self.at((last + 1) // 2)])
        found: np.float32 = middle.mean()
        return found

    def percentile(self, share: float) -> np.float32:
        """A percentile of all [%], interpolated linearly, as numpy's."""
        place = (self._bits.size - 1) * (share / 100)
        low, way = int(place), place - int(place)
        below, above = self.at(low), self.at(min(low + 1, self._bits.size - 1))
        gap = above - below
        return above - gap * (1 - way) if way >= 0.5 else below + gap * way

    def _members(self, place: int, before: int) -> Floats:
        if place not in self._sorted:
            found = np.empty(int(self._ends[place]) - before, np.uint32)
            _take(self._bits, place, found)
            found.sort()
            self._sorted[place] = found.view(np.float32)
        return self._sorted[place]


@kernel
def _count(bits: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
    for one in bits:
        counts[(one & _VALUE) >> _REST] += 1


@kernel
def _take(bits: NDArray[np.uint32], place: int, found: NDArray[np.uint32]) -> None:
    """All of one bin."""
    at = 0
    for one in bits:
        if (one & _VALUE) >> _REST == place:
            found[at] = one & _VALUE
            at += 1
