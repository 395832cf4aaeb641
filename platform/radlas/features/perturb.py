"""Perturbed copies of a case, from which stability follows without a second scan. Pure.

Source: Zwanenburg et al. 2019, Sci Rep 9:614, and their order: noise, rotation and shift, then the
contour grown or shrunk, then drawn again. Interpolation to another grid stands between the second
and the third there; ``perturb_image`` and ``perturb_masks`` leave room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.digests import digest_of
from radlas.errors import DataError
from radlas.features.chains import Perturbation
from radlas.features.preprocess import as_floats
from radlas.model import TUMOUR, Volume
from radlas.reasons import data_error
from radlas.roi.body import body_of
from radlas.roi.perturb import Motion, centre_of, move_mask, resize
from radlas.roi.supervoxels import redraw

Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]
Image = NDArray[np.float32]

# High-pass filter of Daubechies' first coiflet, sum of squares 1 (Daubechies 1992, Ten Lectures).
_ROOT = np.sqrt(7)
COIFLET = np.array([1 - _ROOT, 5 + _ROOT, 14 + 2 * _ROOT, 14 - 2 * _ROOT, 1 - _ROOT, _ROOT - 3])
HIGH_PASS = COIFLET * [-1, 1, -1, 1, -1, 1] / (16 * np.sqrt(2))
MAD = 0.6745  # median of |x| of a normal variable, in standard deviations


def perturb(
    volume: Volume,
    masks: Masks,
    perturbation: Perturbation,
    *,
    seed_key: str,
    noise: Callable[[Volume], float] | None = None,
    move: Callable[[Volume, Motion], Volume] | None = None,
) -> tuple[Volume, dict[str, Mask]]:
    """A case after all steps of a chain, on its own grid.

    What is random follows from ``seed_key``, the chain's name and the ROI's name, so it is the
    same on any worker, in any order, whatever other ROIs there are.

    Args:
        volume: Image as stored, any real dtype; one that the chain leaves alone comes back itself.
        masks: ROIs by name, same grid, at least one voxel each.
        perturbation: The chain.
        seed_key: What the case is, as its digest.
        noise: Measures an image's noise; ``noise_of`` if nothing else is said, as one that
            remembers what several chains ask alike.
        move: Moves an image; likewise ``moved``.

    Returns:
        Voxels float32, and masks by name.

    Raises:
        ConfigError: A move of the surface too small for the pixels.
        DataError: ``not_finite``, ``empty_mask``; ``flat_image``: no noise to measure;
            ``mask_outside``: an ROI leaves the image; ``roi_too_small``: nothing of an ROI is left.
    """
    volume, masks = perturb_image(
        volume, masks, perturbation, seed_key=seed_key, noise=noise, move=move
    )
    return volume, perturb_masks(volume, masks, perturbation, seed_key=seed_key)


def shuffle(voxels: Image, masks: Masks, *, seed_key: str) -> Image:
    """The image with the voxels of each part dealt anew: of those that lie in just the same ROIs.

    First-order features of every ROI stay what they were, texture is gone. An edema may hold the
    tumour: dealt as a whole, it would make both equally bright.

    Args:
        voxels: Shape ``(z, y, x)``.
        masks: ROIs by name, same grid.
        seed_key: What the case is, as its digest.
    """
    dealt, names = voxels.copy(), sorted(masks)
    within = np.stack([masks[name] for name in names], axis=-1)
    places = np.nonzero(within.any(axis=-1))
    kinds, kind_of = np.unique(within[places], axis=0, return_inverse=True)
    for number, kind in enumerate(kinds):
        part = tuple(axis[kind_of == number] for axis in places)
        name = "+".join(name for name, inside in zip(names, kind, strict=True) if inside)
        rng = _rng(seed_key, Perturbation(shuffle=True), name)
        dealt[part] = rng.permutation(dealt[part])
    return dealt


def perturb_image(
    volume: Volume,
    masks: Masks,
    perturbation: Perturbation,
    *,
    seed_key: str,
    noise: Callable[[Volume], float] | None = None,
    move: Callable[[Volume, Motion], Volume] | None = None,
) -> tuple[Volume, dict[str, Mask]]:
    """The steps before interpolation: noise, then rotation and shift. See ``perturb``.

    The rotation is about the tumour's centre of mass, or that of all ROIs if there is no tumour.
    """
    spacing = volume.geometry.spacing_zyx
    if perturbation.noise:
        sigma = perturbation.noise * (noise or noise_of)(volume)
        rng = _rng(seed_key, perturbation, "noise")
        noisy = add_noise(as_floats(volume.voxels), sigma=sigma, rng=rng)
        volume = Volume(noisy, volume.geometry)
    if not (perturbation.rotation_degrees or any(perturbation.shift_voxels)):
        return volume, dict(masks)
    motion = _motion(perturbation, masks, volume.geometry.shape)
    there = (move or moved)(volume, motion)
    return there, _each(masks, lambda _, mask: move_mask(mask, motion, spacing))


def perturb_masks(
    volume: Volume, masks: Masks, perturbation: Perturbation, *, seed_key: str
) -> dict[str, Mask]:
    """The steps after interpolation: grow or shrink, then draw the contour. See ``perturb``."""
    spacing = volume.geometry.spacing_zyx
    changed = dict(masks)
    if mm := perturbation.grow_mm:
        changed = _each(changed, lambda _, mask: resize(mask, spacing, mm=mm))
    if mm3 := perturbation.contour_mm3:
        voxels = as_floats(volume.voxels)
        changed = _each(
            changed,
            lambda name, mask: redraw(
                mask,
                voxels,
                spacing,
                volume_mm3=mm3,
                rng=_rng(seed_key, perturbation, f"contour {name}"),
            ),
        )
    return changed


def noise_of(volume: Volume) -> float:
    """The ``noise_level`` of an image in its body."""
    voxels = as_floats(volume.voxels)
    return noise_level(voxels, body_of(voxels, volume.geometry))


def noise_level(voxels: Image, inside: Mask) -> float:
    """Standard deviation of an image's noise, above 0 [unit of the image].

    Median magnitude of the finest diagonal wavelet coefficients in the slices over 0.6745: edges
    and tissue hardly reach them, and a median not those that do. Noise that neighbouring voxels
    share, as in images magnified by the scanner, is underestimated.

    Args:
        voxels: Shape ``(z, y, x)``.
        inside: Where to measure, same shape.

    Raises:
        DataError: ``flat_image``: half of the coefficients or more are 0, but for rounding.

    Source:
        Chang, Yu, Vetterli 2000, IEEE Trans Image Process 9:1532. As Zwanenburg et al. 2019 with
        the first coiflet, undecimated; their software divides by 0.6754.
    """
    diagonal = ndimage.convolve1d(voxels, HIGH_PASS, axis=1)
    diagonal = ndimage.convolve1d(diagonal, HIGH_PASS, axis=2)
    sigma = float(np.median(np.abs(diagonal[inside]))) / MAD
    if not sigma > 1e-6 * np.abs(voxels[inside]).max(initial=0):  # no more than rounding leaves
        what = f"no noise can be measured in the {np.count_nonzero(inside)} voxels of the body"
        raise data_error("flat_image", what)
    return sigma


def add_noise(voxels: Image, *, sigma: float, rng: np.random.Generator) -> Image:
    """Independent normal noise of standard deviation ``sigma``; air may fall below 0."""
    return voxels + np.float32(sigma) * rng.standard_normal(voxels.shape, dtype=np.float32)


def moved(volume: Volume, motion: Motion) -> Volume:
    """An image after a motion, see ``move_voxels``."""
    voxels, spacing = as_floats(volume.voxels), volume.geometry.spacing_zyx
    return Volume(move_voxels(voxels, motion, spacing), volume.geometry)


def move_voxels(voxels: Image, motion: Motion, spacing_zyx: tuple[float, float, float]) -> Image:
    """The image after a motion, on the same grid.

    One cubic B-spline in space, evaluated axis by axis: where there is no rotation along z, y and
    x, else in the slices and along z, which gives the same numbers. A shift by whole voxels moves
    them unchanged. What comes in from outside repeats the edge; values are clamped to the range of
    the input, for splines overshoot.
    """
    there, shifts = voxels, motion.shift_zyx
    if motion.degrees:
        matrix, offset = motion.backward(spacing_zyx)
        plane = {"matrix": matrix[1:, 1:], "offset": offset[1:], "order": 3, "mode": "nearest"}
        there = np.stack([ndimage.affine_transform(one, **plane) for one in voxels])
        shifts = (shifts[0], 0.0, 0.0)
    for axis, shift in enumerate(shifts):
        if shift:
            there = _shift(there, shift, axis)
    return np.clip(there, voxels.min(), voxels.max()).astype(np.float32)


def _shift(voxels: Image, shift: float, axis: int) -> Image:
    """Along one axis, by cubic B-splines; the edge is repeated."""
    last = voxels.shape[axis] - 1
    at = np.clip(np.arange(last + 1) - shift, 0, last)
    first = np.floor(at).astype(np.intp)
    if shift == round(shift) or not last:
        return np.take(voxels, first, axis)
    knots = ndimage.spline_filter1d(voxels, 3, axis, mode="mirror")
    shifted = np.zeros(voxels.shape)
    for step in (-1, 0, 1, 2):
        weight = _spline(at - first - step)
        index = last - np.abs(last - np.abs(first + step))  # mirrored, as the knots are
        along = [-1 if dimension == axis else 1 for dimension in range(3)]
        shifted += weight.reshape(along) * np.take(knots, index, axis)
    return shifted.astype(np.float32)


def _spline(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic B-spline within two knots (Unser 1999, IEEE Signal Process Mag 16:22)."""
    far = np.abs(distance)
    near: NDArray[np.float64] = np.where(
        far < 1, 2 / 3 - far**2 + far**3 / 2, np.maximum(2 - far, 0) ** 3 / 6
    )
    return near


def _motion(perturbation: Perturbation, masks: Masks, shape: tuple[int, int, int]) -> Motion:
    x, y, z = perturbation.shift_voxels
    centre = ((shape[1] - 1) / 2, (shape[2] - 1) / 2)
    if masks:
        pivot = masks[TUMOUR] if TUMOUR in masks else np.logical_or.reduce(list(masks.values()))
        centre = centre_of(pivot)
    return Motion(perturbation.rotation_degrees, (z, y, x), centre)


def _each(masks: Masks, change: Callable[[str, Mask], Mask]) -> dict[str, Mask]:
    return {name: _located(name, mask, change) for name, mask in masks.items()}


def _located(name: str, mask: Mask, change: Callable[[str, Mask], Mask]) -> Mask:
    try:
        return change(name, mask)
    except DataError as error:
        raise error.at(name) from error


def _rng(seed_key: str, perturbation: Perturbation, step: str) -> np.random.Generator:
    return np.random.default_rng(int(digest_of([seed_key, perturbation.name, step]), 16))
