"""The mass and what surrounds it: level sets in millimetres, and how bright they are.

A level set is above 0 inside and falls by about 1 per millimetre; its zero is the outline that a
reader would draw, so masks and contours come from one function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.phantom.noise import Field, Sampling, Window, smooth_noise
from radlas.phantom.regions import Body
from radlas.phantom.subjects import Subject

FAR = np.float32(-99.0)  # level set where it is not computed [mm]
REACH = 26.0  # how far beyond the mass's half axes level sets are computed [mm]
PUSH = 1.1  # how much muscle gives way; squared relative distance


@dataclass(frozen=True, eq=False)
class Tumour:
    """One mass, as numbers.

    Attributes:
        centre: ``(u, v, w)`` [mm].
        axes: Half axes [mm], the last along the limb.
        frame: The half axes' directions as rows, shape ``(3, 3)``.
        lobulation: Relative depth of the lobules [1].
        brightness: Relative signal of its solid part [1].
        heterogeneity: Relative standard deviation of its signal [1]: planted, intratumoral.
        septa: Depth of its dark septa [1]: planted, intratumoral.
        necrosis: Relative radius of the fluid core [1]: planted, intratumoral.
        infiltration: Signal of the ring around it [1]: planted, ring.
        edema_width: How far edema reaches [mm].
        edema_drawn: True if the reader saw enough edema to draw it.
        streaks: Relative standard deviation of far muscle [1]: planted, deep.
    """

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    frame: NDArray[np.float64]
    lobulation: float
    brightness: float
    heterogeneity: float
    septa: float
    necrosis: float
    infiltration: float
    edema_width: float
    edema_drawn: bool
    streaks: float

    @property
    def mean_axis(self) -> float:
        """Geometric mean of the half axes [mm]."""
        return float(np.prod(self.axes) ** (1 / 3))


def draw_tumour(subject: Subject, body: Body) -> Tumour:
    """One mass inside the muscles of ``body``; a function of the subject alone."""
    rng = subject.stream(2)
    limit = 0.8 * min(body.radius, 75.0)
    diameter = float(np.clip(41 * math.exp(0.22 * subject.size), 25, min(60, limit)))
    stretch = np.array([rng.uniform(0.85, 1.12), rng.uniform(0.85, 1.05), rng.uniform(0.95, 1.15)])
    axes = diameter / 2 * stretch / np.prod(stretch) ** (1 / 3)
    turn = rng.uniform(0, math.pi)
    frame = np.array(
        [[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1.0]]
    )
    infiltration = 0.75 * math.exp(0.40 * subject.ring)
    return Tumour(
        centre=_place(rng, subject, body, float(max(axes[:2]))),
        axes=(float(axes[0]), float(axes[1]), float(axes[2])),
        frame=frame,
        lobulation=rng.uniform(0.11, 0.19),
        brightness=rng.uniform(0.8, 1.15),
        heterogeneity=0.15 * math.exp(0.38 * subject.intratumoral),
        septa=0.42 * math.exp(0.25 * subject.intratumoral),
        necrosis=0.22 + 0.17 * subject.intratumoral + rng.normal(0, 0.08),
        infiltration=infiltration,
        edema_width=rng.uniform(7, 12),
        edema_drawn=infiltration > 0.49,
        streaks=0.13 * math.exp(0.42 * subject.deep),
    )


def relative_distance(tumour: Tumour, u: Field, v: Field, w: Field) -> Field:
    """Distance from the middle in half axes: 1 on the ellipsoid."""
    offsets = [side - np.float32(at) for side, at in zip((u, v, w), tumour.centre, strict=True)]
    total = np.full(u.shape, 1e-6, np.float32)
    for axis, length in zip(tumour.frame.astype(np.float32), tumour.axes, strict=True):
        along = sum(part * share for part, share in zip(offsets, axis, strict=True) if share)
        total += (along * np.float32(1 / length)) ** 2
    distance: Field = np.sqrt(total)
    return distance


def window_of(tumour: Tumour, sampling: Sampling) -> Window:
    """Rows and columns that hold the mass and its surroundings, in every slice."""
    reach = max(tumour.axes) + REACH
    middle = sampling.direction.T @ np.asarray(tumour.centre)
    spans = []
    for place, position in zip((middle[1], middle[0]), sampling.positions[1:], strict=True):
        first, last = np.searchsorted(position, [place - reach, place + reach])
        spans.append(slice(int(first), int(last)))
    return spans[0], spans[1]


@dataclass(frozen=True, eq=False)
class TumourNoise:
    """Random fields inside the window, shape ``(z, y, x)`` each."""

    lobules: Field
    clumps: Field
    cells: Field
    septa: Field
    fingers: Field
    grains: Field


def draw_noise(subject: Subject, sampling: Sampling, window: Window) -> TumourNoise:
    """The mass's random fields; the same at every resolution."""
    rng = subject.stream(3)
    blurs = ((8, 6, 6), (4.5, 3.5, 3.5), (2.0, 1.0, 1.0), (7, 5, 5), (9, 2.2, 2.2), (5, 0.9, 0.9))
    return TumourNoise(*(smooth_noise(rng, sampling, blur, window) for blur in blurs))


def outline(tumour: Tumour, distance: Field, lobules: Field, room: Field) -> Field:
    """Level set of the mass [mm].

    Args:
        tumour: Its numbers.
        distance: Relative distance from its middle [1].
        lobules: Noise that makes the lobules.
        room: Distance to what it respects, as skin and bone [mm].
    """
    free = np.float32(tumour.mean_axis) * (
        1 - distance + np.float32(tumour.lobulation) * np.tanh(lobules)
    )
    level: Field = np.minimum(free, room)
    return level


def edema_outline(tumour: Tumour, level: Field, fingers: Field, lobules: Field) -> Field:
    """Level set of mass and edema together [mm]: everywhere above the mass's own."""
    rough = 1 + 0.22 * np.tanh(lobules) + 0.10 * np.tanh(fingers)
    wide: Field = level + np.float32(tumour.edema_width * 0.8) * rough.astype(np.float32)
    return wide


def _place(
    rng: np.random.Generator, subject: Subject, body: Body, half: float
) -> tuple[float, float, float]:
    """A middle within the muscles that leaves the bones alone, best of some tries."""
    room_for = body.radius - body.fat[0] - half - 1.0
    back = subject.region == "parascapular"
    tries = []
    for _ in range(60):
        angle = rng.uniform(0.15, math.pi - 0.15) if back else rng.uniform(0, 2 * math.pi)
        far = room_for * (rng.uniform(0.72, 0.98) if back else rng.uniform(0.45, 1.0))
        u = body.centre[0] + far * math.cos(angle) * (0.75 if back else 1.0)
        v = body.centre[1] + far * math.sin(angle)
        clear = min(
            math.hypot(u - bone.centre[0], v - bone.centre[1]) - max(bone.radii) - half
            for bone in body.bones
        )
        tries.append((min(clear, 0.0), -abs(u) if back else 0.0, u, v))
    best = max(tries)
    return best[2], best[3], rng.uniform(-6, 6)
