"""Verbs of features: which sets there are, what one was made with, what the features mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from radlas.catalogue import BY_NAME, FAMILIES, PROFILES, Feature
from radlas.cli.app import JsonOption, StoreOption
from radlas.entry import guarded, show
from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.store.layout import open_store
from radlas.store.recipes import list_recipes, load_recipe


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(help="Extraction recipes and their settings.", no_args_is_help=True)
    for verb in (list_, show_, describe):
        group.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(group, name="features")


def list_(store: StoreOption, as_json: JsonOption = False) -> None:
    """List all feature sets of the store."""

    def action() -> int:
        from radlas.flows.study.networks import network_warnings, without_marks

        names = list_recipes(open_store(store))
        warnings = network_warnings(open_store(store), names)
        lines = (*names, *warnings) or ("no feature set yet: radlas extract",)
        data = {"feature_sets": names, "warnings": without_marks(warnings)}
        return show(Report(lines, data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def show_(
    name: Annotated[str, typer.Argument(help="As `radlas features list` gives it.")],
    store: StoreOption,
    as_json: JsonOption = False,
) -> None:
    """Show one feature set: extractor, settings, versions."""

    def action() -> int:
        from radlas.flows.study.networks import network_warnings, without_marks

        recipe = load_recipe(open_store(store), name)
        warnings = network_warnings(open_store(store), [name])
        lines = (*json.dumps(recipe, indent=2).splitlines(), *warnings)
        return show(Report(lines, recipe | {"warnings": without_marks(warnings)}), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def describe(
    what: Annotated[
        str | None, typer.Argument(help="A family (glcm), a feature, or part of its name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what features mean: unit, definition, IBSI code."""

    def action() -> int:
        found = [one for one in BY_NAME.values() if _fits(one, (what or "").lower())]
        if not found:
            families = ", ".join(FAMILIES)
            raise ConfigError(f"no feature is called {what!r}", hint=f"families: {families}")
        data = [
            {**one._asdict(), "family": one.family, "profiles": _profiles(one)} for one in found
        ]
        return show(Report(tuple(_told(found)), {"features": data}), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _fits(feature: Feature, what: str) -> bool:
    return what == feature.family if what in FAMILIES else what in feature.name.lower()


def _profiles(feature: Feature) -> list[str]:
    return [profile for profile, names in PROFILES.items() if feature.name in names]


def _told(features: list[Feature]) -> Iterator[str]:
    family = ""
    for one in features:
        if one.family != family:
            family = one.family
            yield f"{family}: {FAMILIES[family]}"
        code = f"IBSI {one.ibsi}" if one.ibsi else "not in IBSI"
        unit = "" if one.unit == "1" else f" [{one.unit}]"
        remark = f"; here {one.remark}" if one.remark else ""
        profiles = _profiles(one)
        remark += "" if len(profiles) == len(PROFILES) else f"; profile {profiles[0]} only"
        yield f"  {one.name}{unit}: {one.definition} ({code}{remark})"
