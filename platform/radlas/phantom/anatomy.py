"""An exam of one subject: the image a scanner would make of its body, and the true outlines.

Everything is a function of position in patient space, so an oblique grid cuts an oblique section
and a coarser companion series shows the same patient. Slices are painted one by one, tissue over
tissue, which keeps the arrays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.model import Volume
from radlas.phantom import tumour as mass
from radlas.phantom.noise import Field, Sampling, sampling_of
from radlas.phantom.scanners import T2FS, Scanner, exam_grid, field_of_view
from radlas.phantom.scene import make_scene
from radlas.phantom.subjects import Subject
from radlas.phantom.tissue import paint_slice


@dataclass(frozen=True, eq=False)
class Exam:
    """One image of one subject, and the truth about it.

    Attributes:
        volume: Voxels int16, shape ``(z, y, x)``.
        tumour: Level set of the mass [mm], shape ``(z, y, x)``, above 0 inside.
        edema: Level set of mass and edema together [mm]; None if the reader drew no edema.
    """

    volume: Volume
    tumour: Field
    edema: Field | None


def site_centre(subject: Subject) -> tuple[float, float, float]:
    """Where the middle of the field of view lies, LPS [mm]: left limbs at the left."""
    sign = 1.0 if subject.side == "left" else -1.0
    away = {"thigh": 95.0, "calf": 90.0, "arm": 210.0}.get(subject.region, 75.0)
    return sign * away, 12.0, {"thigh": -420.0, "calf": -800.0}.get(subject.region, 150.0)


def make_exam(
    subject: Subject,
    scanner: Scanner,
    *,
    contrast: Mapping[str, float] = T2FS,
    every: tuple[int, int, int] = (1, 1, 1),
) -> Exam:
    """One exam of a subject.

    Args:
        subject: Whose exam it is.
        scanner: Who makes it: grid, intensity scale, noise, shading.
        contrast: Relative signal by tissue.
        every: Keep every n-th sample along ``(z, y, x)``, for coarser companions and tests.
    """
    centre = site_centre(subject)
    grid = exam_grid(scanner, subject.stream(4), centre=centre, every=every)
    sampling = sampling_of(grid, centre=centre, half=field_of_view(scanner))
    scene = make_scene(subject, scanner, sampling, contrast)
    levels = np.full((2, *grid.shape), mass.FAR, np.float32)
    image = np.stack(
        [paint_slice(scene, index, levels[:, index]) for index in range(grid.shape[0])]
    )
    voxels = _acquire(image, subject, scanner, sampling)
    edema = levels[1] if scene.tumour.edema_drawn else None
    return Exam(Volume(voxels, grid), levels[0], edema)


def _acquire(
    image: Field, subject: Subject, scanner: Scanner, sampling: Sampling
) -> NDArray[np.int16]:
    """What the receiver makes of it: smooth shading, Rician noise, whole numbers."""
    rng = subject.stream(6)
    slices, rows, columns = (
        position / np.float32(half)
        for position, half in zip(sampling.positions, sampling.half, strict=True)
    )
    tilt = rng.uniform(-1, 1, 3).astype(np.float32)
    bowl = np.float32(scanner.shading)
    shading = np.exp(
        bowl * (tilt[0] * slices[:, None, None] + tilt[1] * rows[None, :, None])
        + bowl * (tilt[2] * columns[None, None, :] - 0.6 * (rows[None, :, None] ** 2))
    ).astype(np.float32)
    gain = np.float32(scanner.gain * np.exp(rng.normal(0, 0.12)))
    image = image * shading
    image += np.float32(scanner.noise) * rng.standard_normal(image.shape, dtype=np.float32)
    other = np.float32(scanner.noise) * rng.standard_normal(image.shape, dtype=np.float32)
    signal = np.sqrt(image * image + other * other) * gain
    stored: NDArray[np.int16] = np.clip(np.rint(signal), 0, 32767).astype(np.int16)
    return stored
