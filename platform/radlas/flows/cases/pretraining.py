"""What a network is trained on: an image of each subject, as its recipe shows it, kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from radlas.errors import ConfigError, DataError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor
from radlas.flows.base import StoreConfig
from radlas.model import Row
from radlas.places.stages import whole
from radlas.store import delta
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.travel import merged_cases
from radlas.volumes.zarr import read_volume

READERS = 2


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


def first_cases(store: Store, config: PretrainConfig) -> list[Row]:
    """One case of each subject, the first by its id: of two, one would count as another patient.

    Raises:
        ConfigError: A centre has no case, or no image of these centres is here.
    """
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


def all_exams(store: Store, cases: Sequence[Row]) -> list[Row]:
    """All exams of these subjects: whoever saw one of them has seen the patient."""
    columns = ["subject_id", "voxel_digest", "synthetic"]
    subjects = {case["subject_id"] for case in cases}
    rows = delta.read(store, "cases", columns).to_pylist()
    return [row for row in rows if row["subject_id"] in subjects]


def kept_images(config: PretrainConfig, cases: Sequence[Row], work: Path) -> NDArray[np.float16]:
    """What is cropped from, made once and kept on disk: shape ``(case, z, y, x)``.

    Raises:
        ConfigError: What an earlier run left is damaged.
        DataError: A case cannot be prepared.
    """
    path = work / "images.npy"
    if not path.exists():
        with whole(path) as temporary:
            _keep_images(config, cases, temporary)
    with intact(path):
        kept = np.load(path, mmap_mode="r")
        wanted = shape_of(config, cases)
        if not isinstance(kept, np.ndarray) or (kept.shape, kept.dtype) != (wanted, np.float16):
            raise ValueError("not the images that were kept")
    return kept


def _keep_images(config: PretrainConfig, cases: Sequence[Row], path: Path) -> None:
    """Written, not mapped: a disk that is full in the middle of a map kills the process."""
    shape, names = shape_of(config, cases), [case["case_id"] for case in cases]
    read = partial(_image, extractor_of(config), open_store(config.store).place)
    with path.open("wb") as file, ThreadPoolExecutor(READERS) as readers:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image in readers.map(read, names):
            file.write(image.astype("<f2").tobytes())


def shape_of(config: PretrainConfig, cases: Sequence[Row]) -> tuple[int, ...]:
    """Of what is kept of the cases: ``(case, z, y, x)``."""
    return (len(cases), *extractor_of(config).settings.size)


def _image(extractor: Any, place: Any, case_id: str) -> NDArray[np.float32]:
    try:
        seen = extractor.prepare(read_volume(place, case_id), {}).inputs["whole"]
    except DataError as error:
        raise error.at(f"case {case_id[:8]}") from error
    voxels: NDArray[np.float32] = seen.voxels
    return voxels


def extractor_of(config: PretrainConfig) -> Any:
    """The extractor whose inputs the network is trained on.

    Raises:
        ConfigError: ``input`` names weights, a region, or what no recipe has.
    """
    if wrong := sorted(set(config.input) & {"weights", "seed", "regions"}):
        raise ConfigError(f"`input` may not name {', '.join(wrong)}", "radlas pretrain")
    return make_extractor(EXTRACTORS, "deep", config.input)


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Files of an unfinished run are read within; ConfigError if one is damaged."""
    try:
        yield
    except (EOFError, ValueError) as error:
        what = "what an unfinished run left is damaged"
        raise ConfigError(what, str(path), "remove the folder to start anew") from error
