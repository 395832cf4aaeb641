"""Verbs of snapshots: create, list, show, diff, verify, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from radlas.cli.app import JsonOption, StoreOption
from radlas.entry import guarded, show
from radlas.errors import ConfigError, StoreError
from radlas.flows.base import Report
from radlas.progress import watched_rows
from radlas.store.diff import diff_snapshots
from radlas.store.frozen import Snapshot, load_snapshot, read_snapshots
from radlas.store.gates import Gates, said
from radlas.store.layout import open_store
from radlas.store.locks import writing
from radlas.store.snapshots import create_snapshot, verify_snapshot
from radlas.store.travel import export
from radlas.words import counted

_USUAL = Gates()
Label = Annotated[str, typer.Argument(help="NAME (its newest) or NAME@N.")]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(help="Named, immutable selections of rows.", no_args_is_help=True)
    for verb in (create, list_, show_, diff, verify, export_):
        group.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(group, name="snapshot")


def create(
    name: Annotated[str, typer.Argument(help="Letters, digits, dashes.")],
    store: StoreOption,
    cohort: Annotated[
        str | None, typer.Option(help="SQL with a column case_id; else all cases.")
    ] = None,
    feature_set: Annotated[list[str] | None, typer.Option(help="Repeatable; else all.")] = None,
    max_null_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of undefined values of a column.")
    ] = _USUAL.max_null_rate,
    min_cases: Annotated[
        int, typer.Option(min=0, help="Cases that every centre must have.")
    ] = _USUAL.min_cases_per_centre,
    refuse: Annotated[
        list[str] | None,
        typer.Option(help="Gate that refuses and not only warns, repeatable; see above."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze what the store holds now. Unchanged content gives the newest snapshot back.

    Gates: unique_keys and finite always refuse; expected_rows, null_rate, constant and
    cases_per_centre warn, unless they are named by --refuse.
    """

    def action() -> int:
        if cohort == "":  # of a variable that is not set, or a file that is not there
            raise ConfigError("--cohort is empty", hint="for all cases leave --cohort out")
        opened = open_store(store)
        gates = Gates.parse(
            {
                "max_null_rate": max_null_rate,
                "min_cases_per_centre": min_cases,
                "refuse": sorted({*_USUAL.refuse, *(refuse or ())}),
            },
            "radlas snapshot create",
        )
        with writing(opened, "snapshot create", alone=True):
            snapshot, new = create_snapshot(
                opened,
                name,
                cohort_sql=cohort or "",
                feature_sets=tuple(feature_set or ()),
                gates=gates,
            )
        word = "created" if new else "unchanged since"
        lines = (f"{word} snapshot {snapshot.label}", *_lines(snapshot))
        return show(Report(lines, asdict(snapshot) | {"new": new}), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def list_(store: StoreOption, as_json: JsonOption = False) -> None:
    """List all snapshots. Cases are counted; `show` names them."""

    def action() -> int:
        found = [_listed(snapshot) for snapshot in read_snapshots(open_store(store))]
        lines = [
            f"{s['name']}@{s['number']}  {counted(s['cases'], 'case')}  {s['created_at']}"
            f"  {s['id'][:12]}"
            for s in found
        ]
        data = {"snapshots": found}
        return show(Report(tuple(lines) or ("no snapshot yet",), data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _listed(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot without its lists, which `show` gives: hundreds of them name millions of cases."""
    facts = {name: value for name, value in vars(snapshot).items() if name != "parts"}
    return facts | {"cases": len(snapshot.cases)}


def show_(label: Label, store: StoreOption, as_json: JsonOption = False) -> None:
    """Show one snapshot: counts, feature sets, versions, digests."""

    def action() -> int:
        snapshot = load_snapshot(open_store(store), label)
        lines = (f"snapshot {snapshot.label}", *_lines(snapshot))
        return show(Report(lines, asdict(snapshot)), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def diff(old: Label, new: Label, store: StoreOption, as_json: JsonOption = False) -> None:
    """Say what changed from OLD to NEW."""

    def action() -> int:
        opened = open_store(store)
        data = diff_snapshots(opened, load_snapshot(opened, old), load_snapshot(opened, new))
        lines = [f"{data['old']} -> {data['new']}: {'the same' if data['same'] else 'different'}"]
        for what in ("cases", "feature_sets"):
            added, removed = data[what]["added"], data[what]["removed"]
            lines.append(f"  {what}: {len(added)} added, {len(removed)} removed")
            lines += [f"    + {name}" for name in added[:5]]
            lines += [f"    - {name}" for name in removed[:5]]
        for pair in data["settings"]:
            lines.append(f"  settings from {pair['old']} to {pair['new']}")
            for name, (before, after) in pair["changed"].items():
                lines.append(f"    {name}: {before} -> {after}")
        for table, found in data["tables"].items():
            told = ", ".join(f"{found[what]} {what}" for what in ("added", "removed", "changed"))
            lines.append(f"  rows of {table}: {told}")
            lines += [f"    + column {name}" for name in found["columns_added"]]
            lines += [f"    - column {name}" for name in found["columns_removed"]]
            lines += [f"    {number} cells of {name}" for name, number in found["cells"].items()]
        return show(Report(tuple(lines), data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def verify(label: Label, store: StoreOption, as_json: JsonOption = False) -> None:
    """Read every pinned row again, and check it against its digest.

    Exit code 1 if anything has changed.
    """

    def action() -> int:
        opened = open_store(store)
        snapshot = load_snapshot(opened, label)
        data, damage = {"snapshot": snapshot.label, "ok": True, "damage": list[str]()}, ""
        try:
            verify_snapshot(opened, snapshot)
        except StoreError as error:
            damage = str(error)
            data |= {"ok": False, "damage": [damage]}
        line = damage or f"snapshot {snapshot.label} reads as it was frozen"
        return show(Report((line,), data, int(bool(damage))), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def export_(
    label: Label,
    out: Annotated[Path, typer.Argument(help="Folder to make, or a file that ends in .zip.")],
    store: StoreOption,
    as_json: JsonOption = False,
) -> None:
    """Write a snapshot as a store of its own. It keeps its identity; no image travels."""

    def action() -> int:
        opened = open_store(store)
        snapshot = load_snapshot(opened, label)
        with watched_rows("export") as tally:
            rows = export(opened, out, snapshot, tally)
        lines = [
            f"exported snapshot {snapshot.label}, id {snapshot.id[:16]}, to {out}",
            *(f"  {counted(number, 'row')} of {name}" for name, number in rows.items()),
            "  no image, no mask, no site key",
            f"next, where it goes: {_next(snapshot, out)}",
        ]
        data = {"out": str(out), "snapshot": snapshot.label, "id": snapshot.id, "rows": rows}
        return show(Report(tuple(lines), data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _next(snapshot: Snapshot, out: Path) -> str:
    verify = f"radlas snapshot verify {snapshot.label} --store"
    if out.suffix == ".zip":
        return f"unzip {quote(out.name)} -d {quote(out.stem)}; {verify} {quote(out.stem)}"
    return f"{verify} {quote(out.name)}"


def _lines(snapshot: Snapshot) -> list[str]:
    lines = [f"  id {snapshot.id[:16]}, created {snapshot.created_at}"]
    for centre, n in snapshot.counts.items():
        lines.append(
            f"  centre {centre}: {counted(n['cases'], 'case')} of"
            f" {counted(n['subjects'], 'subject')}"
        )
    lines += [f"  feature set {name}" for name in snapshot.feature_sets]
    lines += [f"  {table}: {counted(one['rows'], 'row')}" for table, one in snapshot.tables.items()]
    lines += [f"  warning: {said(one)}" for one in snapshot.validation.get("findings", ())]
    return lines
