"""The three simulated centres: what their scanners do to the same anatomy.

Numbers are typical of clinical extremity protocols; no vendor's data stand behind them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry, make_geometry

# Relative signal, skeletal muscle = 1; edema is what it adds to the tissue it soaks.
T2FS: Mapping[str, float] = {
    "muscle": 1.0, "fat": 0.62, "skin": 1.9, "fascia": 1.75, "plane": 0.62, "cortex": 0.12,
    "marrow": 0.72, "vein": 4.2, "perforator": 2.4, "artery": 0.22, "nerve": 1.7, "fluid": 7.6,
    "tumour": 3.7, "septum": 1.3, "capsule": 0.9, "edema": 1.0, "streak": 1.0, "unsuppressed": 1.0,
}  # fmt: skip
T1: Mapping[str, float] = {
    "muscle": 1.0, "fat": 2.7, "skin": 1.1, "fascia": 0.7, "plane": 2.2, "cortex": 0.1,
    "marrow": 2.5, "vein": 0.5, "perforator": 0.6, "artery": 0.2, "nerve": 1.1, "fluid": 0.6,
    "tumour": 0.95, "septum": 0.7, "capsule": 0.7, "edema": -0.07, "streak": 0.5,
    "unsuppressed": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Scanner:
    """One centre's scanner and habits.

    Attributes:
        centre: Folder name of the centre.
        letter: Its letter in subject names.
        share: Subjects of 203 that come from it.
        prevalence: Share of high grade [1].
        format: Module of ``radlas.phantom`` that writes its files.
        model: Scanner model in the headers.
        field_t: Static field [T].
        tr_ms: Repetition time [ms].
        te_ms: Echo time [ms].
        shape: Voxels along ``(z, y, x)``.
        spacing: Voxel edges along ``(x, y, z)`` [mm].
        nominal_slice_mm: Slice thickness the header claims; the gap makes the difference [mm].
        tilt_deg: Range of the angle between slice normal and patient axis [degrees].
        gain: Stored intensity of muscle.
        noise: Standard deviation of each channel's noise, muscle = 1.
        shading: Strength of the receive field's inhomogeneity [1].
        fat_failure: Strength of failed fat suppression at the edge, muscle = 1.
    """

    centre: str
    letter: str
    share: int
    prevalence: float
    format: str
    model: str
    field_t: float
    tr_ms: float
    te_ms: float
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    nominal_slice_mm: float
    tilt_deg: tuple[float, float]
    gain: float
    noise: float
    shading: float
    fat_failure: float


SCANNERS: tuple[Scanner, ...] = (
    Scanner(
        centre="centre-a", letter="A", share=51, prevalence=0.65, format="tcia",
        model="Signa HDxt 1.5T (simulated)", field_t=1.5, tr_ms=4200.0, te_ms=68.0,
        shape=(18, 224, 224), spacing=(0.78, 0.78, 6.5), nominal_slice_mm=5.0,
        tilt_deg=(2.0, 4.0), gain=58.0, noise=0.105, shading=0.22, fat_failure=1.9,
    ),
    Scanner(
        centre="centre-b", letter="B", share=78, prevalence=0.45, format="dicom_seg",
        model="Avanto 1.5T (simulated)", field_t=1.5, tr_ms=3600.0, te_ms=54.0,
        shape=(22, 288, 288), spacing=(0.5, 0.5, 4.0), nominal_slice_mm=3.6,
        tilt_deg=(0.0, 0.0), gain=140.0, noise=0.085, shading=0.30, fat_failure=1.3,
    ),
    Scanner(
        centre="centre-c", letter="C", share=74, prevalence=0.60, format="nifti",
        model="Achieva 3T (simulated)", field_t=3.0, tr_ms=4800.0, te_ms=62.0,
        shape=(20, 256, 256), spacing=(0.66, 0.66, 5.0), nominal_slice_mm=4.5,
        tilt_deg=(10.0, 20.0), gain=310.0, noise=0.055, shading=0.38, fat_failure=2.4,
    ),
)  # fmt: skip
SCANNER_OF: Mapping[str, Scanner] = {scanner.centre: scanner for scanner in SCANNERS}


def field_of_view(scanner: Scanner) -> tuple[float, float, float]:
    """Half the field of view along ``(slice, row, column)`` [mm]."""
    z, y, x = scanner.shape
    sx, sy, sz = scanner.spacing
    return z * sz / 2, y * sy / 2, x * sx / 2


def exam_grid(
    scanner: Scanner,
    rng: np.random.Generator,
    *,
    centre: tuple[float, float, float],
    every: tuple[int, int, int] = (1, 1, 1),
) -> Geometry:
    """The grid of one exam: the scanner's, tilted by a random angle about an in-plane axis.

    Args:
        scanner: Whose grid it is.
        rng: Draws tilt and its axis: two numbers.
        centre: Middle of the field of view, LPS [mm].
        every: Keep every n-th sample along ``(z, y, x)``, for coarser companions.
    """
    angle = math.radians(rng.uniform(*scanner.tilt_deg)) * (1 if rng.random() < 0.5 else -1)
    axis = rng.uniform(0, 2 * math.pi)
    direction = rotation((math.cos(axis), math.sin(axis), 0.0), angle)
    shape = tuple(-(-count // step) for count, step in zip(scanner.shape, every, strict=True))
    full = [(count - 1) / 2 for count in scanner.shape[::-1]]
    origin = np.asarray(centre) - direction @ (np.asarray(full) * scanner.spacing)
    spacing = tuple(mm * step for mm, step in zip(scanner.spacing, every[::-1], strict=True))
    x, y, z = (float(value) for value in origin)
    return make_geometry(
        (shape[0], shape[1], shape[2]),
        spacing=(spacing[0], spacing[1], spacing[2]),
        origin=(x, y, z),
        direction=direction,
    )


def rotation(axis: tuple[float, float, float], angle: float) -> NDArray[np.float64]:
    """Rotation by ``angle`` [radians] about a unit axis (Rodrigues), shape ``(3, 3)``."""
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: NDArray[np.float64] = (
        np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew
    )
    return turned
