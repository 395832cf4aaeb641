"""The command's frame: the Typer application and the options that many verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from radlas.version import __version__

app = typer.Typer(
    help="Feature store and study platform for multicentre MRI radiomics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="RADLAS_STORE", help="Folder of the store, or s3://bucket/…."),
]
InsteadOption = Annotated[
    str | None,
    typer.Option("--store", envvar="RADLAS_STORE", help="Instead of the YAML's `store`."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the same as JSON.")]
EngineOption = Annotated[
    str, typer.Option(help="serial, local, local:4 (processes) or tcp://host:port.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan, do nothing.")]
ToleratedOption = Annotated[
    int, typer.Option(min=0, help="Quarantined or failed cases before the exit code is 1.")
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"radlas {__version__}")
        raise typer.Exit


@app.callback()
def _frame(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Feature store and study platform for multicentre MRI radiomics."""
