"""Retrain: snapshot, train, validate, report; promote or keep, and write down why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from radlas.engine.base import Engine, SerialEngine
from radlas.errors import StoreError, StudyError
from radlas.flows.base import Report, StoreConfig
from radlas.flows.explain import ExplainConfig, explain
from radlas.flows.report import ReportConfig, report
from radlas.flows.study.challenge import decide, facts_of
from radlas.flows.study.dataset import load_dataset
from radlas.flows.train import TrainConfig, train
from radlas.flows.validate import ModelConfig, validate
from radlas.learn.study import StudyConfig
from radlas.store.frozen import check_name, load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.locks import writing
from radlas.store.models import (
    DECISION,
    PROMOTING,
    champions,
    find_beside,
    keep_first,
    move_alias,
    read_card,
    versions,
)
from radlas.store.snapshots import create_snapshot


class RetrainConfig(StoreConfig):
    """Which study, on which cohort, by which rule."""

    study: Path = Field(description="YAML protocol of the study.")
    snapshot: str = Field(default="retrain", description="Name under which cohorts are frozen.")
    cohort: str = Field(default="", description="SQL with a column case_id; empty for all cases.")
    feature_sets: tuple[str, ...] = Field(default=(), description="Names; empty for all.")
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )
    margin: float = Field(
        default=0.03, ge=0, lt=1, description="Loss of external AUC that is tolerated [1]."
    )


def retrain(config: RetrainConfig, *, engine: Engine | None = None) -> Report:
    """One round; does nothing if this cohort, study and code were decided on already.

    A snapshot may differ in what the study does not use: then no look at the external centre is
    spent on it.

    Raises:
        StudyError: The snapshot cannot support the study, or it names no external centre.
        StoreError: Earlier rounds have decided, and who is champion is lost.
    """
    engine = engine or SerialEngine()
    store, study = open_store(config.store), read_study(config)
    _finish(store, study.name)
    trained = train(_training(config, store), engine=engine)
    number = int(trained.data["version"])
    known = _decided_before(store, study, number, config.margin)
    judged = [] if known else _judge(config, f"{study.name}@{number}", engine)
    decision = known or _settle(store, study, number, config.margin)
    stands, warnings = _standing(store, study.name, decision), trained.data["warnings"]
    told = f"{study.name}@{stands['version']} stands: {stands['why']}"
    if known:
        lines = [f"retrain: nothing new; {told}", *_other_margin(known, config.margin)]
        lines += [f"  !! {warning}" for warning in warnings]
    else:
        lines = [line for step in (trained, *judged) for line in step.lines]
        lines.append(f"retrain: {decision['decision']}; {told}")
    data = {"new": not known, **decision, "stands": stands, "warnings": warnings}
    return Report(tuple(lines), data)


def _training(config: RetrainConfig, store: Store) -> TrainConfig:
    """The study on a snapshot of what is stored now."""
    with writing(store, "retrain", alone=True):
        snapshot, _ = create_snapshot(
            store, config.snapshot, cohort_sql=config.cohort, feature_sets=config.feature_sets
        )
    values = {"store": config.store, "study": config.study, "snapshot": snapshot.label}
    return TrainConfig.parse(values)


def _decided_before(
    store: Store, study: StudyConfig, number: int, margin: float
) -> dict[str, Any] | None:
    """What an earlier round decided on this version, or on one that is no other."""
    found: dict[str, Any] | None = find_beside(store, study.name, number, DECISION)
    if found or not (twin := _twin(store, study, number)):
        return found
    why = f"models and external rows are those of version {twin}"
    facts = facts_of(store, study.name, number, margin)
    with writing(store, PROMOTING):
        return keep_first(
            store, study.name, number, DECISION, facts | {"decision": "keep", "why": why}
        )


def _judge(config: RetrainConfig, model: str, engine: Engine) -> list[Report]:
    """Validate, explain and report a version."""
    values = {"store": config.store, "model": model}
    return [
        validate(ModelConfig.parse(values)),
        explain(ExplainConfig.parse({**values, "weights": config.weights}), engine=engine),
        report(ReportConfig.parse(values)),
    ]


def _settle(store: Store, study: StudyConfig, number: int, margin: float) -> dict[str, Any]:
    """Decide on a version, and do it."""
    with writing(store, PROMOTING):
        # Another round may have decided on this version meanwhile: one decision, once.
        decision: dict[str, Any] | None = find_beside(store, study.name, number, DECISION)
        if decision is None:
            decision = decide(store, study, number, margin)
            decision = keep_first(store, study.name, number, DECISION, decision)
        _follow(store, study.name, decision)
    return decision


def _other_margin(decision: dict[str, Any], margin: float) -> list[str]:
    """A margin that was changed since a decision decided nothing."""
    used = decision.get("margin", margin)  # decisions of earlier days do not say
    later = f"{margin:g} is for the next version"
    return [f"  ! decided with a margin of {used:g}: {later}"] if used != margin else []


def read_study(config: RetrainConfig) -> StudyConfig:
    """The study of every round; refuses what no round could end well with.

    Raises:
        ConfigError: No snapshot can be called so, or the study cannot be read.
        StudyError: It names no external centre.
    """
    check_name(config.snapshot)
    study = StudyConfig.read(config.study)
    if study.external_centre is None:
        raise StudyError(
            "the study names no external centre, and nothing else judges a challenger",
            study.name,
            "set external_centre",
        )
    return study


def _finish(store: Store, name: str) -> None:
    """Do what an earlier round decided before it was killed: new data may have come since.

    Raises:
        StoreError: Who is champion is lost: whoever came next would be the first, and unopposed.
    """
    found = (find_beside(store, name, number, DECISION) for number in versions(store, name))
    decided = [one for one in found if one]
    undone = [one for one in decided if _undone(store, name, one)]
    if len(undone) < len(decided) and not champions(store, name):
        raise _lost(store, name)
    if undone:
        with writing(store, PROMOTING):
            for decision in undone:
                _follow(store, name, decision)


def _lost(store: Store, name: str) -> StoreError:
    hint = "restore models from a backup, or radlas model promote"
    return StoreError("who is champion is lost", f"{store.place}, model {name}", hint)


def _follow(store: Store, name: str, decision: dict[str, Any]) -> None:
    """Do what was decided, unless it is done; the caller holds the write lock."""
    if _undone(store, name, decision):
        number, why = decision["challenger"], decision["why"]
        move_alias(store, name, number, why, after=decision.get("promotions", 0))


def _undone(store: Store, name: str, decision: dict[str, Any]) -> bool:
    """Whether a round was killed between its decision and what follows from it.

    A champion whom somebody made since is not touched: the history is longer then.
    """
    before = decision.get("promotions", 0)  # decisions of earlier days do not say
    return bool(decision["decision"] == "promote") and len(champions(store, name)) == before


def _standing(store: Store, name: str, decision: dict[str, Any]) -> dict[str, Any]:
    """The champion as it is now, ``version why``: a person may have put another in its place."""
    past = champions(store, name)
    if not past:  # a decision is there, and nobody stands
        raise _lost(store, name)
    now = past[-1]
    # Counted, not dated: machines whose clocks differ decide and promote.
    last = decision.get("promotions") == len(past)
    return {"version": now["version"], "why": decision["why"] if last else now["why"]}


def _twin(store: Store, study: StudyConfig, number: int) -> int | None:
    """A version that was decided on with the same models and the same external rows."""
    past = {entry["version"] for entry in champions(store, study.name)}
    if not past:
        return None
    card, made_of = read_card(store, study.name, number), ("study_digest", "models")
    for one in reversed(versions(store, study.name)):
        decided = one in past or find_beside(store, study.name, one, DECISION)
        if one == number or not decided:
            continue
        old = read_card(store, study.name, one)
        same = all(card[name] == old[name] for name in made_of)
        if same and _same_rows(store, study, card["snapshot"], old["snapshot"]):
            return one
    return None


def _same_rows(store: Store, study: StudyConfig, *snapshots: str) -> bool:
    """Whether the external centre's rows are the same in two snapshots."""
    centres = (str(study.external_centre),)
    one, other = (
        load_dataset(store, load_snapshot(store, label), study, centres) for label in snapshots
    )
    return bool(one.X.equals(other.X) and one.y.equals(other.y))
