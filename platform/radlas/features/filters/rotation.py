"""Separable filters in all orientations, pooled into one map that no longer depends on them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal

import numpy as np

from radlas.features.filters.boundary import Boundary, Kernel, Kernels, Map, convolve

Pooling = Literal["max", "mean"]
Stages = tuple[Kernels, ...]  # convolutions, one after the other
Turn = tuple[tuple[int, bool], ...]  # for each axis: whose kernel it takes, and if that is reversed


def turns(*, planar: bool) -> tuple[Turn, ...]:
    """The rotations by right angles: 24 of a cube, or the 4 of a square in its slice.

    Reflections are left out: there the number of swapped axes and of reversed ones is odd.

    Args:
        planar: True for those that keep slices in place.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), rotation invariance of separable filters.
    """
    orders = [order for order in itertools.permutations(range(3)) if order[0] == 0 or not planar]
    return tuple(
        tuple(zip(order, flips, strict=True))
        for order in orders
        for flips in itertools.product((False, True), repeat=3)
        if (_swaps(order) + sum(flips)) % 2 == 0 and not (planar and flips[0])
    )


def orientations(stages: Stages) -> list[Stages]:
    """A separable filter in every orientation, each distinct one once.

    Equal ones are left out: every distinct orientation occurs equally often, so neither the
    maximum nor the mean changes.

    Args:
        stages: Kernels along (z, y, x) of each convolution; planar if those along z are ``None``.
    """
    planar = stages[0][0] is None
    turned = [tuple(_turned(kernels, turn) for kernels in stages) for turn in turns(planar=planar)]
    return list({_key(each): each for each in turned}.values())


def respond(values: Map, filters: Iterable[Stages], *, pooling: Pooling, boundary: Boundary) -> Map:
    """The pooled response to several separable filters.

    Args:
        values: Image, shape ``(z, y, x)``.
        filters: At least one; each is a sequence of convolutions.
        pooling: How responses become one.
        boundary: What lies outside the image, before each convolution.
    """
    return pool((_chain(values, stages, boundary) for stages in filters), pooling=pooling)


def pool(maps: Iterable[Map], *, pooling: Pooling) -> Map:
    """One map of several of the same shape: the largest or the mean value at each voxel.

    Args:
        maps: At least one; only two are held at a time.
        pooling: ``max`` or ``mean``.
    """
    stream = iter(maps)
    pooled, count = next(stream).copy(), 1
    combine = np.maximum if pooling == "max" else np.add
    for response in stream:
        combine(pooled, response, out=pooled)
        count += 1
    return pooled / count if pooling == "mean" else pooled


def _chain(values: Map, stages: Stages, boundary: Boundary) -> Map:
    for kernels in stages:
        values = convolve(values, kernels, boundary=boundary)
    return values


def _turned(kernels: Kernels, turn: Turn) -> Kernels:
    z, y, x = (_reversed(kernels[source]) if flip else kernels[source] for source, flip in turn)
    return z, y, x


def _reversed(kernel: Kernel | None) -> Kernel | None:
    return None if kernel is None else np.ascontiguousarray(kernel[::-1])


def _key(stages: Stages) -> tuple[bytes, ...]:
    return tuple(
        b"" if kernel is None else kernel.tobytes() for kernels in stages for kernel in kernels
    )


def _swaps(order: tuple[int, ...]) -> int:
    return sum(early > late for early, late in itertools.combinations(order, 2))
