"""Pretrain: weights for the network from the images of training centres, without any label."""

from __future__ import annotations

import fcntl
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from radlas.config import Config
from radlas.errors import ConfigError, DataError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor
from radlas.flows.base import Report, StoreConfig
from radlas.flows.study.networks import IMAGE_DIGITS
from radlas.model import Row
from radlas.places.stages import whole
from radlas.store import delta
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.pretraining import note_pretraining
from radlas.store.travel import merged_cases
from radlas.volumes.zarr import read_volume
from radlas.words import counted

if TYPE_CHECKING:
    from radlas.features.resnet.contrast import Training

OBJECTIVE = "contrastive (NT-Xent)"
READERS = 2
_ENDED = "ended"  # file of a run that has its weights


class PretrainConfig(StoreConfig):
    """Which centres, which network, for how long."""

    out: Path = Field(description="Weights file to make, as `sarcoma.safetensors`.")
    centres: tuple[str, ...] = Field(
        min_length=1, description="Whose images are used: the study's training centres."
    )
    snapshot: str = Field(default="", description="Only cases of this snapshot; empty for all.")
    input: dict[str, Any] = Field(
        default_factory=dict,
        description="`variant`, `axes`, `size`, `spacing`, `background` as under `deep:` in the"
        " extraction recipe that will use the weights.",
    )
    crop: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(32, 112, 112), description="Voxels of a crop along (z, y, x)."
    )
    batch: int = Field(default=16, ge=2, description="Patients of a step, two crops of each.")
    steps: PositiveInt = Field(default=3000, description="Steps in all.")
    learning_rate: PositiveFloat = Field(
        default=1e-3, description="Of AdamW, at the beginning [1]."
    )
    temperature: PositiveFloat = Field(default=0.2, description="Of the loss NT-Xent [1].")
    seed: NonNegativeInt = Field(default=0, description="Of weights, crops and changes.")
    checkpoint_every: PositiveInt = Field(default=50, description="Steps lost by a kill, at most.")


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
    from radlas.features.resnet.trouble import told_of_device  # noqa: PLC0415
    from radlas.features.resnet.weights import state_of  # noqa: PLC0415

    work = config.out.with_suffix(".unfinished")
    if config.out.exists() and (work / _ENDED).exists():  # it was killed as it tidied up
        shutil.rmtree(work, ignore_errors=True)
    files.check_free(config.out)
    store = open_store(config.store)
    cases, training = _cases(store, config), _training(config)
    check(_shape(config, cases), training)
    smaller = "a smaller `batch` or `crop`, or another GPU"
    with _alone(work), told_of_device(default_device(), held="a step", instead=smaller):
        files.check_free(config.out)  # who was at it may have ended since
        _same_run(work, config, cases)
        images = _images(config, cases, work)
        trainer, checkpoint = Trainer(images, training, default_device()), work / "checkpoint.pt"
        resumed = checkpoint.exists()
        if resumed:
            trainer.load(checkpoint)
        trainer.run(watch or _nobody, config.checkpoint_every, checkpoint)
        note = _note(config, _exams(store, cases))
        note |= _figures(trainer.last, config.batch, trainer.untaught())
        note |= {"torch": version("torch"), "device": default_device()}
        state = state_of(trainer.network)
        note["recast"] = files.recast_digests(state)
        note_pretraining(store, files.weights_digest(state), note)  # first: a kill may come between
        (work / _ENDED).touch()
        files.save_weights(config.out, state, note)
        shutil.rmtree(work, ignore_errors=True)  # what is made is no failure by what stays
    lines = [
        f"pretrain: {config.out} from images of {counted(len(cases), 'subject')} of"
        f" {', '.join(sorted(config.centres))}, {counted(config.steps, 'step')}"
        + (" (went on where an earlier run stood)" if resumed else ""),
        f"  a crop found its like in {note['found']:.0%} of cases, with random weights in"
        f" {note['untaught']:.0%}, by chance in {note['chance']:.0%}; loss {note['loss']:.3f}",
        "  name it in the recipe, deep: {weights: FILE}; a study whose external centre is among"
        " these centres will be refused",
    ]
    if note["untrained"]:
        lines.append(
            "  !! it learned next to nothing, and will be treated as a network with random weights:"
            " more steps, or another learning rate"
        )
    return Report(tuple(lines), {**note, "out": str(config.out), "resumed": resumed})


def _training(config: PretrainConfig) -> Training:
    from radlas.features.resnet.contrast import Training  # noqa: PLC0415 - torch

    return Training(
        variant=_extractor(config).settings.variant,
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


def _cases(store: Store, config: PretrainConfig) -> list[Row]:
    """One case of each subject, the first by its id: of two, one would count as another patient."""
    columns = ["case_id", "centre", "subject_id", "voxel_digest", "synthetic"]
    rows = delta.read(store, "cases", columns).to_pylist()
    elsewhere = merged_cases(store)
    wanted = set(load_snapshot(store, config.snapshot).cases) if config.snapshot else None
    there = {row["centre"] for row in rows}
    if absent := sorted(set(config.centres) - there):
        raise ConfigError(
            f"no case is of {', '.join(absent)}",
            config.store,
            f"centres: {', '.join(sorted(there))}",
        )
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row["case_id"]):
        known = wanted is None or row["case_id"] in wanted
        if known and row["centre"] in config.centres and row["case_id"] not in elsewhere:
            found.setdefault(row["subject_id"], row)
    if not found:
        raise ConfigError("no image of these centres is here", config.store, "radlas ingest first")
    return sorted(found.values(), key=lambda row: row["case_id"])


def _exams(store: Store, cases: Sequence[Row]) -> list[Row]:
    """All exams of these subjects: whoever saw one of them has seen the patient."""
    columns = ["subject_id", "voxel_digest", "synthetic"]
    subjects = {case["subject_id"] for case in cases}
    rows = delta.read(store, "cases", columns).to_pylist()
    return [row for row in rows if row["subject_id"] in subjects]


def _images(config: PretrainConfig, cases: Sequence[Row], work: Path) -> NDArray[np.float16]:
    """What is cropped from, made once and kept on disk: shape ``(case, z, y, x)``."""
    path = work / "images.npy"
    if not path.exists():
        with whole(path) as temporary:
            _keep_images(config, cases, temporary)
    with _intact(path):
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _keep_images(config: PretrainConfig, cases: Sequence[Row], path: Path) -> None:
    """Written, not mapped: a disk that is full in the middle of a map kills the process."""
    shape, names = _shape(config, cases), [case["case_id"] for case in cases]
    read = partial(_image, _extractor(config), open_store(config.store).place)
    with path.open("wb") as file, ThreadPoolExecutor(READERS) as readers:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image in readers.map(read, names):
            file.write(image.astype("<f2").tobytes())


def _shape(config: PretrainConfig, cases: Sequence[Row]) -> tuple[int, ...]:
    return (len(cases), *_extractor(config).settings.size)


def _image(extractor: Any, place: Any, case_id: str) -> NDArray[np.float32]:
    try:
        seen = extractor.prepare(read_volume(place, case_id), {}).inputs["whole"]
    except DataError as error:
        raise error.at(f"case {case_id[:8]}") from error
    voxels: NDArray[np.float32] = seen.voxels
    return voxels


def _extractor(config: PretrainConfig) -> Any:
    """The extractor whose inputs the network is trained on.

    Raises:
        ConfigError: ``input`` names weights, a region, or what no recipe has.
    """
    if wrong := sorted(set(config.input) & {"weights", "seed", "regions"}):
        raise ConfigError(f"`input` may not name {', '.join(wrong)}", "radlas pretrain")
    return make_extractor(EXTRACTORS, "deep", config.input)


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
    with _intact(path):
        kept = json.loads(path.read_text())
    if kept != json.loads(json.dumps(mine)):
        raise ConfigError(
            "an unfinished run with other settings or images lies there",
            str(work),
            "remove the folder to start anew, or name another file",
        )


@contextmanager
def _intact(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, ValueError) as error:
        what = "what an unfinished run left is damaged"
        raise ConfigError(what, str(path), "remove the folder to start anew") from error


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
