"""Verbs of the network's weights: look at a file, convert it, make one's own."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from radlas.cli.app import InsteadOption, JsonOption
from radlas.entry import guarded, show
from radlas.flows.base import Report
from radlas.words import counted

File = Annotated[Path, typer.Argument(help="A .pth checkpoint of tensors alone, or .safetensors.")]
_SPEAK = 10.0  # seconds between lines of progress


def register(app: typer.Typer) -> None:
    """Add the group and the verb to the application."""
    group = typer.Typer(help="The network's weights.", no_args_is_help=True)
    for verb in (show_, import_):
        group.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(group, name="weights")
    app.command("pretrain")(pretrain_)


def show_(file: File, as_json: JsonOption = False) -> None:
    """Say what a weights file holds. It tells which variants take it, and where it comes from."""

    def action() -> int:
        return show(_told(file), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def import_(
    file: File,
    out: Annotated[Path, typer.Argument(help="The .safetensors file to make.")],
    as_json: JsonOption = False,
) -> None:
    """Convert a checkpoint (MedicalNet, torchvision r3d_18) once. Features stay the same.

    The file is read as tensors alone, every backbone tensor must be there and fit, and its SHA-256
    is noted in the new file.
    """

    def action() -> int:
        from radlas.features.resnet.checkpoint import read_weights, save_weights
        from radlas.features.resnet.state import fitting

        weights = read_weights(file)
        fitting(weights, file)
        save_weights(out, weights.state, weights.note)
        told = _told(out)
        left = f"  left out, as no part of the backbone: {', '.join(weights.heads)}"
        lines = (f"imported {file} as {out}", *told.lines[1:], *([left] if weights.heads else []))
        data = {**told.data, "left_out": list(weights.heads)}
        return show(Report(lines, data), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


def pretrain_(
    config: Annotated[Path, typer.Argument(help="YAML, as jobs/pretrain.yaml.")],
    out: Annotated[
        Path | None, typer.Option(help="The .safetensors file to make [YAML's].")
    ] = None,
    store: InsteadOption = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all [YAML's].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train weights on training centres' images, without labels. A killed run goes on."""

    def action() -> int:
        from radlas.flows.cases.pretraining import PretrainConfig
        from radlas.flows.pretrain import pretrain

        given = {"out": out, "store": store, "steps": steps}
        read = PretrainConfig.read(config, {k: v for k, v in given.items() if v is not None})
        return show(pretrain(read, watch=_Watch(read.steps)), as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


class _Watch:
    """A line of progress now and then."""

    def __init__(self, total: int) -> None:
        self._total, self._spoken = total, time.monotonic()
        self._start: tuple[int, float] | None = None

    def __call__(self, step: int, loss: float, share: float) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = step, now
        if now - self._spoken < _SPEAK and step < self._total:
            return
        self._spoken = now
        told = f"pretrain {step}/{self._total}, loss {loss:.3f}, found {share:.0%}"
        print(told + self._left(step, now), file=sys.stderr, flush=True)

    def _left(self, step: int, now: float) -> str:
        """After one step nobody knows how long the others take."""
        first, since = self._start or (step, now)
        if step == first:
            return ""
        return f", {(self._total - step) * (now - since) / (step - first):.0f} s left"


def _told(file: Path) -> Report:
    from radlas.features.resnet.checkpoint import read_weights
    from radlas.features.resnet.state import fitting

    weights = read_weights(file)
    variants = fitting(weights, file)
    note = weights.note
    lines = [
        f"{file}: a backbone of 3D ResNet18 for variant {' or '.join(variants)}",
        f"  weights SHA-256 {weights.digest}",
    ]
    if "subjects" in note:
        lines.append(
            f"  made by radlas pretrain, {note['objective']},"
            f" {counted(note['steps'], 'step')}, on images of"
            f" {counted(len(note['subjects']), 'subject')} of {', '.join(note['centres'])}"
        )
        if note.get("untrained"):
            lines.append("  !! which taught it next to nothing: a null model")
        if note.get("synthetic"):
            lines.append("  !! the images were synthetic")
    else:
        lines.append(f"  from {note['source']}, SHA-256 {note['source_sha256']}")
        lines.append("  what they were trained on, the file does not say")
    data = {"variants": list(variants), "digest": weights.digest, "note": dict(note)}
    return Report(tuple(lines), data)
