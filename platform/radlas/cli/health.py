"""Verbs of a store's and the machine's health: status, retry, whois, verify, doctor; contracts.

Each imports its flow when it is called: a status must not wait for the extraction's libraries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from radlas.cli.app import DryRunOption, EngineOption, JsonOption, StoreOption
from radlas.config import Config
from radlas.entry import USAGE, apart, guarded, perform, show
from radlas.errors import ConfigError
from radlas.flows.base import Flow, Report, StoreConfig
from radlas.reasons import REASONS
from radlas.store import health
from radlas.store.layout import open_store
from radlas.store.ledger import release
from radlas.store.locks import writing
from radlas.store.schemas import export_schemas
from radlas.store.travel import merged_cases
from radlas.words import counted


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    for verb in (status, retry, whois, verify, doctor):
        app.command()(verb)
    schemas = typer.Typer(help="The published contracts.", no_args_is_help=True)
    schemas.command("export")(schemas_export)
    app.add_typer(schemas, name="schemas")


def status(store: StoreOption, as_json: JsonOption = False) -> None:
    """Say how the store stands. It tells centres, stages, what is in trouble and what took long."""

    def action() -> int:
        data = health.status(open_store(store))
        return show(Report(tuple(_status_lines(data, store)), data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _status_lines(data: dict[str, Any], store: str) -> Iterator[str]:
    yield f"store {data['store']}"
    if not data["stages"] and not data["cases"]:
        command = f"radlas ingest SOURCE --store {quote(store)} --centre NAME"
        yield f"  no exam in it yet; next: {command}"
    for centre, number in data["cases"].items():
        yield f"  centre {centre}: {counted(number, 'case')} stored"
    for stage, centres in data["centres"].items():
        for centre, states in centres.items():
            told = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
            yield f"  {stage} of {centre}: {told}"
    for one in data["trouble"]:
        known = REASONS.get(one["reason"])
        told = f": {known.meaning}" if known else ""
        yield f"  {one['tasks']} {one['state']} in {one['stage']}, {one['reason']}{told}"
        if one["state"] == "failed":
            yield "    our fault, not the data's: the next run tries again; messages in `latest`"
        elif one["state"] == "released":
            yield f"    the next run of {one['stage']} does it again"
        else:
            command = f"radlas retry --store {quote(store)} --reason {quote(one['reason'])}"
            yield f"    after a remedy: {command}"
    for store_id in data["unfinished_merges"]:
        yield f"  a merge of store {store_id[:8]} has not ended: some of its rows may be lacking"
        yield "    if none is running, run the same `radlas merge` again"
    for one in data["slowest"]:
        told = f"{one['seconds']:.1f} s, {one['peak_rss_mib']:.0f} MiB"
        what = one["feature_set"] or one["stage"]
        yield f"  slowest {what}: case {one['case_id'][:8]} of {one['centre']}, {told}"
    yield from (f"  feature set {name}" for name in data["feature_sets"])
    yield from (f"  snapshot {name}" for name in data["snapshots"])


def retry(
    store: StoreOption,
    reason: Annotated[str, typer.Option(help="Reason code, as `radlas status` lists it.")],
    engine: EngineOption = "local",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Release what ended under a reason, and redo it. It says first what that redoes."""

    def action() -> int:
        from radlas.flows.retry import plan_retry

        opened = open_store(store)
        with apart():
            planned = plan_retry(opened, reason)
        lines = [
            f"{counted(one.tasks, 'task')} of {one.stage} {one.centre or one.feature_set}: "
            + one.ways
            for one in planned
        ]
        redo = [
            {
                "stage": one.stage,
                "centre": one.centre,
                "feature_set": one.feature_set,
                "tasks": one.tasks,
                "runs": len(one.runs),
                "command": one.command,
                "by_hand": one.by_hand,
            }
            for one in planned
        ]
        if dry_run:
            return show(Report(tuple(lines), {"reason": reason, "redo": redo}), as_json=as_json)
        with writing(opened, "retry", alone=True):
            number = release(opened, reason)
        lines.append(f"{counted(number, 'task')} released")
        runs = [run for one in planned for run in one.runs]
        reports = [_redo(flow, config, engine) for flow, config in runs]
        data = {"reason": reason, "released": number, "redo": redo}
        data["reports"] = [dict(report.data) for report in reports]
        told = [line for report in reports for line in report.lines]
        code = max((report.exit_code for report in reports), default=0)
        return show(Report((*lines, *told), data, code), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _redo(flow: Flow[Any, Any], config: StoreConfig, engine: str) -> Report:
    """One run's report; a source that is no longer what it was does not keep others waiting."""
    try:
        return perform(flow, config, engine=engine)
    except ConfigError as error:
        return Report((f"{flow.name} did not run: {error}",), {"error": error.what}, USAGE)


def whois(
    asked: Annotated[
        str,
        typer.Argument(help="First digits of a case or subject id, or the hospital's patient id."),
    ],
    store: StoreOption,
    as_json: JsonOption = False,
) -> None:
    """Tell which exam a case is, or a patient's cases. It reads the sources, stores nothing."""

    def action() -> int:
        from radlas.flows.whois import who_is

        found = who_is(open_store(store), asked)
        lines = [
            f"case {one.pseudonym[:8]} of {one.centre}: patient {one.subject or '?'},"
            f" here subject {one.subject_id}, series {one.series}, at {one.place}"
            for one in found
        ]
        return show(
            Report(tuple(lines), {"found": [asdict(one) for one in found]}), as_json=as_json
        )

    raise typer.Exit(guarded(action, as_json=as_json))


def verify(store: StoreOption, as_json: JsonOption = False) -> None:
    """Compare everything that is stored with its digests.

    Volumes, masks, files of the lake and snapshots.
    """

    def action() -> int:
        opened = open_store(store)
        damage = health.verify(opened)
        elsewhere = None if damage else len(merged_cases(opened))
        lines = damage or [f"everything reads as it was committed{_not_read(elsewhere)}"]
        data = {"damage": damage, "elsewhere": elsewhere}
        return show(Report(tuple(lines), data, int(bool(damage))), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def _not_read(elsewhere: int | None) -> str:
    """Volumes that nobody misses: they were merged without, or somebody forgot to copy them."""
    return f"; the images of {counted(elsewhere, 'case')} are not in it" if elsewhere else ""


def doctor(
    compile_: Annotated[
        bool,
        typer.Option("--compile", help="Compile the extraction's loops first, once and for all."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that everything radlas needs is installed and works. It prints the remedy if not."""

    def action() -> int:
        from radlas import doctor as checks

        if compile_:
            checks.compile_loops()
        with apart():
            found = checks.examine()
        lines = [f"{'ok ' if one.ok else 'BAD'} {one.name}: {one.detail}" for one in found]
        data = {"checks": [one._asdict() for one in found]}
        code = int(not all(one.ok for one in found))
        return show(Report(tuple(lines), data, code), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def schemas_export(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("schemas"),
) -> None:
    """Write the contracts of tables, configurations and views."""

    def action() -> int:
        for path in export_schemas(out, _published_configs()):
            typer.echo(path)
        return 0

    raise typer.Exit(guarded(action))


def _published_configs() -> dict[str, type[Config]]:
    from radlas.features.ibsi.settings import IbsiSettings
    from radlas.features.resnet.extractor import DeepSettings
    from radlas.features.settings import RadiomicsSettings
    from radlas.flows.cases.pretraining import PretrainConfig
    from radlas.flows.explain import ExplainConfig
    from radlas.flows.extract import ExtractConfig
    from radlas.flows.ingest import IngestConfig
    from radlas.flows.retrain import RetrainConfig
    from radlas.learn.study import StudyConfig

    return {
        "ingest": IngestConfig,
        "extract": ExtractConfig,
        "extractor-radiomics": RadiomicsSettings,
        "extractor-ibsi": IbsiSettings,
        "extractor-deep": DeepSettings,
        "study": StudyConfig,
        "explain": ExplainConfig,
        "pretrain": PretrainConfig,
        "retrain": RetrainConfig,
    }
