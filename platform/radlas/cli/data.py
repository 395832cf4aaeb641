"""Verbs that bring data in and measure it: init, phantom, ingest, qc, extract.

Each imports its flow when it is called: a store is made without the extraction's libraries.
"""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from radlas.cli.app import (
    DryRunOption,
    EngineOption,
    InsteadOption,
    JsonOption,
    StoreOption,
    ToleratedOption,
)
from radlas.entry import execute, guarded, show
from radlas.flows.base import Report
from radlas.store.layout import init_store


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    for verb in (init, phantom, ingest_, qc_, extract_):
        app.command(verb.__name__.rstrip("_"))(verb)


def init(
    store: Annotated[str, typer.Argument(help="Folder to make, or s3://bucket/prefix.")],
    key: Annotated[Path | None, typer.Option(help="Site key to copy; else one is made.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty store, and its site key beside it."""

    def action() -> int:
        made = init_store(store, key)
        lines = (
            f"made store {made.place}",
            f"  site key: {made.key_path}: keep it safe and apart: it links patients to pseudonyms",
            f"next: radlas ingest SOURCE --store {quote(str(made.place))} --centre NAME",
        )
        data = {"store": str(made.place), "store_id": made.store_id, "key": str(made.key_path)}
        return show(Report(lines, data), as_json=as_json)

    again = "run the same command again; if there is a store then, it was made in time: use it"
    raise typer.Exit(guarded(action, as_json=as_json, again=again))


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    subjects: Annotated[int, typer.Option(min=6, help="Over three centres.")] = 203,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic three-centre cohort with planted truth."""

    def action() -> int:
        from radlas.phantom import PhantomConfig, write_cohort

        values = {"out": out, "subjects": subjects, "seed": seed, "workers": workers}
        made = write_cohort(PhantomConfig.parse(values), _count_to_stderr)
        word = "wrote" if made.created else "found, complete and with these settings,"
        lines = [f"{word} {made.subjects} synthetic subjects in {made.out}"]
        for centre, grades in made.centres.items():
            told = ", ".join(f"{number} {grade} grade" for grade, number in grades.items())
            lines.append(f"  {centre}: {told}")
        lines.append(f"  what was planted: {made.out / 'truth.csv'}")
        data = {"out": str(made.out), "created": made.created, "centres": made.centres}
        return show(Report(tuple(lines), data), as_json=as_json)

    again = "run the same command again: it begins anew, as a cohort is there whole or not at all"
    raise typer.Exit(guarded(action, as_json=as_json, again=again))


def ingest_(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive of one centre.")],
    store: StoreOption,
    centre: Annotated[str, typer.Option(help="Name of the hospital or collection.")],
    importer: Annotated[
        str, typer.Option(help="dicom, dicom-masks, tcia-sts, nifti, table.")
    ] = "dicom",
    rois: Annotated[Path | None, typer.Option(help="YAML: name patterns of each ROI.")] = None,
    sequence: Annotated[str | None, typer.Option(help="Keep only T2FS, STIR, T1 or other.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Voxel value of the ROI in mask files: 255; or tumour=1, repeated."),
    ] = None,
    resample_masks: Annotated[
        float,
        typer.Option(min=0, help="Resample masks that are displaced by up to this [mm]."),
    ] = 0.0,
    minimum_voxels: Annotated[
        int, typer.Option(min=1, help="Refuse ROIs of fewer voxels than this.")
    ] = 1,
    grades: Annotated[
        Path | None, typer.Option(help="YAML: which grades are positive, negative, excluded.")
    ] = None,
    tolerated: ToleratedOption = 0,
    engine: EngineOption = "local",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a centre's exams and masks into the store. Safe to repeat."""

    def action() -> int:
        from radlas.flows.ingest import IngestConfig, ingest

        values = {
            "source": source,
            "store": store,
            "centre": centre,
            "importer": importer,
            "rois": rois,
            "sequence": sequence,
            "label": tuple(label or ()),
            "resample_masks": resample_masks,
            "minimum_voxels": minimum_voxels,
            "grades": grades,
            "tolerated": tolerated,
        }
        config = IngestConfig.parse(values, "radlas ingest")
        return execute(ingest, config, engine=engine, dry_run=dry_run, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def qc_(
    store: StoreOption,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("qc.html"),
    centre: Annotated[str | None, typer.Option(help="Only this centre's cases.")] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="Cases that are drawn, the worst first; others are rows.")
    ] = 500,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Write one page to look at every case. It shows slice, outlines, remarks; the worst first."""

    def action() -> int:
        from radlas.flows.qc import QcConfig, qc

        values = {"store": store, "out": out, "centre": centre, "pictures": pictures}
        config = QcConfig.parse(values, "radlas qc")
        return execute(qc, config, engine=engine, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def extract_(
    config: Annotated[Path, typer.Option(help="YAML: extractors and their settings.")],
    store: InsteadOption = None,
    tolerated: Annotated[
        int | None,
        typer.Option(min=0, help="Quarantined or failed cases before the exit code is 1 [YAML's]."),
    ] = None,
    engine: EngineOption = "local",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute every feature row the store does not hold yet. Safe to repeat."""

    def action() -> int:
        from radlas.flows.extract import ExtractConfig, extract

        given = {"store": store, "tolerated": tolerated}
        values = ExtractConfig.read(config, {k: v for k, v in given.items() if v is not None})
        return execute(extract, values, engine=engine, dry_run=dry_run, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _count_to_stderr(done: int, total: int) -> None:
    if sys.stderr.isatty() or done in {total, total // 2}:
        end = "\r" if sys.stderr.isatty() and done < total else "\n"
        print(f"phantom {done}/{total}", end=end, file=sys.stderr, flush=True)
