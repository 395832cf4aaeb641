"""The command's frame: the Typer application and the options that many verbs share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from radlas.entry import guarded, printing
from radlas.errors import ConfigError
from radlas.version import __version__

SECTIONS = {
    "Make a store and fill it": "init ingest qc extract pretrain weights phantom",
    "Look after it": "status retry whois verify compact doctor",
    "Ask it, and freeze what it holds": "query sql snapshot features schemas",
    "Fit and judge models": "train stability validate explain report predict lineage model",
    "Again and again": "retrain schedule",
    "Between sites": "export merge",
}  # of `radlas --help`: thirty verbs in one list say nothing of which comes first


class _Commands(TyperGroup):
    """The command. Who asked for JSON is told in JSON that a word of it is missing or unknown."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The verbs under headings, in the order in which they are met."""
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        for title, names in SECTIONS.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(limit))
                for name in names.split()
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **how: Any) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        as_json = _as_data(words)

        def action() -> int:
            if not as_json:
                with printing():  # of the help, which is no verb's
                    return super(_Commands, self).main(args, *rest, **how) or 0
            how["standalone_mode"] = False
            try:
                code = super(_Commands, self).main(words, *rest, **how)
            except TyperException as error:
                hint = "-h in place of --json shows what the command takes"
                raise ConfigError(error.format_message(), "the command line", hint) from error
            return code or 0

        sys.exit(guarded(action, as_json=as_json))


def _as_data(words: Sequence[str]) -> bool:
    asked = [word for word in words if word in {"--json", "--format=json"}]
    return bool(asked) or ("--format", "json") in pairwise(words)


app = typer.Typer(
    cls=_Commands,
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
    typer.Option("--store", envvar="RADLAS_STORE", help="Store to use instead of the YAML's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the same as JSON.")]
EngineOption = Annotated[
    str, typer.Option(help="serial, local, local:4 (processes), tcp:// or tls://host:port.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan, do nothing.")]
ToleratedOption = Annotated[
    int,
    typer.Option(
        min=0, help="Quarantined or failed cases, or files out of reach, before exit code 1."
    ),
]


def piped() -> str:
    """The text on stdin.

    Raises:
        ConfigError: It is not in UTF-8.
    """
    try:
        text = sys.stdin.read()
        text.encode()  # without a locale Python lets pass what is none, as halves of signs
    except UnicodeError:
        raise ConfigError("no text, or none in UTF-8", "stdin", "save the file in UTF-8") from None
    return text


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"radlas {__version__}")
        raise typer.Exit


@app.callback()
def _frame(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Feature store and study platform for multicentre MRI radiomics."""
