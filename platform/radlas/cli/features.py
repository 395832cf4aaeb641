"""Verbs of feature sets: list, show."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from radlas.cli.app import JsonOption, StoreOption
from radlas.entry import guarded, show
from radlas.flows.base import Report
from radlas.store.layout import open_store
from radlas.store.recipes import list_recipes, load_recipe


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(help="Extraction recipes and their settings.", no_args_is_help=True)
    for verb in (list_, show_):
        group.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(group, name="features")


def list_(store: StoreOption, as_json: JsonOption = False) -> None:
    """List all feature sets of the store."""

    def action() -> int:
        names = list_recipes(open_store(store))
        lines = tuple(names) or ("no feature set yet: radlas extract",)
        return show(Report(lines, {"feature_sets": names}), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def show_(
    name: Annotated[str, typer.Argument(help="As `radlas features list` gives it.")],
    store: StoreOption,
    as_json: JsonOption = False,
) -> None:
    """Show one feature set: extractor, settings, versions."""

    def action() -> int:
        recipe = load_recipe(open_store(store), name)
        lines = json.dumps(recipe, indent=2).splitlines()
        return show(Report(tuple(lines), recipe), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))
