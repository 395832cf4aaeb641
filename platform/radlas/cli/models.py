"""Verbs of the registry: which models there are, what one is, which one stands."""

from __future__ import annotations

from typing import Annotated

import typer

from radlas.cli.app import JsonOption, StoreOption
from radlas.cli.study import Model
from radlas.entry import guarded, show
from radlas.flows.versions import list_versions, promote, show_version
from radlas.store.layout import open_store
from radlas.store.locks import writing
from radlas.store.models import PROMOTING


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(help="Trained versions, and which one stands.", no_args_is_help=True)
    for verb in (list_, show_, promote_):
        group.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(group, name="model")


def list_(store: StoreOption, as_json: JsonOption = False) -> None:
    """List every version and the champions. The AUC is given out of fold and outside."""

    def action() -> int:
        return show(list_versions(open_store(store)), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def show_(model: Model, store: StoreOption, as_json: JsonOption = False) -> None:
    """Show one version. It tells what it was made from, how it did, and the champions so far."""

    def action() -> int:
        return show(show_version(open_store(store), model), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def promote_(
    model: Annotated[str, typer.Argument(help="NAME@N, a newer version or, to go back, an older.")],
    store: StoreOption,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the champion's history.")],
    as_json: JsonOption = False,
) -> None:
    """Make a version the champion by hand. This is how to go back to an earlier one."""

    def action() -> int:
        opened = open_store(store)
        with writing(opened, PROMOTING):
            report = promote(opened, model, why)
        return show(report, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))
