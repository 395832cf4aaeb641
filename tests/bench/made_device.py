"""A device that was made up: one for all processes, and as slow as it is told to be.

What feeds a GPU can be measured without one: the images are prepared and staged as for a GPU, and
then the process that holds the device sleeps.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radlas.engine.base import GPU_BATCH, Bundle, Done
from radlas.features.resnet import extractor
from radlas.features.resnet.runner import ImageFeatures
from radlas.flows.cases import extract_case
from radlas.flows.cases.extract_case import ExtractTask

# Variables of the environment: where processes meet, and how long an image takes [s].
FOLDER, PACE = "MADE_DEVICE_FOLDER", "MADE_DEVICE_PACE"


class MadeDevice:
    """What ``TorchRunner`` is, as far as the extractor can see."""

    name = "made float16"

    def describe(self, images: Sequence[np.ndarray]) -> list[ImageFeatures]:
        staged = np.stack(images)
        batches = -(-len(staged) // GPU_BATCH)  # filled up, as those of a GPU
        seconds = float(os.environ[PACE]) * batches * GPU_BATCH
        with Path(os.environ[FOLDER], "device").open("w") as device:
            fcntl.flock(device, fcntl.LOCK_EX)
            time.sleep(seconds)
        made = (np.full(512, image[0, 0, 0] + 1, np.float32) for image in staged)
        return [ImageFeatures(features, self.name) for features in made]


def work_many(
    bundle: Bundle[ExtractTask],
) -> list[Done[ExtractTask, Any]]:
    """As ``extract`` does it, on the made device."""
    extractor.default_device = lambda: "cuda"  # this process is a worker's child, and ours alone
    extractor.DeepExtractor.runner = lambda _: MadeDevice()
    return extract_case.work_many(bundle)
