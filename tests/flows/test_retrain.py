"""The gate of retraining: who is compared with whom, on whom, and what a killed round leaves."""

from __future__ import annotations

import importlib
import re
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from radlas.flows.study import challenge
from radlas.flows.study.challenge import decide
from radlas.learn.statistics.delong import paired
from radlas.learn.study import StudyConfig
from radlas.store.layout import open_store
from radlas.store.locks import writing
from radlas.store.models import (
    CARD,
    DECISION,
    LOOKS,
    PROMOTING,
    VALIDATION,
    champions,
    find_json,
    keep_beside,
    model_versions,
    move_alias,
    read_beside,
    read_card,
)

from .conftest import radlas

module = importlib.import_module("radlas.flows.retrain")  # the package gives its function


def one_round(config):
    return radlas("retrain", config, "--once", "--engine", "serial", "--json")


def rows(gain: float, subjects: range = range(60)) -> list[dict[str, object]]:
    """Risks that tell the classes apart the better the larger the gain."""
    draws = np.random.default_rng(3).uniform(0, 0.4, 100)
    return [
        {"subject": f"s{i:02}", "label": i % 2, "risk": float(draws[i] + gain * (i % 2))}
        for i in subjects
    ]


def planted(store, number: int, primary: str, **models: list[dict[str, object]]) -> None:
    """A version with these external risks and no more."""
    card = read_card(store, "tiny", 1)
    changed = {**card, "study": card["study"] | {"primary": primary}}
    keep_beside(store, "tiny", number, CARD, changed)
    found = {"models": {name: {"predictions": told} for name, told in models.items()}}
    keep_beside(store, "tiny", number, VALIDATION, found)


def test_each_version_is_compared_by_what_it_calls_its_primary_model(own_store, study_file):
    """A study that changes its primary model may not pass by what that was worth before."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    planted(store, 7, "dlr", dlr=rows(0.35), intratumoral=rows(0.05))
    planted(store, 8, "intratumoral", dlr=rows(0.35), intratumoral=rows(0.06))
    move_alias(store, "tiny", 7, "planted")
    changed = study.model_copy(update={"primary": "intratumoral"})
    decision = decide(store, changed, 8, 0.1)
    assert decision["decision"] == "keep", decision["why"]
    assert "changes by -0." in decision["why"]


def test_a_primary_model_that_the_champion_has_not_is_compared_all_the_same(own_store, study_file):
    store, study = open_store(own_store), StudyConfig.read(study_file)
    planted(store, 7, "dlr", dlr=rows(0.05))
    planted(store, 8, "wider", wider=rows(0.35))
    move_alias(store, "tiny", 7, "planted")
    decision = decide(store, study.model_copy(update={"primary": "wider"}), 8, 0.03)
    assert decision["decision"] == "promote", decision["why"]


def test_whom_a_comparison_leaves_out_is_counted(own_store, study_file):
    store, study = open_store(own_store), StudyConfig.read(study_file)
    planted(store, 7, "dlr", dlr=rows(0.05, range(50)))
    new = rows(0.35, range(10, 56))
    new[0] |= {"label": 1 - new[0]["label"]}
    planted(store, 8, "dlr", dlr=new)
    move_alias(store, "tiny", 7, "planted")
    decision = decide(store, study, 8, 0.03)
    assert decision["compared"] == {
        "subjects": 39,
        "relabelled": 1,
        "challenger_only": 6,
        "champion_only": 10,
    }
    assert "on 39 subjects, without 1 with another label since" in decision["why"]
    assert "10 that only the champion was judged on" in decision["why"]


def test_small_losses_may_not_add_up(own_store, study_file):
    """The third is within the margin of the second, and no more of the first."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    move_alias(store, "tiny", 5, "of a day when nobody judged outside: nothing compares it")
    for number, gain in ((7, 0.35), (8, 0.30)):
        planted(store, number, "dlr", dlr=rows(gain))
        move_alias(store, "tiny", number, "planted")
    planted(store, 9, "dlr", dlr=rows(0.25))
    assert decide(store, study, 9, 0.15)["decision"] == "promote"
    decision = decide(store, study, 9, 0.09)
    assert decision["decision"] == "keep"
    assert "small losses have added up since an earlier champion" in decision["why"]
    assert "against version 7 on 60 subjects" in decision["why"]


def test_a_version_of_the_champions_own_curve_is_not_worse(own_store, study_file):
    """Fitted on more patients, a signature of one feature ranks the external ones as before."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    risks = rows(0.2)
    planted(store, 7, "dlr", dlr=risks)
    planted(store, 8, "dlr", dlr=[{**one, "risk": 0.9 * one["risk"]} for one in risks])
    move_alias(store, "tiny", 7, "planted")
    decision = decide(store, study, 8, 0.03)
    assert decision["decision"] == "promote", decision["why"]
    assert "by +0.000 (+0.000 to +0.000) against version 7 on 60 subjects;" in decision["why"]
    assert decide(store, study, 8, 0)["decision"] == "keep"


@pytest.mark.parametrize(("beside", "decided"), [(2e-5, "promote"), (-2e-5, "keep")])
def test_a_lower_bound_just_beside_the_margin_does_not_look_like_it(
    own_store, study_file, beside, decided
):
    """Else -0.026 would exceed -0.026, or would not, and a reader could not tell which."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    planted(store, 7, "dlr", dlr=(old := rows(0.2)))
    planted(store, 8, "dlr", dlr=(new := rows(0.22)))
    move_alias(store, "tiny", 7, "planted")
    labels = [one["label"] for one in new]
    low, _ = paired(labels, *([one["risk"] for one in risks] for risks in (new, old))).interval
    decision = decide(store, study, 8, margin := beside - low)
    assert decision["decision"] == decided
    told, must = re.search(r"\((\S+) to .* must exceed (\S+)$", decision["why"]).groups()
    assert (float(told) > float(must)) == (decided == "promote")
    assert float(must) == pytest.approx(-margin, abs=5e-6)
    assert decide(store, study, 8, 0)["why"].endswith("must exceed +0.000")


def test_a_champion_that_was_taken_back_is_no_measure_any_more(own_store, study_file):
    """What it reached may have been the reason."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    for number, gain in ((6, 0.15), (7, 0.39), (8, 0.16)):
        planted(store, number, "dlr", dlr=rows(gain))
    for number in (6, 7):
        move_alias(store, "tiny", number, "planted")
    assert decide(store, study, 8, 0.03)["decision"] == "keep"
    move_alias(store, "tiny", 6, "7 had seen them")
    decision = decide(store, study, 8, 0.03)
    assert decision["decision"] == "promote", decision["why"]


def test_a_champion_that_was_never_judged_outside_stays_and_the_reason_is_said(
    own_store, study_file
):
    store, study = open_store(own_store), StudyConfig.read(study_file)
    card = read_card(store, "tiny", 1)
    keep_beside(store, "tiny", 7, CARD, card)
    planted(store, 8, "dlr", dlr=rows(0.35))
    move_alias(store, "tiny", 7, "before the study had an external centre")
    decision = decide(store, study, 8, 0.03)
    assert decision["decision"] == "keep"
    assert "version 7, the champion, was never judged outside" in decision["why"]
    move_alias(store, "tiny", 6, "of a folder that was removed since")
    decision = decide(store, study, 8, 0.03)
    assert decision["decision"] == "keep"
    assert "version 6, the champion, is no longer there" in decision["why"]


def test_a_round_that_was_killed_before_it_promoted_is_finished_by_the_next(
    own_store, config, monkeypatch
):
    store = open_store(own_store)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "move_alias", killed)
        assert one_round(config).code == 130
    assert not champions(store, "tiny")
    said = one_round(config)
    assert said.code == 0, said.err
    assert [entry["version"] for entry in champions(store, "tiny")] == [1]
    assert one_round(config).code == 0
    assert len(champions(store, "tiny")) == 1


def earlier(store, decision: str) -> None:
    """A version of another day, and what was decided on it."""
    planted(store, 7, "dlr", dlr=rows(0.35))
    told = {"decision": decision, "why": "better", "at": "2026", "challenger": 7, "promotions": 0}
    keep_beside(store, "tiny", 7, DECISION, told)


def test_what_a_killed_round_decided_is_done_though_its_data_are_gone_by_now(own_store, config):
    """Cases come every day: the next round is of another version, and compares it with this one."""
    store = open_store(own_store)
    earlier(store, "promote")
    said = one_round(config)
    assert said.code == 0, said.err
    assert (champions(store, "tiny")[0]["version"], said.data["champion"]) == (7, 7)


def test_no_round_promotes_unopposed_because_who_was_champion_is_lost(own_store, config):
    store = open_store(own_store)
    earlier(store, "keep")
    said = one_round(config)
    assert (said.code, said.data["error"]["what"]) == (2, "who is champion is lost")
    assert not champions(store, "tiny")


def test_who_was_taken_back_by_hand_is_not_promoted_again_by_the_next_round(own_store, config):
    store = open_store(own_store)
    first = one_round(config).data
    assert (first["decision"], first["stands"]["version"]) == ("promote", 1)
    move_alias(store, "tiny", 7, "by hand")
    assert one_round(config).code == 0
    assert [entry["version"] for entry in champions(store, "tiny")] == [1, 7]


def test_who_stands_by_hand_stands_for_the_reason_of_that_person(own_store, config, monkeypatch):
    """Though the machine that decided before was ahead of the one of who took it back."""
    ahead = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(minutes=10))
    with monkeypatch.context() as patch:
        patch.setattr(challenge, "datetime", ahead)
        assert one_round(config).data["decision"] == "promote"
    move_alias(open_store(own_store), "tiny", 7, "by hand")
    said = radlas("retrain", config, "--once", "--engine", "serial")
    assert "tiny@7 stands: by hand\n" in said.out
    assert one_round(config).data["stands"] == {"version": 7, "why": "by hand"}


def test_of_two_rounds_at_once_the_first_one_decides(own_store, config, monkeypatch):
    store, told = open_store(own_store), module.report

    def meanwhile(*words):
        decision = {"decision": "promote", "why": "the other round", "at": "2026", "challenger": 1}
        keep_beside(store, "tiny", 1, DECISION, decision)
        move_alias(store, "tiny", 1, decision["why"])
        return told(*words)

    monkeypatch.setattr(module, "report", meanwhile)
    assert one_round(config).code == 0
    assert read_beside(store, "tiny", 1, DECISION)["why"] == "the other round"
    assert len(champions(store, "tiny")) == 1


def test_a_round_decides_and_a_person_promotes_beside_runs_that_write(
    own_store, config, monkeypatch
):
    """An ingest takes a night: a round that ends in it would have trained for nothing."""
    store, told = open_store(own_store), module.report
    with ExitStack() as running:

        def begun(*words):
            running.enter_context(writing(store, "ingest centre-b"))
            return told(*words)

        monkeypatch.setattr(module, "report", begun)
        said = one_round(config)
        assert said.code == 0, said.err
        assert [entry["version"] for entry in champions(store, "tiny")] == [1]
        move_alias(store, "tiny", 7, "planted")
        words = ("model", "promote", "tiny@1", "--store", own_store, "--why", "seen by a person")
        assert radlas(*words).code == 0
        with writing(store, PROMOTING):  # only who promotes waits for who promotes
            said = radlas(*words)
        assert (said.code, "model promote by process" in said.err) == (2, True)


def test_without_an_external_centre_nothing_is_trained(own_store, config, study_file, tmp_path):
    store, study = open_store(own_store), tmp_path / "study.yaml"
    before = model_versions(store), find_json(store, LOOKS)
    study.write_text(study_file.read_text().replace("external_centre: centre-c\n", ""))
    config.write_text(config.read_text().replace(str(study_file), str(study)))
    said = one_round(config)
    assert said.code == 2
    assert "names no external centre" in said.out + said.err
    assert (model_versions(store), find_json(store, LOOKS)) == before
