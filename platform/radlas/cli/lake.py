"""Verbs of the lake: ask it in SQL, and keep its files few."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from enum import StrEnum
from io import StringIO
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from radlas.cli.app import JsonOption, StoreOption, piped
from radlas.entry import guarded, plain, printing, show
from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.places.stages import whole
from radlas.progress import watched_rows
from radlas.store.answer import (
    IN_WORDS,
    NESTED,
    apart,
    as_frame,
    as_json,
    as_rows,
    as_table,
    as_text,
)
from radlas.store.compact import MANY, RETENTION_HOURS, compact, vacuum
from radlas.store.frozen import load_snapshot, read_snapshots
from radlas.store.layout import open_store
from radlas.store.locks import writing
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import open_snapshot
from radlas.store.travel import export, merge
from radlas.tables import TABLES
from radlas.words import counted, harmless


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


_EXACT = ("hugeint", "decimal")  # pandas would make floats of them
_COMMENT = re.compile(r"^--(?=\s|[^=\n]*\n)")  # no option has a blank there, or two lines
_SIGNS = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN|[,:]')
FILES_ONLY = (Format.PARQUET, Format.ARROW)
SnapshotOption = Annotated[str | None, typer.Option(help="NAME or NAME@N; else live.")]
MemoryOption = Annotated[
    str, typer.Option(help="Most memory a query may take, as 2GB; beyond, it goes to disk.")
]


class _Query(TyperCommand):
    """A query may begin with a comment, as files of SQL do: it is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_COMMENT.sub(r"\n\g<0>", one) for one in args])


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command("query", cls=_Query)(query)
    app.command("sql")(sql)
    app.command("compact")(compact_)
    app.command("export")(export_)
    app.command("merge")(merge_)


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the views; - reads it from stdin.")],
    store: StoreOption,
    snapshot: SnapshotOption = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    memory: MemoryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask the store or a snapshot in SQL.

    Views: cases, rois, prepared, clinical, radiomics, radiomics_wide, deep, outcomes, latest,
    missing (what cases lack, and why).
    Read-only. `radlas sql` is the same, to talk to.
    """

    def action() -> int:
        if as_json and format_ not in {Format.TABLE, Format.JSON}:
            raise ConfigError(f"--json and --format {format_} contradict", hint="give one of them")
        text = piped() if sql == "-" else sql
        with _connected(store, snapshot, memory, text) as connection:
            _give(run_sql(connection, text), Format.JSON if as_json else format_, out)
        return 0

    raise typer.Exit(guarded(action, as_json=as_json or format_ is Format.JSON))


def sql(store: StoreOption, snapshot: SnapshotOption = None, memory: MemoryOption = "") -> None:
    """Talk SQL to the store or a snapshot. Tab completes views and columns."""

    def action() -> int:
        from radlas.cli.shell import Shell

        with _connected(store, snapshot, memory) as connection:
            shell = Shell(connection, lambda relation, name: _give(relation, Format(name), None))
            if sys.stdin.isatty():
                shell.talk(f"{PurePosixPath(store).name}{f' {snapshot}' if snapshot else ''}> ")
                return 0
            return shell.read(piped())

    raise typer.Exit(guarded(action))


def compact_(
    store: StoreOption,
    many: Annotated[
        int, typer.Option(min=1, help="Merge partitions of more files than this.")
    ] = MANY,
    keep_hours: Annotated[
        int, typer.Option(min=1, help="Keep replaced and orphaned files for so many hours.")
    ] = RETENTION_HOURS,
    as_json: JsonOption = False,
) -> None:
    """Merge small files of the lake. Old ones that no snapshot stands on are removed.

    Changes no row and no snapshot; others may read and write meanwhile.
    """

    def action() -> int:
        opened = open_store(store)
        done = [compact(opened, name, many=many) for name in TABLES]
        frozen = [snapshot.versions for snapshot in read_snapshots(opened)]
        gone = {
            name: vacuum(opened, name, [at.get(name, -1) for at in frozen], hours=keep_hours)
            for name in TABLES
        }
        lines = [
            f"{one.table}: {counted(one.parts_before, 'part')} -> {one.parts_after},"
            f" {one.bytes_before / 1e6:.1f} MB -> {one.bytes_after / 1e6:.1f} MB,"
            f" {len(gone[one.table])} old files removed"
            for one in done
            if one.parts_before
        ]
        data = {"tables": [asdict(one) | {"removed": gone[one.table]} for one in done]}
        return show(Report(tuple(lines) or ("the lake is empty",), data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def export_(
    out: Annotated[Path, typer.Argument(help="Folder to make, or a file that ends in .zip.")],
    store: StoreOption,
    features_only: Annotated[
        bool, typer.Option("--features-only", help="Required: you know that images stay here.")
    ] = False,
    snapshot: SnapshotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a store that another site can open, without images.

    Features, clinical records and outcomes travel.

    No image, no mask and no site key travels; a snapshot keeps its identity.
    """

    def action() -> int:
        if not features_only:
            raise ConfigError(
                "images are never exported", hint="add --features-only to export the rest"
            )
        opened = open_store(store)
        frozen = None if snapshot is None else load_snapshot(opened, snapshot)
        with watched_rows("export") as tally:
            rows = export(opened, out, frozen, tally)
        lines = [
            f"exported {out}",
            *(f"  {counted(number, 'row')} of {name}" for name, number in rows.items()),
        ]
        lines.append(f"next, where it goes: radlas merge {quote(out.name)} --store STORE")
        return show(Report(tuple(lines), {"out": str(out), "rows": rows}), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def merge_(
    source: Annotated[Path, typer.Argument(help="An exported store: folder or zip.")],
    store: StoreOption,
    as_json: JsonOption = False,
) -> None:
    """Add another site's features to this store. Nothing is overwritten, conflicts are named."""

    def action() -> int:
        opened = open_store(store)
        with writing(opened, "merge", alone=True), watched_rows("merge") as tally:
            done = merge(opened, source, tally)
        lines = [
            f"  {name}: {counted(one['new'], 'new row')}, {one['known']} known before"
            for name, one in done.items()
        ]
        report = Report((f"merged {source}", *lines), {"source": str(source), "rows": done})
        return show(report, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


@contextmanager
def _connected(
    store: str, snapshot: str | None, memory: str, asked: str | None = None
) -> Iterator[Any]:
    opened = open_store(store)
    if snapshot is not None:  # an empty name, of a variable that is not set, is none
        pinned = load_snapshot(opened, snapshot)
        with open_snapshot(opened, pinned, memory=memory, asked=asked) as connection:
            yield connection
    else:
        with connect(opened, memory=memory, asked=asked) as connection:
            yield connection


def _give(relation: Any, format_: Format, out: Path | None) -> None:
    """Print rows, or write them to a file."""
    if format_ in FILES_ONLY:
        if out is None:
            raise ConfigError(f"{format_} goes to a file", hint=f"name it: --out result.{format_}")
        _write_binary(relation, format_, out)
        return
    on_terminal = out is None and sys.stdout.isatty()
    text = _text(relation, format_, wide=not on_terminal)
    if out is None:  # coloured is nothing of it; without that, echo takes escapes out of values
        with printing():
            typer.echo(harmless(text) if on_terminal else text, nl=False, color=True)
    else:
        with whole(out) as file:
            file.write_text(text, encoding="utf-8")


def _write_binary(relation: Any, format_: Format, out: Path) -> None:
    table = as_table(relation)
    with whole(out) as path, path.open("wb") as file:
        if format_ is Format.PARQUET:
            import pyarrow.parquet as pq

            pq.write_table(table, file)
        else:
            from pyarrow import feather

            feather.write_feather(table, file, compression="zstd")


def _text(relation: Any, format_: Format, *, wide: bool) -> str:
    if format_ is Format.CSV:
        return _csv(relation)
    if format_ is Format.JSON:
        return json.dumps(plain(as_rows(relation)), indent=1, default=str) + "\n"
    width = 10_000 if wide else shutil.get_terminal_size().columns
    return harmless(f"{_boxed(relation, width)}\n")


def _csv(relation: Any) -> str:
    """Lists and structures as JSON: pandas would leave out the middle of those that are long.

    Sums of whole numbers, and decimals, with all their digits.
    """
    names, kinds = apart(relation.columns), relation.types
    frame = as_frame(as_text(as_json(relation), *_EXACT, *IN_WORDS))
    frame.columns = names
    for place, kind in enumerate(kinds):
        if kind.id in NESTED:
            told = frame.iloc[:, place].str.replace(_SIGNS, _as_python_has_it, regex=True)
            frame.isetitem(place, told)
    text: str = frame.to_csv(index=False)
    return text


def _as_python_has_it(found: re.Match[str]) -> str:
    """JSON has no NaN and no infinity; within a text both are words, and a comma is a comma."""
    if found[0].startswith('"'):
        return found[0]
    return f"{found[0]} " if found[0] in ",:" else "null"


def _boxed(relation: Any, width: int) -> str:
    """DuckDB's own table, which it can only print."""
    with redirect_stdout(StringIO()) as caught:
        relation.show(max_width=width, max_rows=1_000)
    return caught.getvalue().rstrip("\n")
