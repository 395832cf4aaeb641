"""Where everything is: one subject's numbers and fields, and the coordinates of one slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.phantom import tumour as mass
from radlas.phantom.noise import Field, Sampling, Window, smooth_noise
from radlas.phantom.regions import Body, Bone, draw_body
from radlas.phantom.scanners import Scanner
from radlas.phantom.subjects import Subject


@dataclass(frozen=True, eq=False)
class Scene:
    """What painting a slice needs.

    Attributes:
        body: Its numbers.
        tumour: Its numbers.
        sampling: Where the grid samples space.
        contrast: Relative signal by tissue.
        fat_failure: Strength of failed fat suppression in this exam, muscle = 1.
        window: Rows and columns around the mass.
        noise: Random fields inside the window.
        mottle: Coarse variation, shape ``(z, y, x)``, of mean 0 and variance 1.
        lobes: Medium variation, likewise.
        streaks: Fine variation along rows and along columns, likewise.
    """

    body: Body
    tumour: mass.Tumour
    sampling: Sampling
    contrast: Mapping[str, float]
    fat_failure: float
    window: Window
    noise: mass.TumourNoise
    mottle: Field
    lobes: Field
    streaks: tuple[Field, Field]


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice's pixels in patient space and in the body, shape ``(y, x)`` each.

    Attributes:
        index: Number of the slice.
        u: Offset to the left [mm].
        v: Offset to the back [mm].
        w: Offset to the head [mm].
        depth: Distance below the skin [mm], negative in air.
        fat: Thickness of the fat in this direction [mm].
    """

    index: int
    u: Field
    v: Field
    w: Field
    depth: Field
    fat: Field


def make_scene(
    subject: Subject, scanner: Scanner, sampling: Sampling, contrast: Mapping[str, float]
) -> Scene:
    """Draw a subject's body and mass, and evaluate the random fields on a grid."""
    body = draw_body(subject)
    tumour = mass.draw_tumour(subject, body)
    window = mass.window_of(tumour, sampling)
    rng = subject.stream(5)
    return Scene(
        body=body,
        tumour=tumour,
        sampling=sampling,
        contrast=contrast,
        fat_failure=scanner.fat_failure * contrast["unsuppressed"] * rng.uniform(0.3, 1.0),
        window=window,
        noise=mass.draw_noise(subject, sampling, window),
        mottle=smooth_noise(rng, sampling, (12, 6, 6)),
        lobes=smooth_noise(rng, sampling, (12, 2.2, 2.2)),
        streaks=(
            smooth_noise(rng, sampling, (14, 1.9, 0.9)),
            smooth_noise(rng, sampling, (14, 0.9, 1.9)),
        ),
    )


def locate(scene: Scene, index: int) -> Slice:
    """Where the pixels of slice ``index`` lie."""
    body, (slices, rows, columns) = scene.body, scene.sampling.positions
    axes = scene.sampling.direction.astype(np.float32)
    u, v, w = (
        axes[i, 0] * columns[None, :] + axes[i, 1] * rows[:, None] + axes[i, 2] * slices[index]
        for i in range(3)
    )
    x = u - np.float32(body.centre[0]) - np.float32(body.drift[0]) * w
    y = v - np.float32(body.centre[1]) - np.float32(body.drift[1]) * w
    r = np.sqrt(x * x + y * y) + np.float32(1e-3)
    c, s = x / r, y / r
    c2, s2 = c * c - s * s, 2 * c * s
    wave = body.outline[0, 0] * c2 + body.outline[0, 1] * s2
    wave += body.outline[1, 0] * (c2 * c - s2 * s) + body.outline[1, 1] * (s2 * c + c2 * s)
    depth = np.float32(body.radius) * (1 + wave) * (1 + np.float32(body.taper) * w) - r
    mean, left, back = (np.float32(value) for value in body.fat)
    return Slice(index, u, v, w, depth, np.maximum(mean + left * c + back * s, 2.5))


def fill_levels(scene: Scene, place: Slice, levels: NDArray[np.float32]) -> None:
    """Write the level sets of mass and edema into ``levels``, shape ``(2, y, x)`` [mm]."""
    window, noise, index = scene.window, scene.noise, place.index
    u, v, w = place.u[window], place.v[window], place.w[window]
    distance = mass.relative_distance(scene.tumour, u, v, w)
    room = place.depth[window] - 4
    for bone in scene.body.bones:
        room = np.minimum(room, -1 - inside_bone(bone, u, v))
    level = mass.outline(scene.tumour, distance, noise.lobules[index], room)
    wide = mass.edema_outline(scene.tumour, level, noise.fingers[index], noise.lobules[index])
    # The reader stops at skin and bone, as the mass does.
    wide = np.maximum(np.minimum(wide, room), level)
    levels[0][window], levels[1][window] = level, wide


def inside_bone(bone: Bone, u: Field, v: Field) -> Field:
    """Approximate distance to the bone's surface, above 0 inside [mm]."""
    x, y = u - np.float32(bone.centre[0]), v - np.float32(bone.centre[1])
    c, s = np.float32(np.cos(bone.angle)), np.float32(np.sin(bone.angle))
    one, other = (np.float32(radius) for radius in bone.radii)
    ratio = np.sqrt(((c * x + s * y) / one) ** 2 + ((c * y - s * x) / other) ** 2)
    level: Field = (1 - ratio) * min(one, other)
    return level
