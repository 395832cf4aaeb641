"""Pretrain: weights for the network from the images of training centres, without any label."""

from __future__ import annotations

import fcntl
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radlas.config import Config
from radlas.digests import from_json
from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.cases.pretraining import (
    PretrainConfig,
    all_exams,
    extractor_of,
    first_cases,
    intact,
    kept_images,
    shape_of,
)
from radlas.flows.study.networks import IMAGE_DIGITS
from radlas.model import Row
from radlas.places.stages import whole
from radlas.store.layout import open_store
from radlas.store.pretraining import note_pretraining
from radlas.words import counted

if TYPE_CHECKING:
    from radlas.features.resnet.contrast import TrainingSettings

OBJECTIVE = "contrastive (NT-Xent)"
_ENDED = "ended"  # file of a run that has its weights


def pretrain(
    config: PretrainConfig, *, watch: Callable[[int, float, float], None] | None = None
) -> Report:
    """Train until the last step, or go on where an interrupted run stood.

    What the network has seen is noted in the weights file, so that a study whose external centre is
    among it can be refused.

    Args:
        config: What to do.
        watch: Told of each step: number, loss, share of crops that found their like.

    Raises:
        ConfigError: The file is there already, no case is of these centres, there are too few for a
            step or their crops too large; another process is at it, or a run with other settings
            was left unfinished there, or a damaged one; or training got lost.
        WorkerError: ``memory`` or ``device``: the GPU is too small, or cannot be used.
    """
    from radlas.features.resnet import checkpoint as files  # noqa: PLC0415
    from radlas.features.resnet.contrast import Trainer, check  # noqa: PLC0415 - torch
    from radlas.features.resnet.device import default_device  # noqa: PLC0415
    from radlas.features.resnet.trouble import device_errors  # noqa: PLC0415
    from radlas.features.resnet.weights import state_of  # noqa: PLC0415

    work = config.out.with_suffix(".unfinished")
    if config.out.exists() and (work / _ENDED).exists():  # it was killed as it tidied up
        shutil.rmtree(work, ignore_errors=True)
    files.check_free(config.out)
    store = open_store(config.store)
    cases, training = first_cases(store, config), _training(config)
    check(shape_of(config, cases), training)
    smaller = "a smaller `batch` or `crop`, or another GPU"
    with _alone(work), device_errors(default_device(), held="a step", instead=smaller):
        files.check_free(config.out)  # who was at it may have ended since
        _same_run(work, config, cases)
        images = kept_images(config, cases, work)
        trainer, checkpoint = Trainer(images, training, default_device()), work / "checkpoint.pt"
        resumed = checkpoint.exists()
        if resumed:
            trainer.load(checkpoint)
        trainer.run(watch or _nobody, config.checkpoint_every, checkpoint)
        note = _note(config, all_exams(store, cases))
        note |= _figures(trainer.last, config.batch, trainer.untaught())
        note |= {"torch": version("torch"), "device": default_device()}
        state = state_of(trainer.network)
        note["recast"] = files.recast_digests(state)
        note_pretraining(store, files.weights_digest(state), note)  # first: a kill may come between
        (work / _ENDED).touch()
        files.save_weights(config.out, state, note)
        shutil.rmtree(work, ignore_errors=True)  # what is made is no failure by what stays
    lines = _told(config, note, len(cases), resumed=resumed)
    return Report(tuple(lines), {**note, "out": str(config.out), "resumed": resumed})


def _told(
    config: PretrainConfig, note: Mapping[str, Any], cases: int, *, resumed: bool
) -> list[str]:
    lines = [
        f"pretrain: {config.out} from images of {counted(cases, 'subject')} of"
        f" {', '.join(sorted(config.centres))}, {counted(config.steps, 'step')}"
        + (" (went on where an earlier run stood)" if resumed else ""),
        f"  two crops of one patient were matched in {note['found']:.0%} of tries (with random"
        f" weights {note['untaught']:.0%}, by chance {note['chance']:.0%}); loss"
        f" {note['loss']:.3f}",
        "  name it in the recipe, deep: {weights: FILE}; a study whose external centre is among"
        " these centres will be refused",
    ]
    if note["untrained"]:
        lines.append(
            "  !! it learned next to nothing, and will be treated as a network with random weights:"
            " more steps, or another learning rate"
        )
    return lines


def _training(config: PretrainConfig) -> TrainingSettings:
    from radlas.features.resnet.contrast import TrainingSettings  # noqa: PLC0415 - torch

    return TrainingSettings(
        variant=extractor_of(config).settings.variant,
        crop=config.crop,
        batch=config.batch,
        steps=config.steps,
        learning_rate=config.learning_rate,
        temperature=config.temperature,
        seed=config.seed,
    )


def _nobody(step: int, loss: float, share: float) -> None:
    """Nobody watches."""


def _figures(
    last: Sequence[tuple[float, float]], batch: int, untaught: float
) -> dict[str, float | bool]:
    """Means over the last steps, what chance would give, and whether that is training at all.

    Random weights find the like of many crops too. Training is what finds more of the same crops,
    by more than two standard errors of such a count, and twice as many as chance.
    """
    loss, found = (float(value) for value in np.mean(last, axis=0))
    chance, crops = 1 / (2 * batch - 1), 2 * batch * len(last)
    doubt = 2 * math.sqrt(untaught * (1 - untaught) / crops)
    figures = {"loss": loss, "found": found, "chance": chance, "untaught": untaught}
    learned = found > max(untaught + doubt, 2 * chance)
    return {name: round(value, 6) for name, value in figures.items()} | {"untrained": not learned}


def _note(config: PretrainConfig, exams: Sequence[Row]) -> dict[str, Any]:
    """What is told of the weights, wherever they go: pseudonyms, never names."""
    return {
        "source": "radlas pretrain",
        "objective": OBJECTIVE,
        "centres": sorted(config.centres),
        "subjects": sorted({exam["subject_id"] for exam in exams}),
        "images": sorted({(exam["voxel_digest"] or "")[:IMAGE_DIGITS] for exam in exams} - {""}),
        "synthetic": any(exam["synthetic"] for exam in exams),
        "settings": _settings(config),
        "steps": config.steps,
        "seed": config.seed,
    }


def _settings(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"store", "out", "checkpoint_every"})


def _same_run(work: Path, config: PretrainConfig, cases: Sequence[Row]) -> None:
    """What lies there must be of this very run, else it would go on from other images."""
    path, mine = work / "run.json", _note(config, cases)
    if not path.exists():
        with whole(path) as temporary:  # half a file would refuse every later try
            temporary.write_text(json.dumps(mine, sort_keys=True))
    with intact(path):
        kept = from_json(path.read_bytes())
    if kept != json.loads(json.dumps(mine)):
        raise ConfigError(
            "an unfinished run with other settings or images lies there",
            str(work),
            "remove the folder to start anew, or name another file",
        )


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another process is making these weights", str(work), "wait for it to end"
            ) from None
        yield
