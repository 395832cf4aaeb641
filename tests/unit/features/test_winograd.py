"""The network on a processor says what torch's own says; each convolution too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.features.kernels import stem, strided_stem, winograd
from radlas.features.resnet import convolution as convolutions
from radlas.features.resnet.convolution import Convolution, Folded, Im2colConvolution, Scratch
from radlas.features.resnet.form import FORMS, STAGES
from radlas.features.resnet.lean import LeanNetwork
from radlas.features.resnet.weights import state_of

from .test_network import trained


@pytest.fixture(scope="module", params=list(FORMS))
def network(request):
    return trained(request.param).requires_grad_(False)


@pytest.fixture(scope="module")
def lean_network(network):
    """Its filters are transformed once: of the largest network that takes seconds."""
    return LeanNetwork(network.form, state_of(network))


def image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 40, 33), (32, 23, 50)])
def test_features_are_those_of_torch(network, lean_network, shape):
    """Within 1e-5 of the largest; 1e-4 is what may be given up for speed."""
    seen = image(shape)
    with torch.inference_mode():
        expected = network(torch.from_numpy(seen)[None, None])[0].numpy()
    found = lean_network.features(seen)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("stage", STAGES)
def test_activations_of_every_stage_are_those_of_torch(network, lean_network, stage):
    seen = image((16, 24, 40), seed=1)
    with torch.inference_mode():
        expected = network.run(torch.from_numpy(seen)[None, None], until=stage)[0].numpy()
    found = lean_network.run(seen, until=stage).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_an_image_says_the_same_after_another_of_any_size(network, lean_network):
    """Memory that is used again leaves nothing behind, and takes nothing that was given away."""
    first = image((16, 24, 20))
    alone = LeanNetwork(network.form, state_of(network)).features(first)
    given = lean_network.run(first, until="layer1")
    kept = given.copy()
    lean_network.features(image((20, 40, 36), seed=2))
    lean_network.features(image((16, 16, 16), seed=3))
    np.testing.assert_array_equal(lean_network.features(first), alone)
    np.testing.assert_array_equal(given, kept)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 17), st.integers(1, 17)),
    dilation=st.sampled_from([1, 2, 4]),
    channels=st.sampled_from([(1, 1), (3, 5), (8, 4)]),
    around=st.booleans(),
    slab=st.sampled_from([1, 1 << 20]),
)
def test_a_convolution_is_torchs_at_any_size(shape, dilation, channels, around, slab):
    """Whatever the grid, the dilation, what is added, and how many slices are done at once."""
    inputs, outputs = channels
    torch.manual_seed(0)
    convolution = torch.nn.Conv3d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    convolution.requires_grad_(False)
    values = image((*shape, inputs))
    added = image((*shape, min(inputs, outputs)), seed=1) if around else values[..., :0]
    expected = convolution(torch.from_numpy(values).permute(3, 0, 1, 2)[None])[0]
    expected = expected.permute(1, 2, 3, 0).numpy().copy()
    expected[..., : added.shape[-1]] += added
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolutions, "_SLAB", slab)
        found = Convolution(folded(convolution), dilation, Scratch())(values, added)
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=2e-5)


def folded(convolution):
    """Its taps made smaller or larger, and as much to be scaled by."""
    rng = np.random.default_rng(0)
    scale = 2.0 ** rng.integers(-2, 3, convolution.out_channels).astype(np.float32)
    taps = convolution.weight.numpy() / scale[:, None, None, None, None]
    return Folded(taps, scale, convolution.bias.numpy())


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    kernel=st.sampled_from([(1, 1, 1), (3, 3, 3), (3, 7, 7)]),
    steps=st.tuples(st.tuples(*[st.integers(1, 2)] * 3), st.integers(1, 2)),
    channels=st.sampled_from([(1, 4), (3, 5)]),
    relu=st.booleans(),
)
def test_any_other_convolution_is_torchs_at_any_size(shape, kernel, steps, channels, relu):
    torch.manual_seed(0)
    stride, dilation = steps
    options = {"stride": stride, "dilation": dilation}
    options["padding"] = tuple(dilation * (edge // 2) for edge in kernel)
    convolution = torch.nn.Conv3d(*channels, kernel, **options).requires_grad_(False)
    values = image((*shape, channels[0]))
    expected = convolution(torch.from_numpy(values).permute(3, 0, 1, 2)[None])[0]
    expected = expected.permute(1, 2, 3, 0).numpy()
    found = Im2colConvolution(folded(convolution), stride, dilation, relu=relu)(values)
    np.testing.assert_allclose(found, np.maximum(expected, 0) if relu else expected, atol=2e-5)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 19), st.integers(1, 11), st.integers(1, 13)),
    channels=st.integers(1, 9),
    bias=st.sampled_from([0.0, -0.3, 0.3]),
    stride=st.sampled_from([1, 2]),
)
def test_a_stem_is_torchs_at_any_size(shape, channels, bias, stride):
    """A convolution, what is above 0 of it, and the pooling, at an edge wherever it is."""
    torch.manual_seed(0)
    convolution = torch.nn.Conv3d(1, channels, 7, stride=stride, padding=3).requires_grad_(False)
    convolution.bias += bias
    values = image(shape)
    whole = torch.relu(convolution(torch.from_numpy(values)[None, None]))
    expected = torch.nn.functional.max_pool3d(whole, 3, stride=2, padding=1)[0]
    found = np.full((*expected.shape[1:], channels), np.nan, np.float32)
    loops = {1: stem, 2: strided_stem}[stride]
    filters = loops.transformed_filters(convolution.weight.numpy()[:, 0])
    loops.convolve_and_pool(values, filters, convolution.bias.numpy(), found)
    np.testing.assert_allclose(found, expected.permute(1, 2, 3, 0).numpy(), atol=2e-5)


@given(extent=st.integers(1, 300), dilation=st.sampled_from([1, 2, 4]))
def test_tiles_cover_every_voxel_with_no_tile_in_vain(extent, dilation):
    tiles, long = winograd.side(extent, dilation)
    longest = -(-extent // dilation)
    assert 0 <= long <= tiles
    assert 4 * (tiles - 1) < longest <= 4 * long + 3 * (tiles - long)
    assert long in (0, longest - 3 * tiles)
