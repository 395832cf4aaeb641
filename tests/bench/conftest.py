"""What every bench needs: pairs measured in turns, and figures told as a table or as JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest


def pytest_addoption(parser):
    parser.addoption("--json", action="store_true", help="print the figures as JSON")


@dataclass(frozen=True)
class Cost:
    """Medians over repeats: wall and CPU time [s]."""

    wall: float
    cpu: float


def in_turns(actions: Mapping[str, Callable[[], object]], repeats: int = 9) -> dict[str, Cost]:
    """The cost of every action, measured in turns in each round: noise hits all alike."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for action in actions.values():
        action()  # once before: imports, caches
    for _ in range(repeats):
        for name, action in actions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            action()
            found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: Cost(*(statistics.median(times) for times in zip(*pairs, strict=True)))
        for name, pairs in found.items()
    }


@pytest.fixture
def tell(request, capsys):
    """Prints figures: name to number, as a table or as JSON."""

    def show(title: str, figures: Mapping[str, float]) -> None:
        with capsys.disabled():
            if request.config.getoption("--json"):
                print(json.dumps({"bench": title, **figures}))
                return
            print(f"\n{title}")
            for name, value in figures.items():
                print(f"  {name:44} {value:12,.3f}")

    return show
