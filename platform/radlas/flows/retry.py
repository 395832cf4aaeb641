"""Retry: what ended under a reason is released, and the runs that will do it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor
from radlas.flows.base import Flow, StoreConfig
from radlas.flows.cases.noted import noted_ingests
from radlas.flows.extract import ExtractConfig, extract
from radlas.flows.ingest import IngestConfig, ingest
from radlas.store.layout import Store
from radlas.store.ledger import case_standings, in_trouble
from radlas.store.recipes import load_recipe
from radlas.words import counted


@dataclass(frozen=True)
class Redo:
    """One group of tasks that will be done again.

    Attributes:
        stage: ``ingest`` or ``extract``.
        centre: Whose cases; empty for an extraction, which covers all centres.
        feature_set: What is extracted; empty for ingest.
        tasks: How many.
        command: What does it, as one would type it; a source that is noted may be out of reach.
        runs: The flow and its configuration, one for each source; empty if nobody noted them.
        by_hand: Commands for what is out of reach.
    """

    stage: str
    centre: str
    feature_set: str
    tasks: int
    command: str
    runs: tuple[tuple[Flow[Any, Any], StoreConfig], ...]
    by_hand: tuple[str, ...]

    @property
    def ways(self) -> str:
        """By how many runs it is done again, and what is to be typed beside them."""
        runs = [counted(len(self.runs), "run")] if self.runs else []
        typed = (f"out of reach, by hand: {command}" for command in self.by_hand)
        return "; ".join((*runs, *typed))


def plan_retry(store: Store, reason: str) -> tuple[Redo, ...]:
    """Everything that stands quarantined or failed under a reason, and what does it again.

    Raises:
        ConfigError: Nothing stands under it.
    """
    troubled = in_trouble(store)
    held = [one for one in troubled if one.reason == reason]
    if not held:
        reasons = ", ".join(sorted({one.reason for one in troubled}))
        hint = f"there are: {reasons}" if reasons else "nothing to release: no case is in trouble"
        if waiting := len(case_standings(store, states={"released"})):
            hint += f"; {waiting} released tasks wait for the next run of ingest or extract"
        raise ConfigError(f"nothing stands under {reason!r}", str(store.place), hint)
    centres = Counter(one.centre for one in held if one.stage == "ingest")
    sets = Counter(one.feature_set for one in held if one.stage == "extract")
    return (
        *(_ingest(store, centre, tasks) for centre, tasks in sorted(centres.items())),
        *(_extract(store, feature_set, tasks) for feature_set, tasks in sorted(sets.items())),
    )


def _ingest(store: Store, centre: str, tasks: int) -> Redo:
    configs = [one for one in noted_ingests(store) if one.centre == centre]
    runs = tuple((ingest, one) for one in configs if one.source.exists())
    command = _command(store, centre, configs[-1] if configs else None)
    lost = tuple(_command(store, centre, one) for one in configs if not one.source.exists())
    return Redo("ingest", centre, "", tasks, command, runs, lost if configs else (command,))


def _command(store: Store, centre: str, config: IngestConfig | None) -> str:
    source, importer = (str(config.source), config.importer) if config else ("SOURCE", "IMPORTER")
    where = f"--importer {importer} --store {quote(str(store.place))}"
    options = "".join(f" {word}" for word in _options(config)) if config else ""
    return f"radlas ingest {quote(source)} --centre {quote(centre)} {where}{options}"


def _options(config: IngestConfig) -> Iterator[str]:
    """As it was read: under other rules every case is another task, and may be refused."""
    given = config.model_dump(mode="json", exclude={"store", "source", "centre", "importer"})
    for name, value in given.items():
        if value != IngestConfig.model_fields[name].default:
            option = f"--{name.replace('_', '-')}"
            for one in value if isinstance(value, list) else [value]:
                yield f"{option} {quote(str(one))}"


def _extract(store: Store, feature_set: str, tasks: int) -> Redo:
    recipe = load_recipe(store, feature_set)
    settings = {recipe["extractor"]: recipe["settings"]}
    extractor = make_extractor(EXTRACTORS, recipe["extractor"], recipe["settings"])
    # A recipe keeps no paths: with a network's weights it is not the whole configuration.
    whole = feature_set_name(recipe["extractor"], extractor) == feature_set
    config = ExtractConfig.parse({"store": str(store.place), "extractors": settings}, feature_set)
    command = f"radlas extract --config RECIPE.yaml --store {quote(str(store.place))}"
    runs = ((extract, config),) if whole else ()
    return Redo("extract", "", feature_set, tasks, command, runs, () if whole else (command,))
