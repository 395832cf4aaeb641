"""Self-supervised training on images alone: two crops of one patient should look alike.

For sites without published weights. Nothing is told of outcomes or outlines. What a step sees
follows from the seed and the step's number alone, so a run that was interrupted goes on as if it
had not been: bit for bit on a processor with as many threads, or on a GPU of the same kind. While
one step is computed, threads prepare what the next ones see.

Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML
2020 (NT-Xent).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radlas.errors import ConfigError
from radlas.features.resnet.exact import exactly
from radlas.features.resnet.form import FEATURES, Variant
from radlas.features.resnet.network import ResNet18
from radlas.features.resnet.progress import OF_DAMAGE, read_progress, write_progress
from radlas.features.resnet.weights import on_device, random_network

Array = NDArray[np.floating[Any]]
_LAST = 50  # steps that figures are means of
_AHEAD = 4  # steps whose crops are prepared at once


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        variant: Form of the network.
        crop: Voxels of a crop along ``(z, y, x)``.
        batch: Patients of a step, two crops of each.
        steps: Steps in all.
        learning_rate: Of AdamW, falling to 0 along a cosine.
        temperature: Of NT-Xent: lower parts near ones more strongly.
        seed: Of weights, crops and changes of grey levels.
    """

    variant: Variant
    crop: tuple[int, int, int]
    batch: int
    steps: int
    learning_rate: float
    temperature: float
    seed: int


class Trainer:
    """A network and how far its training has come.

    Args:
        images: What to crop from: shape ``(patient, z, y, x)``, z-scores; may be a memory map.
        training: How.
        device: ``cpu`` or ``cuda``.

    Attributes:
        step: Steps done.
        last: Loss, and share of crops that found their like, of the last steps.

    Raises:
        ConfigError: There are fewer patients than a step needs, or a crop is larger than an image.
    """

    def __init__(self, images: Array, training: TrainingSettings, device: str = "cpu") -> None:
        check(images.shape, training)
        self.step, self.last = 0, list[tuple[float, float]]()
        self._images, self._training, self._device = images, training, device
        self.network = _untaught(training, device)
        self._projection = _projection(training.seed).to(device)
        parts = [*self.network.parameters(), *self._projection.parameters()]
        self._optimiser = torch.optim.AdamW(parts, lr=training.learning_rate)

    def run(self, seen: Callable[[int, float, float], None], every: int, path: Path) -> None:
        """Train to the end, from wherever it stands.

        Args:
            seen: Told of each step: its number from 1, the loss, and the share of crops whose
                nearest other crop is of the same patient.
            every: Steps between checkpoints.
            path: Where checkpoints go.

        Raises:
            ConfigError: The loss is no number any more.
        """
        self.network.train()
        for batch in self._batches():
            loss, share = self._one_step(batch)
            self.step += 1
            _check_loss(loss, self.step)
            self.last = [*self.last[1 - _LAST :], (loss, share)]
            seen(self.step, loss, share)
            if self.step % every == 0 and self.step < self._training.steps:
                self.save(path)
        self.network.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint that is whole or not there."""
        write_progress(self._state(), path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ConfigError: It is damaged.
        """
        try:
            self._resume(read_progress(path))
        except torch.OutOfMemoryError:
            raise
        except OF_DAMAGE as error:
            hint = "remove it: its run starts anew"
            raise ConfigError("this checkpoint is damaged", str(path), hint) from error

    def _resume(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self._projection.load_state_dict(state["projection"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        self.last = [(float(loss), float(share)) for loss, share in state["last"]]
        if not 0 < self.step < self._training.steps or not self.last:
            raise ValueError("it stands at no step of this run")

    def untaught(self) -> float:
        """Share of the last steps' crops that find their like by the weights it began with."""
        wanted = self._training
        network = _untaught(wanted, self._device).train()
        projection = _projection(wanted.seed).to(self._device)
        with torch.no_grad(), exactly():
            shares = [
                nt_xent(projection(network(self._crops(step))), wanted.temperature)[1]
                for step in range(self.step - len(self.last), self.step)
            ]
        return float(np.mean(shares))

    def _batches(self) -> Iterator[Tensor]:
        """What each of the steps to come sees."""
        steps = iter(range(self.step, self._training.steps))
        with ThreadPoolExecutor(_AHEAD) as pool:
            ready = deque(pool.submit(self._crops, step) for step in islice(steps, _AHEAD))
            while ready:
                batch = ready.popleft().result()
                ready.extend(pool.submit(self._crops, step) for step in islice(steps, 1))
                yield batch

    def _crops(self, step: int) -> Tensor:
        seen = views(self._images, self._training, step)
        return torch.from_numpy(seen)[:, None].to(self._device)

    def _state(self) -> Mapping[str, Any]:
        return {
            "network": self.network.state_dict(),
            "projection": self._projection.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "last": self.last,
        }

    def _one_step(self, batch: Tensor) -> tuple[float, float]:
        wanted = self._training
        for group in self._optimiser.param_groups:
            group["lr"] = (
                wanted.learning_rate * (1 + math.cos(math.pi * self.step / wanted.steps)) / 2
            )
        with exactly():
            found = self._projection(self.network(batch))
            loss, share = nt_xent(found, wanted.temperature)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        return float(loss.detach()), share


def views(images: Array, training: TrainingSettings, step: int) -> NDArray[np.float32]:
    """Two crops of each patient of a step, changed as scanners change them.

    Each has a place, a side and a brightness of its own: what stays is the tissue.

    Returns:
        Shape ``(2 * batch, z, y, x)``: first one crop of each patient, then the other.
    """
    per_round = len(images) // training.batch
    order = np.random.default_rng([training.seed, step // per_round]).permutation(len(images))
    start = (step % per_round) * training.batch
    chosen = order[start : start + training.batch]
    rng = np.random.default_rng([training.seed, step, 1])
    found = [_view(images[patient], training.crop, rng) for _ in range(2) for patient in chosen]
    return np.stack(found)


def nt_xent(found: Tensor, temperature: float) -> tuple[Tensor, float]:
    """Cross-entropy of finding, among all other crops, the one of the same patient.

    Args:
        found: Shape ``(2 * patient, feature)``: one crop of each patient, then the other.
        temperature: Cosines are divided by it.

    Returns:
        The loss, and the share of crops whose nearest is the right one; by chance that share is
        ``1 / (2 * patient - 1)``.
    """
    unit = functional.normalize(found, dim=1)
    alike = unit @ unit.T / temperature
    alike = alike.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -1e9)
    right = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    share = (alike.argmax(dim=1) == right).float().mean()
    return functional.cross_entropy(alike, right), float(share)


def _view(image: Array, crop: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    starts = [int(rng.integers(n - m + 1)) for n, m in zip(image.shape, crop, strict=True)]
    part = image[tuple(slice(a, a + m) for a, m in zip(starts, crop, strict=True))]
    part = part.astype(np.float32)
    if rng.random() < 0.5:
        part = part[..., ::-1]
    gain, offset = rng.uniform(0.8, 1.25), rng.normal(0, 0.1)
    noise = rng.normal(0, 0.05, part.shape)
    return (part * gain + offset + noise).astype(np.float32)


def _untaught(training: TrainingSettings, device: str) -> ResNet18:
    network = random_network(training.variant, training.seed)
    # On a processor it trains slower in the layout that is faster on a GPU.
    return network if device == "cpu" else on_device(network, device)


def _projection(seed: int) -> nn.Sequential:
    """From features to what is compared; thrown away afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % (1 << 64))  # it takes no more, and numpy takes any
        return nn.Sequential(
            nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Linear(FEATURES, 128, bias=False)
        )


def _check_loss(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise ConfigError(
            f"the loss of step {step} is NaN or infinite, and no later step mends that",
            hint="a smaller `learning_rate`",
        )


def check(shape: tuple[int, ...], training: TrainingSettings) -> None:
    """Refuse images that a step cannot be made of.

    Args:
        shape: Of the images, ``(patient, z, y, x)``.
        training: How they are to be used.

    Raises:
        ConfigError: There are fewer patients than a step needs, or a crop is larger than an image.
    """
    if shape[0] < training.batch:
        raise ConfigError(
            f"a step takes {training.batch} patients, there are {shape[0]}",
            hint="a smaller `batch`, or more centres",
        )
    if any(m > n for n, m in zip(shape[1:], training.crop, strict=True)):
        raise ConfigError(
            f"a crop of {training.crop} voxels is larger than images of {shape[1:]}",
            hint="a smaller `crop`, or a larger `size`",
        )
