"""When the next round of something that repeats is due. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from radlas.errors import ConfigError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Schedule:
    """Rounds at an interval, or at a time of day.

    Attributes:
        every: From the beginning of a round to the beginning of the next; whole days with ``at``.
        at: Time of day on the machine's clock; None to begin at once.

    Examples:
        >>> nightly = parse_schedule("1d", "02:30")
        >>> nightly.due(datetime(2026, 3, 1, 14, 0), None)
        datetime.datetime(2026, 3, 2, 2, 30)
    """

    every: timedelta
    at: time | None = None

    def due(self, now: datetime, last: datetime | None) -> datetime:
        """When the next round begins, now or later; what was missed is not caught up.

        Args:
            now: Local time without a zone, or, of rounds at an interval, in any zone.
            last: When the last round was due; None before the first. One that is still to come was
                told by a clock that was put back since, and nobody waits for it.
        """
        if self.at is None:
            return now if last is None else max(now, min(last, now) + self.every)
        if last is not None and last - now > DAY:  # in autumn it lies an hour ahead
            today = datetime.combine(now.date(), self.at)
            last = today if today <= now else today - DAY
        # In autumn an hour comes twice: at its second time what is ahead lies in that one.
        first = datetime.combine(now.date(), self.at).replace(fold=now.fold)
        next_ = first if last is None else last + self.every
        while next_ < now:
            next_ += DAY if last is None else self.every
        return next_


def parse_schedule(every: str, at: str = "") -> Schedule:
    """A schedule from ``30m``, ``6h``, ``1d`` or ``2w``, and ``HH:MM`` or nothing.

    Raises:
        ConfigError: A text is none of these, or a time of day goes with less than days.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})([mhdw])", every.strip())
    if match is None:
        raise ConfigError(f"no interval: {every!r}", "--every", "as 30m, 6h, 1d or 2w")
    interval = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if not at:
        return Schedule(interval)
    try:
        moment = datetime.strptime(at.strip(), "%H:%M").time()
    except ValueError:
        raise ConfigError(f"no time of day: {at!r}", "--at", "as 02:30") from None
    if interval % DAY:
        raise ConfigError(
            f"every {every} at {at} contradict", "--at", "take whole days, as 1d, or leave --at out"
        )
    return Schedule(interval, moment)
