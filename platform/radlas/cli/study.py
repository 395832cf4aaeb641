"""Verbs of the study: train, stability, validate, explain, report, predict, lineage, retrain.

Each imports its flow when it is called: scikit-learn, shap and torch take seconds.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from radlas.cli.app import DryRunOption, EngineOption, InsteadOption, JsonOption, StoreOption
from radlas.entry import execute, guarded, make_engine, show
from radlas.errors import ConfigError
from radlas.progress import WatchedEngine
from radlas.store.layout import open_store

Model = Annotated[str, typer.Argument(help="NAME (champion or newest), NAME@champion or NAME@N.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    for verb in (train_, stability_, validate_, explain_, report_, predict_, lineage_, retrain_):
        app.command(verb.__name__.rstrip("_"))(verb)


def train_(
    study: Annotated[Path, typer.Argument(help="YAML protocol of the study.")],
    store: StoreOption,
    snapshot: Annotated[str, typer.Option(help="NAME or NAME@N.")],
    engine: EngineOption = "local",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit every model of a study on its training centres. Rows are those of a snapshot."""

    def action() -> int:
        from radlas.flows.train import TrainConfig, train

        values = {"store": store, "study": study, "snapshot": snapshot}
        config = TrainConfig.parse(values, "radlas train")
        return execute(train, config, engine=engine, dry_run=dry_run, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def stability_(
    study: Annotated[Path, typer.Argument(help="YAML protocol of the study.")],
    store: StoreOption,
    snapshot: Annotated[str, typer.Option(help="NAME or NAME@N.")],
    readers: Annotated[
        str, typer.Option(help="Feature sets, one per reader, comma-separated [perturbed copies].")
    ] = "",
    form: Annotated[str, typer.Option(help="ICC(A,1), ICC(C,1) or ICC(1,1).")] = "ICC(A,1)",
    threshold: Annotated[float, typer.Option(help="Least lower 95 % bound of the ICC.")] = 0.75,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Freeze which features are stable.

    They are judged by perturbed copies, or by several readers, of training patients.
    """

    def action() -> int:
        from radlas.flows.stability import StabilityConfig, stability

        values = {"store": store, "study": study, "snapshot": snapshot, "form": form}
        named = [one.strip() for one in readers.split(",") if one.strip()]
        values |= {"readers": named, "threshold": threshold}
        config = StabilityConfig.parse(values, "radlas stability")
        return execute(stability, config, engine="serial", dry_run=dry_run, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def validate_(model: Model, store: StoreOption, as_json: JsonOption = False) -> None:
    """Evaluate the locked models on the external centre, once. Every look is counted."""

    def action() -> int:
        from radlas.flows.validate import ModelConfig, validate

        config = ModelConfig.parse({"store": store, "model": model}, "radlas validate")
        return execute(validate, config, engine="serial", as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def explain_(
    model: Model,
    store: StoreOption,
    maps: Annotated[
        int | None, typer.Option(min=0, help="Grad-CAM cases, evenly spaced over the risks [all].")
    ] = None,
    region: Annotated[
        str, typer.Option(help="whole, roi_box or ring_box [the first that the model takes].")
    ] = "",
    layer: Annotated[str, typer.Option(help="layer4, or layer3.")] = "layer4",
    weights: Annotated[Path | None, typer.Option(help="The network's file, if any.")] = None,
    engine: EngineOption = "serial",  # a few maps: a cluster would cost more than it saves
    as_json: JsonOption = False,
) -> None:
    """SHAP of the primary model, and Grad-CAM of its deep part."""

    def action() -> int:
        from radlas.flows.explain import ExplainConfig, explain

        values = {"store": store, "model": model, "maps": maps, "weights": weights}
        config = ExplainConfig.parse(values | {"region": region, "layer": layer}, "radlas explain")
        return execute(explain, config, engine=engine, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def report_(
    model: Model,
    store: StoreOption,
    out: Annotated[Path | None, typer.Option(help="Where a copy of the page goes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything known of a model on one page. It opens without network."""

    def action() -> int:
        from radlas.flows.report import ReportConfig, report

        values = {"store": store, "model": model, "out": out}
        config = ReportConfig.parse(values, "radlas report")
        return execute(report, config, engine="serial", as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def predict_(
    model: Model,
    cases: Annotated[list[str], typer.Argument(help="Case ids, or their first digits.")],
    store: StoreOption,
    out: Annotated[Path | None, typer.Option(help="Folder for a page of each case.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The network's file, if any.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the risk of cases in the store, and what drove it. It also says what is unusual.

    Exit code 1 if some of them cannot be told one: they are named, with the reason.
    """

    def action() -> int:
        from radlas.flows.predict import PredictConfig, predict

        values = {"store": store, "model": model, "cases": cases, "out": out}
        config = PredictConfig.parse({**values, "weights": weights}, "radlas predict")
        return show(predict(config), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def lineage_(
    model: Model,
    store: StoreOption,
    case: Annotated[str, typer.Argument(help="A case of its snapshot, or first digits.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Trace a report's figures back to the voxels of a CASE. Every link is computed again.

    Exit code 1 if one does not hold.
    """

    def action() -> int:
        from radlas.flows.base import Report
        from radlas.flows.lineage import trace

        links = trace(open_store(store), model, case)
        lines = []
        for one in links:
            word = f"BROKEN: {one.broken}" if one.broken else one.unseen or "holds"
            lines.append(f"{one.step:<8}  {one.claim}: {word}\n            {one.name}")
        broken = sum(bool(one.broken) for one in links)
        lines.append(f"lineage: {len(links)} links, {broken} broken")
        data = {"links": [asdict(one) for one in links], "broken": broken}
        return show(Report(tuple(lines), data, 1 if broken else 0), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def retrain_(
    config: Annotated[Path, typer.Argument(help="YAML: study, cohort, rule.")],
    store: InsteadOption = None,
    once: Annotated[bool, typer.Option("--once", help="Required: one round, and no more.")] = False,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Freeze, train, validate, report; promote or keep. Why is written down. Safe to repeat."""

    def action() -> int:
        if not once:
            raise ConfigError(
                "this is one round", hint="add --once; radlas schedule, cron or systemd repeat it"
            )
        from radlas.flows.retrain import RetrainConfig, retrain

        values = RetrainConfig.read(config, {} if store is None else {"store": store})
        watched = WatchedEngine(make_engine(engine), "retrain")
        try:
            return show(retrain(values, engine=watched), as_json=as_json)
        finally:
            watched.close()

    raise typer.Exit(guarded(action, as_json=as_json))
