"""What a limb or the back is made of, as numbers: outline, fat, bones, muscles, vessels.

Coordinates are ``(u, v)`` across the body: LPS offsets (left, back) from the middle of the field
of view [mm]; ``w`` runs along it, to the head. A right limb is the mirror of a left one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.phantom.subjects import Subject


@dataclass(frozen=True)
class Bone:
    """An elliptic tube: dark cortex around suppressed marrow, or a bright fluid canal.

    Attributes:
        centre: ``(u, v)`` [mm].
        radii: Outer half axes [mm].
        angle: Turn of the first half axis [radians].
        cortex: Thickness of the cortex [mm].
        filling: Tissue inside.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    angle: float
    cortex: float
    filling: str = "marrow"


@dataclass(frozen=True)
class Vessel:
    """A tube that drifts along the limb.

    Attributes:
        start: ``(u, v)`` at the middle of the field of view [mm].
        drift: Change of ``(u, v)`` per millimetre along the limb [1].
        radius: Inner radius [mm].
        tissue: ``vein``, ``perforator``, ``artery`` or ``nerve``.
    """

    start: tuple[float, float]
    drift: tuple[float, float]
    radius: float
    tissue: str


@dataclass(frozen=True, eq=False)
class Body:
    """One subject's cross-section.

    Attributes:
        centre: Middle of the outline, ``(u, v)`` [mm].
        drift: Change of the middle per millimetre along the limb [1].
        radius: Mean radius of the outline [mm].
        taper: Relative growth of the radius per millimetre along the limb [1/mm].
        outline: Relative cosine and sine coefficients of order 2 and 3, shape ``(2, 2)``.
        fat: Mean thickness of the fat, and its variation to the left and back [mm].
        bones: From the largest to the smallest.
        seeds: Middles of the muscles, ``(u, v)``, shape ``(muscle, 2)`` [mm].
        levels: Relative signal of each muscle, shape ``(muscle,)``.
        grain: Direction of each muscle's streaks, 0 or 1, shape ``(muscle,)``.
        vessels: Bundle, perforators and veins under the skin.
    """

    centre: tuple[float, float]
    drift: tuple[float, float]
    radius: float
    taper: float
    outline: NDArray[np.float32]
    fat: tuple[float, float, float]
    bones: tuple[Bone, ...]
    seeds: NDArray[np.float32]
    levels: NDArray[np.float32]
    grain: NDArray[np.float32]
    vessels: tuple[Vessel, ...]


@dataclass(frozen=True)
class Region:
    """Typical numbers of one region, for a left limb; lengths relative to the radius unless [mm].

    Attributes:
        radius: Smallest and largest radius [mm].
        fat: Smallest and largest thickness of the fat [mm].
        muscles: How many muscles.
        bones: ``(u, v, half axis, half axis, cortex)``, the first two relative, the rest [mm].
        bundle: Where the neurovascular bundle runs, relative.
        taper: Relative growth of the radius per millimetre to the head [1/mm].
        offset: Where the outline's middle lies, ``(u, v)`` [mm].
    """

    radius: tuple[float, float]
    fat: tuple[float, float]
    muscles: int
    bones: tuple[tuple[float, float, float, float, float], ...]
    bundle: tuple[float, float]
    taper: float
    offset: tuple[float, float] = (0.0, 0.0)


REGIONS: Mapping[str, Region] = {
    "thigh": Region(
        radius=(56, 63), fat=(5, 12), muscles=11, bones=((0.05, -0.18, 13.0, 12.0, 4.2),),
        bundle=(-0.32, 0.02), taper=0.0016,
    ),
    "calf": Region(
        radius=(46, 52), fat=(4, 9), muscles=8,
        bones=((-0.28, -0.42, 12.5, 10.5, 3.4), (0.42, -0.12, 6.0, 5.0, 2.4)),
        bundle=(-0.05, 0.14), taper=0.0014,
    ),
    "arm": Region(
        radius=(41, 47), fat=(3.5, 9), muscles=6, bones=((0.10, 0.02, 10.0, 9.6, 3.4),),
        bundle=(-0.42, 0.12), taper=0.0010,
    ),
    "parascapular": Region(
        radius=(98, 106), fat=(6, 14), muscles=17,
        bones=((-0.50, 0.42, 17.0, 13.0, 1.6), (0.22, 0.36, 27.0, 4.2, 1.5),
               (0.02, 0.10, 9.5, 4.6, 1.5), (0.50, -0.05, 9.0, 4.6, 1.5)),
        bundle=(0.62, 0.12), taper=0.0004, offset=(0.0, -46.0),
    ),
}  # fmt: skip


def draw_body(subject: Subject) -> Body:
    """One body of the subject's region; a function of the subject alone."""
    rng, region = subject.stream(1), REGIONS[subject.region]
    mirror = 1.0 if subject.side == "left" else -1.0
    radius = rng.uniform(*region.radius)
    middle = (region.offset[0] + rng.normal(0, 1.5), region.offset[1] + rng.normal(0, 1.5))
    bones = tuple(_bone(rng, numbers, middle, radius, mirror) for numbers in region.bones)
    if subject.region == "parascapular":
        bones = (*bones, _canal(bones[0]))
    seeds = _muscle_seeds(rng, region.muscles, middle, radius)
    fat = rng.uniform(*region.fat)
    return Body(
        centre=middle,
        drift=(rng.normal(0, 0.03), rng.normal(0, 0.03)),
        radius=radius,
        taper=region.taper * rng.uniform(0.6, 1.4),
        outline=rng.normal(0, [[0.035, 0.035], [0.018, 0.018]]).astype(np.float32),
        fat=(fat, rng.normal(0, 0.18 * fat), rng.normal(0.15 * fat, 0.15 * fat)),
        bones=bones,
        seeds=seeds,
        levels=rng.normal(1.0, 0.07, len(seeds)).astype(np.float32),
        grain=rng.integers(0, 2, len(seeds)).astype(np.float32),
        vessels=_vessels(rng, region, middle, radius - fat, mirror),
    )


def _bone(
    rng: np.random.Generator,
    numbers: tuple[float, float, float, float, float],
    middle: tuple[float, float],
    radius: float,
    mirror: float,
) -> Bone:
    u, v, one, other, cortex = numbers
    size = rng.uniform(0.92, 1.08)
    return Bone(
        (middle[0] + mirror * u * radius, middle[1] + v * radius),
        (one * size, other * size),
        mirror * rng.normal(0.25, 0.15),
        cortex * size,
    )


def _canal(vertebra: Bone) -> Bone:
    """The spinal canal behind a vertebral body: bright fluid in a thin dark wall."""
    behind = vertebra.centre[1] + vertebra.radii[1] + 9.0
    return Bone((vertebra.centre[0], behind), (10.0, 7.5), 0.0, 1.8, "fluid")


def _muscle_seeds(
    rng: np.random.Generator, count: int, middle: tuple[float, float], radius: float
) -> NDArray[np.float32]:
    """Two rings of muscles, jittered, so that none is a neighbour's copy."""
    inner = max(2, count // 3)
    angles = np.concatenate(
        [
            np.arange(n) * 2 * math.pi / n + rng.uniform(0, 6) + rng.normal(0, 0.9 / n, n)
            for n in (count - inner, inner)
        ]
    )
    far = np.r_[rng.uniform(0.56, 0.74, count - inner), rng.uniform(0.16, 0.34, inner)] * radius
    seeds = np.c_[middle[0] + far * np.cos(angles), middle[1] + far * np.sin(angles)]
    single: NDArray[np.float32] = seeds.astype(np.float32)
    return single


def _vessels(
    rng: np.random.Generator,
    region: Region,
    middle: tuple[float, float],
    muscle_radius: float,
    mirror: float,
) -> tuple[Vessel, ...]:
    def at(u: float, v: float) -> tuple[float, float]:
        return middle[0] + u, middle[1] + v

    def drift(strength: float) -> tuple[float, float]:
        return rng.normal(0, strength), rng.normal(0, strength)

    u, v = mirror * region.bundle[0] * muscle_radius, region.bundle[1] * muscle_radius
    along = drift(0.04)
    bundle = [
        Vessel(at(u, v), along, rng.uniform(2.3, 3.1), "artery"),
        Vessel(at(u + 5.5, v + 3.5), along, rng.uniform(2.4, 3.4), "vein"),
        Vessel(at(u - 4.0, v + 6.0), along, rng.uniform(1.8, 2.4), "nerve"),
    ]
    small = [
        Vessel(at(r * math.cos(a), r * math.sin(a)), drift(0.12), rng.uniform(0.5, 1.3), tissue)
        for r, a, tissue in zip(
            muscle_radius * rng.uniform(0.25, 0.85, 14),
            rng.uniform(0, 6.3, 14),
            ("vein", "perforator") * 7,
            strict=True,
        )
    ]
    superficial = [
        Vessel(at(r * math.cos(a), r * math.sin(a)), drift(0.03), rng.uniform(0.8, 1.3), "vein")
        for r, a in zip(
            muscle_radius + rng.uniform(1.0, 3.5, 3), rng.uniform(0, 6.3, 3), strict=True
        )
    ]
    return (*bundle, *small, *superficial)
