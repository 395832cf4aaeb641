"""Compile every kernel once, so that nobody's first case waits for it.

The machine code is kept in a cache beside the source, or in the user's cache folder; a worker only
loads it. It fits one kind of processor: on another one it is compiled anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from radlas.features.ibsi.extractor import IbsiExtractor
from radlas.features.radiomics import RadiomicsExtractor
from radlas.features.resnet import lean
from radlas.features.resnet.extractor import DeepExtractor, DeepSettings
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume

SHAPE = (12, 30, 32)
IMAGES = {
    "original": {},
    "log": {"sigma": [1.0]},
    "wavelet": {},
    "square": {},
    "squareroot": {},
    "logarithm": {},
    "exponential": {},
    "gradient": {},
    "lbp3d": {},
}


def texture_loops() -> None:
    """Compile those of intensity and texture: next to none that ``filter_loops`` compiles."""
    families = ["firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]
    _describe({"original": {}}, feature_classes=families, rings=[[0, 4]])


def filter_loops() -> None:
    """Compile those of filters, of shape and of the network."""
    _describe(IMAGES, feature_classes=["shape"])
    DeepExtractor(DeepSettings(size=(16, 16, 16))).prepare(*_case(pixel=0.5))
    lean.compile_loops()


def compile_kernels() -> None:
    """Describe a small made case in every way that takes another path through the kernels."""
    texture_loops()
    filter_loops()
    for pixel_type in ("float32", "float64", "int32"):
        for upstream in ({}, {"resampledPixelSpacing": [1.5, 1.5, 1.5]}, {"force2D": True}):
            images = {"original": {}, "wavelet": {}} if upstream else IMAGES
            _describe(images, pixel_type=pixel_type, rings=[[0, 4]], pyradiomics=upstream)
        normalise = "none" if pixel_type == "int32" else "body"  # which those would round
        _describe(
            {"original": {}}, pixel_type=pixel_type, in_plane_spacing=1.5, normalise=normalise
        )
    _describe({"original": {}}, perturbations={"contour_repeats": 1})
    for aggregation in ("2d_average", "3d_merged"):
        settings = IbsiExtractor.Settings.parse({"aggregation": aggregation})
        IbsiExtractor(settings).describe(*_case())


def _describe(images: Mapping[str, Any], **settings: Any) -> None:
    wanted = {"image_types": images, "normalise": "none", **settings}
    RadiomicsExtractor(RadiomicsExtractor.Settings.parse(wanted)).describe(*_case())


def _case(pixel: float = 1.0) -> tuple[Volume, dict[str, Roi]]:
    """A tumour in a body in air; pixels of less than 0.55 mm are put together to find that."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    ball = ((z - 6) * 2) ** 2 + (y - 15) ** 2 + (x - 16) ** 2 < 64
    body = (y - 15) ** 2 + (x - 16) ** 2 < 169
    voxels = np.where(ball, 500, 200 * body) + rng.normal(0, 4 + 36 * body, SHAPE)
    spacing = (pixel, pixel, 2)
    geometry = make_geometry(SHAPE, spacing=spacing, origin=(0, 0, 0), direction=np.eye(3))
    return Volume(voxels.round(), geometry), {"tumour": Roi("tumour", ball, "made")}
