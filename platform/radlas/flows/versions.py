"""The registry as people ask for it: which versions there are, what one is, which one stands."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.pages.intervals import auc_interval
from radlas.report.format import fixed
from radlas.store.layout import Store
from radlas.store.models import (
    DECISION,
    PAGE,
    VALIDATION,
    champions,
    find_beside,
    model_name,
    model_versions,
    move_alias,
    read_alias,
    read_card,
    resolve,
)

Json = dict[str, Any]


def list_versions(store: Store) -> Report:
    """Every version of every study, the newest of a study first."""
    found = [
        _facts(store, name, number)
        for name, numbers in model_versions(store).items()
        for number in reversed(numbers)
    ]
    lines = [line for one in found for line in (*_lines(one), *_red(one))]
    return Report(tuple(lines) or ("no model yet: radlas train",), {"models": found})


def show_version(store: Store, label: str) -> Report:
    """One version: what it was made from, how it did, and who was champion before and after it.

    Raises:
        ConfigError: There is no such model.
    """
    name, number = resolve(store, label)
    facts, card = _facts(store, name, number), read_card(store, name, number)
    validated: Json = find_beside(store, name, number, VALIDATION) or {}
    facts |= {
        "snapshot_id": card["snapshot_id"],
        "study_digest": card["study_digest"],
        "feature_sets": card["feature_sets"],
        "radlas": card["radlas"],
        "aucs": {
            one: _areas(card["training"][one], validated.get("models", {}).get(one))
            for one in card["models"]
        },
        "decision": find_beside(store, name, number, DECISION),
        "champions": champions(store, name),
    }
    return Report(tuple(_page(store, facts)), facts)


def promote(store: Store, label: str, why: str) -> Report:
    """Make a version the champion, a newer one or, to go back, an older one.

    Raises:
        ConfigError: There is no such version, it is the champion already, it was never judged on
            its external centre, or no reason is given.
    """
    name, number = resolve(store, label)
    facts, before = _facts(store, name, number), read_alias(store, name)
    told = f"{name}@{number}"
    if not why.strip():
        raise ConfigError("no reason is given", told, 'say it: --why "…"; it is kept')
    if before == number:
        raise ConfigError(f"{told} is the champion already", hint="radlas model list")
    if facts["external_centre"] and facts["external"] is None:
        raise ConfigError(
            f"{told} was never judged on {facts['external_centre']}",
            hint=f"radlas validate {quote(told)}; it counts as a look at that centre",
        )
    move_alias(store, name, number, why.strip())
    line = f"{told} is the champion; before: {f'{name}@{before}' if before else 'none'}"
    return Report(
        (line, *_red(facts)), facts | {"champion": True, "champion_before": before, "why": why}
    )


def _facts(store: Store, name: str, number: int) -> Json:
    card = read_card(store, name, number)
    study, validated = card["study"], find_beside(store, name, number, VALIDATION)
    primary = study["primary"]
    external = None
    if validated:
        external = {"look": validated["look"], **_area(validated["models"][primary])}
    return {
        "model": name,
        "version": number,
        "champion": read_alias(store, name) == number,
        "created_at": card["created_at"],
        "snapshot": card["snapshot"],
        "primary": primary,
        "training": _area(card["training"][primary]),
        "external_centre": study["external_centre"],
        "external": external,
        "synthetic": card["synthetic"],
        "warnings": card["warnings"],
        "page": f"{model_name(name, number)}/{PAGE}",
    }


def _area(found: Mapping[str, Any]) -> Json:
    """AUC of out-of-fold or external risks, with its interval if it has one."""
    area = found["auc"]
    bounds = None if area["auc"] is None else auc_interval(area)[0]
    return {"n": found["n"], "auc": area["auc"], "interval": list(bounds) if bounds else None}


def _areas(training: Mapping[str, Any], external: Mapping[str, Any] | None) -> Json:
    return {"training": _area(training), "external": _area(external) if external else None}


def _lines(one: Json) -> list[str]:
    outside = "not validated"
    if one["external_centre"] is None:
        outside = "no external centre"
    elif one["external"]:
        outside = f"{one['external_centre']} {_told(one['external'])}"
    words = [one["created_at"][:10], f"snapshot {one['snapshot']}"]
    words += ["champion"] if one["champion"] else []
    return [
        f"{one['model']}@{one['version']}  {'  '.join(words)}",
        f"  {one['primary']}: out of fold {_told(one['training'])}; {outside}",
    ]


def _told(area: Json) -> str:
    if area["auc"] is None:
        return f"AUC not estimable, n = {area['n']}"
    bounds = " ({} to {})".format(*map(fixed, area["interval"])) if area["interval"] else ""
    return f"AUC {fixed(area['auc'])}{bounds}, n = {area['n']}"


def _page(store: Store, one: Json) -> list[str]:
    label, external = f"{one['model']}@{one['version']}", one["external"]
    lines = [
        f"{label}{', the champion' if one['champion'] else ''}",
        f"  made {one['created_at']} by radlas {one['radlas']}, study {one['study_digest'][:12]},"
        f" snapshot {one['snapshot']} ({one['snapshot_id'][:12]})",
        *(f"  feature set {name}" for name in one["feature_sets"]),
    ]
    for name, area in one["aucs"].items():
        lines.append(f"  {name}: out of fold {_told(area['training'])}")
        if area["external"]:
            lines.append(f"    {one['external_centre']}: {_told(area['external'])}")
    if external:
        lines.append(f"  look {external['look']} at {one['external_centre']}")
    elif one["external_centre"]:
        lines.append(f"  not validated: radlas validate {quote(label)}")
    if one["decision"]:
        lines.append(
            f"  retraining decided: {one['decision']['decision']}; {one['decision']['why']}"
        )
    lines += [
        f"  champion from {entry['at']}: {one['model']}@{entry['version']}, {entry['why']}"
        for entry in one["champions"]
    ]
    if store.place.size(one["page"]) is not None:
        lines.append(f"  report: {store.place}/{one['page']}")
    return [*lines, *_red(one)]


def _red(one: Json) -> list[str]:
    told = ["made from a synthetic cohort: it says nothing of patients"] if one["synthetic"] else []
    return [f"  !! {line}" for line in [*told, *one["warnings"]]]
