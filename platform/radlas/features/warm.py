"""Compile every kernel once, so that nobody's first case waits for it.

The machine code is kept in a cache beside the source, or in the user's cache folder; a worker only
loads it. It fits one kind of processor: on another one it is compiled anew.
"""

from __future__ import annotations

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


def compile_kernels() -> None:
    """Describe a small made case in every way that takes another path through the kernels."""
    chance = np.random.default_rng(0)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    ball = ((z - 6) * 2) ** 2 + (y - 15) ** 2 + (x - 16) ** 2 < 64
    voxels = np.where(ball, 500, 200) + chance.normal(0, 40, SHAPE)
    geometry = make_geometry(SHAPE, spacing=(1, 1, 2), origin=(0, 0, 0), direction=np.eye(3))
    case = Volume(voxels.round(), geometry), {"tumour": Roi("tumour", ball, "made")}
    for pixel_type in ("float32", "float64", "int32"):
        for upstream in ({}, {"resampledPixelSpacing": [1.5, 1.5, 1.5]}, {"force2D": True}):
            settings = {
                "image_types": IMAGES if not upstream else {"original": {}, "wavelet": {}},
                "normalise": "none",
                "pixel_type": pixel_type,
                "rings": [[0, 4]],
                "pyradiomics": upstream,
            }
            RadiomicsExtractor(RadiomicsExtractor.Settings.parse(settings)).describe(*case)
    IbsiExtractor(IbsiExtractor.Settings.parse({"aggregation": "2d_average"})).describe(*case)
    IbsiExtractor(IbsiExtractor.Settings.parse({"aggregation": "3d_merged"})).describe(*case)
    DeepExtractor(DeepSettings(size=(16, 16, 16))).prepare(*case)
    lean.compile_loops()
