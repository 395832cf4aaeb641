"""What everything looks like: one slice's tissues, painted one over the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.phantom import tumour as mass
from radlas.phantom.noise import Field, edge
from radlas.phantom.regions import Body, Bone, Vessel
from radlas.phantom.scene import Scene, Slice, fill_levels, inside_bone, locate


def paint_slice(scene: Scene, index: int, levels: NDArray[np.float32]) -> Field:
    """Signal of one slice, muscle = 1; fills ``levels``, shape ``(2, y, x)``, inside the window."""
    place = locate(scene, index)
    fill_levels(scene, place, levels)
    image = _paint_skin_and_fat(scene, place)
    _paint_muscle(scene, place, -levels[0], image)
    _paint_vessels(scene, place, image)
    _paint_edema(scene, place, levels, image)
    _paint_mass(scene, place, levels, image)
    for bone in scene.body.bones:
        _paint_bone(scene, place, bone, image)
    return image


def _paint_skin_and_fat(scene: Scene, place: Slice) -> Field:
    value, pixel = scene.contrast, scene.sampling.pixel
    septa = np.exp(-((scene.lobes[place.index] * np.float32(5)) ** 2))
    fat = np.float32(value["fat"]) * (1 + np.float32(0.05) * scene.mottle[place.index])
    fat += np.float32(0.30 * scene.contrast["unsuppressed"]) * septa
    # Suppression fails towards the edge of the field, where the main field bends.
    _, half_rows, half_columns = scene.sampling.half
    rows, columns = scene.sampling.positions[1:]
    edgewise = (columns[None, :] / half_columns) * 0.8 + (rows[:, None] / half_rows) * 0.6
    failure = np.clip(edgewise - 0.35, 0, 1) ** 1.5 * np.float32(scene.fat_failure)
    fat += failure.astype(np.float32)
    image: Field = edge(place.depth, pixel) * fat
    _over(image, edge(place.depth, pixel) * edge(1.6 - place.depth, pixel), value["skin"])
    return image


def _paint_muscle(scene: Scene, place: Slice, outside: Field, image: Field) -> None:
    """Muscles with their planes; streaks grow where the mass and its edema are far away."""
    body, value, pixel = scene.body, scene.contrast, scene.sampling.pixel
    inner = place.depth - place.fat
    u, v = _pushed_back(scene, place)
    u = u + np.float32(1.6) * scene.mottle[place.index]
    v = v - np.float32(1.3) * scene.mottle[place.index]
    best, gap = _nearest_muscle(body, u, v)
    grain = body.grain[best]
    streak = grain * scene.streaks[0][place.index] + (1 - grain) * scene.streaks[1][place.index]
    far = np.clip((outside - 12) / 6, 0, 1) * np.float32(scene.tumour.streaks * value["streak"])
    signal = body.levels[best] * (1 + (far + np.float32(0.05)) * streak)
    signal += np.float32(0.03) * scene.mottle[place.index]
    signal = np.maximum(signal, 0.15) * np.float32(value["muscle"])
    width = np.float32(0.7) + np.float32(0.35) * scene.mottle[place.index]
    _over(signal, edge(width - gap, pixel), value["plane"])
    bright = np.clip(scene.lobes[place.index], 0, 1) * np.float32(0.7)
    _over(signal, bright * edge(0.5 - np.abs(gap - width), pixel), value["fascia"])
    _over(image, edge(inner, pixel), signal)
    _over(image, np.float32(0.55) * edge(0.45 - np.abs(inner), pixel), value["fascia"])


def _pushed_back(scene: Scene, place: Slice) -> tuple[Field, Field]:
    """Where the muscle at each pixel was before the mass pushed it aside."""
    q2 = mass.relative_distance(scene.tumour, place.u, place.v, place.w) ** 2
    push = np.float32(mass.PUSH) * np.exp(-np.maximum(q2 - 1, 0) * np.float32(0.33))
    shrink = np.sqrt(np.maximum(1 - push / np.maximum(q2, np.float32(0.2)), 0.02))
    cu, cv = np.float32(scene.tumour.centre[0]), np.float32(scene.tumour.centre[1])
    return cu + (place.u - cu) * shrink, cv + (place.v - cv) * shrink


def _nearest_muscle(body: Body, u: Field, v: Field) -> tuple[NDArray[np.intp], Field]:
    """Index of the muscle at each pixel, and the distance to the plane with the next one [mm]."""
    shape = u.shape
    best = np.full(shape, -np.inf, np.float32)
    second = np.full(shape, -np.inf, np.float32)
    which = np.zeros(shape, np.intp)
    for index, (su, sv) in enumerate(body.seeds):
        near = su * u + sv * v - np.float32(0.5) * (su * su + sv * sv)
        which[near > best] = index
        np.maximum(second, np.minimum(best, near), out=second)
        np.maximum(best, near, out=best)
    typical = np.float32(body.radius * 2.1 / np.sqrt(len(body.seeds)))
    return which, (best - second) / typical


def _paint_vessels(scene: Scene, place: Slice, image: Field) -> None:
    """Every vessel's section, moved aside by the mass; touches a few pixels each."""
    tumour, vessels = scene.tumour, scene.body.vessels
    w = float(scene.sampling.positions[0][place.index])
    spots = np.array([one.start for one in vessels]) + w * np.array([one.drift for one in vessels])
    height = np.full(len(vessels), w, np.float32)
    u, v = spots.T.astype(np.float32)
    q2 = mass.relative_distance(tumour, u, v, height).astype(np.float64)[:, None] ** 2
    push = np.sqrt(1 + mass.PUSH * np.exp(-0.33 * q2) / np.maximum(q2, 0.05))
    spots = tumour.centre[:2] + (spots - tumour.centre[:2]) * push
    for vessel, spot in zip(vessels, spots, strict=True):
        _paint_vessel(scene, place, vessel, (float(spot[0]), float(spot[1])), image)


def _paint_vessel(
    scene: Scene, place: Slice, vessel: Vessel, spot: tuple[float, float], image: Field
) -> None:
    pixel = scene.sampling.pixel
    w = float(scene.sampling.positions[0][place.index])
    axes = scene.sampling.direction[:2]  # a tilted slice is met where it crosses the vessel
    column, row = np.linalg.solve(axes[:, :2], spot - w * axes[:, 2])
    reach = vessel.radius + 3 * pixel
    rows, columns = (
        slice(*np.searchsorted(position, [middle - reach, middle + reach]))
        for middle, position in zip((row, column), scene.sampling.positions[1:], strict=True)
    )
    box = (rows, columns)
    if image[box].size == 0:
        return
    gone = np.hypot(place.u[box] - np.float32(spot[0]), place.v[box] - np.float32(spot[1]))
    inside = edge(place.depth[box] - 2.0, pixel)  # a vessel under the skin stays under it
    if vessel.tissue == "artery":  # a thin bright wall around the flow void
        _over(image[box], inside * edge(vessel.radius + 0.8 - gone, pixel), 1.9)
    share = inside * edge(vessel.radius - gone, pixel)
    _over(image[box], share, scene.contrast[vessel.tissue])


def _paint_edema(scene: Scene, place: Slice, levels: NDArray[np.float32], image: Field) -> None:
    """Feathery fluid around the mass: the planted ring signal, fading over its width."""
    window, noise, tumour = scene.window, scene.noise, scene.tumour
    index, outside = place.index, -levels[0][window]
    width = np.float32(tumour.edema_width) * (1 + 0.35 * np.tanh(noise.fingers[index]))
    fade = np.clip(1 - outside / np.maximum(width, 2.5), 0, 1) * (outside > 0)
    feather = np.maximum(1 + 0.35 * noise.fingers[index] + 0.25 * noise.grains[index], 0)
    in_muscle = 0.35 + 0.65 * edge(place.depth[window] - place.fat[window], 2.0)
    strength = np.float32(tumour.infiltration * scene.contrast["edema"])
    body = edge(place.depth[window] - 2, scene.sampling.pixel)
    image[window] += (strength * np.sqrt(fade) * feather * in_muscle * body).astype(np.float32)


def _paint_mass(scene: Scene, place: Slice, levels: NDArray[np.float32], image: Field) -> None:
    """Lobules between dark septa, a fluid core, a thin capsule: the intratumoral signal."""
    window, noise, tumour, value = scene.window, scene.noise, scene.tumour, scene.contrast
    index, level = place.index, levels[0][window]
    texture = 0.75 * noise.clumps[index] + 0.66 * noise.cells[index]
    solid = np.float32(value["tumour"] * tumour.brightness) * np.maximum(
        1 + np.float32(tumour.heterogeneity) * texture, 0.1
    )
    ridge = np.exp(-((noise.septa[index] / np.float32(0.13)) ** 2))
    _over(solid, np.clip(ridge * np.float32(tumour.septa), 0, 0.9), value["septum"])
    core = tumour.necrosis - 1 + level / np.float32(tumour.mean_axis) + 0.24 * noise.septa[index]
    fluid = value["fluid"] * (1 + 0.04 * noise.clumps[index])
    _over(solid, np.clip(core * np.float32(5) + 0.5, 0, 1), fluid.astype(np.float32))
    capsule = np.float32(0.6) * edge(0.6 - np.abs(level - np.float32(0.5)), 1.0)
    _over(solid, capsule, value["capsule"])
    _over(image[window], edge(level, scene.sampling.pixel), solid)


def _paint_bone(scene: Scene, place: Slice, bone: Bone, image: Field) -> None:
    inside, pixel = inside_bone(bone, place.u, place.v), scene.sampling.pixel
    wall = np.float32(bone.cortex) * (1 + np.float32(0.08) * scene.mottle[place.index])
    _over(image, edge(inside, pixel), scene.contrast["cortex"])
    filling = scene.contrast[bone.filling] * (1 + 0.07 * scene.lobes[place.index])
    _over(image, edge(inside - wall, pixel * 1.5), filling.astype(np.float32))


def _over(image: Field, share: Field, value: float | Field) -> None:
    """Paint ``value`` over the image where ``share`` is 1, blend between."""
    image += share * (value - image)
