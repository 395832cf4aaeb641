"""The triangle mesh around an ROI, by marching cubes, as area and volume.

Each cube of eight voxel centres is of one of 256 kinds, by which of its corners lie in the ROI. The
triangles of a kind always have the same area; their share of the volume, taken from an origin, is
linear in the cube's place. So the cubes need only be counted by kind, with the sum of their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Corners (z, y, x) of a cube, and the middles of its edges.
CORNERS = np.array(
    [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)]
)
EDGES = (
    np.array(
        [
            *[(0, 0, 1), (0, 1, 2), (0, 2, 1), (0, 1, 0)],
            *[(2, 0, 1), (2, 1, 2), (2, 2, 1), (2, 1, 0)],
            *[(1, 0, 0), (1, 0, 2), (1, 2, 2), (1, 2, 0)],
        ]
    )
    / 2
)
# For the first 128 kinds, the edges on which the triangles' corners lie, three by three, in hex;
# the others are their complements, turned inside out. After W. Lorensen and H. Cline, "Marching
# cubes"
# (1987), in the triangulation that P. Bourke published in 1994 and PyRadiomics uses.
TRIANGLES = """
- 083 190 183198 12a 08312a 92a029 2832a8a98 b23 b2008b 190b23 b2119b98b 3a1ba3 a1008a8ba
9033b9ba9 98aba8 478 043473 190478 194147173 12a478 34730412a 92a902478 2a9297273479 478b23
b47b24204 190478b23 47b94bb29192 3a1ba3478 ba114b10447b 4789033b9ba9 47b4b99ba 954 954083 054015
854835315 12a954 08312a954 2a5542240 2a5325354834 954b23 b2008b954 054015b23 215258b28548
3a1ba3954 549a1008a8ba 54050ba5bb03 548a58ba8 789579 309539357 780017715 157173 78957912a
12a309395357 0288258572a5 2a5253357 579789b23 579972209b27 b23018178157 21b17b157 7895793a1ba3
5705097b0a10ba0 ba003ba50078570 ba557b 65a 08365a 19065a 18319865a 165126 165126083 965906026
598582526832 b2365a b2008b65a 190b2365a b2119b98b65a 63b653513 08b0b50515b6 63b036065059
65969bb98 47865a 04347365a 19047865a 19414717365a 478165126 043473165126 478965906026
739479329596269 b2347865a b47b2420465a 190b2347865a 47b94bb2919265a 47863b653513 51b5b610b47b04b
47863b036065059 65969b4797b9 a4964a a4964a083 01aa60640 18316886461a 149124264 149124264083
024426 832824426 b23a4964a b2008ba4964a b2301aa60640 64161a148b2118b 964369139b63
18b081b61149641 63b036640 86468b 67a78a89a 67a0a709a073 67a1a7178018 67a1a7173 126168189678
269129679309739 078706602 273267 b2367a78a89a 207b2709767a9a7 67a1a7178018b23 b2117ba61167
896678169b63136 09167b 07870603bb60 67b
""".split()


def _triangles() -> NDArray[np.int64]:
    """Every triangle of every kind: the kind, then the edges of its corners, shape ``(4, n)``."""
    words = [TRIANGLES[min(kind, 255 - kind)].strip("-") for kind in range(256)]
    rows = [
        (kind, *(int(digit, 16) for digit in word[start : start + 3]))
        for kind, word in enumerate(words)
        for start in range(0, len(word), 3)
    ]
    return np.array(rows).T


KIND, FIRST, SECOND, THIRD = _triangles()
SIGN = np.where(KIND < 128, 1, -1)


@dataclass(frozen=True)
class Surface:
    """The mesh of an ROI.

    Attributes:
        area: Of its triangles [mm2].
        volume: Inside it [mm3].
    """

    area: float
    volume: float


def surface(mask: NDArray[np.bool_], spacing_zyx: tuple[float, float, float]) -> Surface:
    """Area and volume of the mesh half-way between the voxels of an ROI and those around.

    Args:
        mask: Shape ``(z, y, x)``; what lies outside of it is outside the ROI.
        spacing_zyx: Voxel edges [mm].
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    size = tuple(edge - 1 for edge in padded.shape)
    kinds = np.zeros(size, dtype=np.uint8)
    for bit, (z, y, x) in enumerate(CORNERS):
        corner = padded[z : z + size[0], y : y + size[1], x : x + size[2]]
        kinds |= corner << np.uint8(bit)
    flat = kinds.ravel()
    crossed = np.flatnonzero((flat != 0) & (flat != 255))
    found = flat[crossed]
    places = np.unravel_index(crossed, size)
    counts = np.bincount(found, minlength=256)
    sums = np.stack([np.bincount(found, weights=place, minlength=256) for place in places], axis=1)
    areas, volumes, slopes = _kinds(spacing_zyx)
    volume = counts @ volumes + (sums * np.array(spacing_zyx) * slopes).sum()
    return Surface(float(counts @ areas), float(volume))


@lru_cache(maxsize=16)
def _kinds(
    spacing_zyx: tuple[float, float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Per kind: area, volume seen from the cube's own corner, and how it grows with its place."""
    middles = EDGES * np.array(spacing_zyx)
    a, b, c = middles[FIRST], middles[SECOND], middles[THIRD]
    normals = np.cross(a - c, b - c)
    areas, volumes, slopes = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    np.add.at(areas, KIND, np.sqrt(np.vecdot(normals, normals)) / 2)
    np.add.at(volumes, KIND, SIGN * np.vecdot(np.cross(a, b), c) / 6)
    np.add.at(slopes, KIND, SIGN[:, np.newaxis] * normals / 6)
    return areas, volumes, slopes
