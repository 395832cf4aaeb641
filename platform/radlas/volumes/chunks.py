"""How a volume is cut into chunks. Pure."""

from __future__ import annotations

CHUNK_ZYX = (64, 128, 128)  # about 1.3 MB compressed: few enough for Python, small enough for ROIs


def image_chunks(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Inner chunks: a whole slab of slices, tiles of 128 x 128 in plane [voxels]."""
    z, y, x = (min(size, limit) for size, limit in zip(shape, CHUNK_ZYX, strict=True))
    return z, y, x


def image_shard(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """One shard over the whole volume, rounded up to whole chunks [voxels]."""
    chunks = image_chunks(shape)
    z, y, x = (-(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True))
    return z, y, x
