"""When rounds are due: never in the past, never twice, on their time of day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.errors import ConfigError
from radlas.flows.schedule import DAY, parse_schedule

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))
LATER = st.timedeltas(timedelta(0), timedelta(days=40))


@given(MOMENTS, LATER, st.sampled_from(["30m", "6h", "1d", "2w"]))
def test_without_a_time_of_day_rounds_begin_at_once_and_then_an_interval_apart(
    now, later, every: str
):
    plan = parse_schedule(every)
    first = plan.due(now, None)
    assert first == now
    second = plan.due(first + later, first)
    assert second == max(first + later, first + plan.every)


@given(MOMENTS, LATER, st.integers(1, 20), st.times())
def test_with_one_they_begin_on_it_and_what_was_missed_is_not_caught_up(now, later, days, at):
    plan = parse_schedule(f"{days}d", f"{at:%H:%M}")
    first = plan.due(now, None)
    assert timedelta(0) <= first - now < DAY
    second = plan.due(first + later, first)
    assert second >= first + later
    assert f"{first:%H:%M}" == f"{second:%H:%M}" == f"{at:%H:%M}"
    assert (second - first) % plan.every == timedelta(0)
    assert second - (first + later) <= plan.every


def test_a_round_is_due_only_once():
    plan = parse_schedule("1d", "02:30")
    first = plan.due(datetime(2026, 3, 1, 14), None)
    soon = first + timedelta(minutes=5)
    assert plan.due(soon, first) == first + DAY


@pytest.mark.parametrize(
    ("every", "at", "message"),
    [
        ("", "", "no interval: ''"),
        ("0d", "", "no interval: '0d'"),
        ("1 day", "", "no interval: '1 day'"),
        ("1d", "25:00", "no time of day: '25:00'"),
        ("6h", "02:30", "every 6h at 02:30 contradict"),
    ],
)
def test_a_wrong_schedule_is_told_with_a_right_one(every: str, at: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_schedule(every, at)
    assert caught.value.hint.startswith(("as ", "take whole days"))
