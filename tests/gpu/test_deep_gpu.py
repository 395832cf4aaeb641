"""The network on a GPU says what it says on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radlas.features.resnet.extractor import embed
from radlas.features.resnet.weights import random_network

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


@gpu
@pytest.mark.parametrize("variant", ["medicalnet", "monai"])
def test_features_on_the_gpu_equal_those_on_the_cpu(variant):
    """float32 on both, TF32 off: within 1e-3 of the largest feature."""
    image = np.random.default_rng(0).normal(size=(24, 64, 64)).astype(np.float32)
    network = random_network(variant, 0)
    expected = embed(network, image)
    found = embed(network.to("cuda"), image)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
