"""The network: its size, its strides, its shortcut, its weights."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from radlas.errors import ConfigError
from radlas.features.resnet.form import FORMS, STAGES
from radlas.features.resnet.network import (
    ResNet18,
    max_pool,
    max_pool_in_turns,
    shortcut,
)
from radlas.features.resnet.sanity import randomise
from radlas.features.resnet.state import cached_state, shapes
from radlas.features.resnet.weights import (
    cached_network,
    load_network,
    on_device,
    random_network,
)


def trained(variant, seed=0):
    """A network whose normalisations have seen images, as those of any trained one have."""
    network, rng = random_network(variant, seed), torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 1.5, generator=rng)
            module.weight.data.uniform_(0.8, 1.2, generator=rng)
            module.bias.data.normal_(0, 0.1, generator=rng)
    return network


@pytest.fixture(scope="module")
def networks():
    return {variant: trained(variant) for variant in FORMS}


@pytest.mark.parametrize("variant", ["medicalnet", "monai"])
def test_the_backbone_has_the_published_number_of_parameters(networks, variant):
    """MONAI reports the same for its resnet18 with shortcut A; MedicalNet's README 32.99 M."""
    network = networks[variant]
    assert sum(tensor.numel() for tensor in network.parameters()) == 32_986_176
    assert len(network.state_dict()) == 102


def test_both_variants_take_the_same_weights(networks):
    one, other = (networks[variant].state_dict() for variant in ("medicalnet", "monai"))
    assert {name: tensor.shape for name, tensor in one.items()} == {
        name: tensor.shape for name, tensor in other.items()
    }
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight"} < set(one)


@pytest.mark.parametrize(
    ("variant", "strides"),
    [
        ("medicalnet", [(4, 4, 4), (4, 4, 4), (8, 8, 8), (8, 8, 8), (8, 8, 8)]),
        ("monai", [(2, 2, 2), (2, 2, 2), (4, 4, 4), (8, 8, 8), (16, 16, 16)]),
        ("r3d_18", [(1, 2, 2), (1, 2, 2), (2, 4, 4), (4, 8, 8), (8, 16, 16)]),
    ],
)
def test_every_stage_shrinks_the_grid_by_its_stride(networks, variant, strides):
    image = torch.zeros(1, 1, 16, 32, 16)
    with torch.inference_mode():
        for stage, stride in zip(STAGES, strides, strict=True):
            cells = networks[variant].run(image, until=stage).shape[2:]
            assert networks[variant].strides[stage] == stride
            assert tuple(cells) == tuple(np.array([16, 32, 16]) // stride)


@pytest.mark.parametrize(
    ("variant", "layer", "dilation"),
    [("medicalnet", "layer2", 1), ("medicalnet", "layer3", 2), ("medicalnet", "layer4", 4)]
    + [("monai", layer, 1) for layer in ("layer2", "layer3", "layer4")],
)
def test_where_medicalnet_keeps_the_grid_it_looks_further_instead(variant, layer, dilation):
    """Its published layer table: dilation 2 in layer3 and 4 in layer4, in all four convolutions."""
    for block in getattr(ResNet18(variant), layer):
        for convolution in (block.conv1, block.conv2):
            taps = convolution(torch.zeros(1, convolution.in_channels, 11, 1, 1)).shape[2]
            assert taps == -(-11 // convolution.stride[0])
            lit = torch.zeros(1, convolution.in_channels, 11, 1, 1)
            lit[0, :, 5] = 1
            seen = convolution(lit).abs().sum(dim=(0, 1, 3, 4)).nonzero().ravel()
            inputs = {5 - dilation, 5, 5 + dilation}
            assert {int(k) * convolution.stride[0] for k in seen} == {
                k for k in inputs if k % convolution.stride[0] == 0
            }


def test_the_shortcut_is_average_pooling_of_single_voxels_with_empty_channels():
    x = torch.randn(2, 3, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    y = shortcut(x, 8, 2)
    torch.testing.assert_close(y[:, :3], torch.nn.functional.avg_pool3d(x, 1, stride=2))
    assert y.shape[1] == 8
    assert not y[:, 3:].any()


def test_the_gradient_flows_through_the_shortcut():
    x = torch.ones(1, 2, 4, 4, 4, requires_grad=True)
    shortcut(x, 4, 2).sum().backward()
    expected = torch.zeros(4, 4, 4)
    expected[::2, ::2, ::2] = 1
    torch.testing.assert_close(x.grad[0, 0], expected)


@pytest.mark.parametrize("shape", [(4, 6, 8), (5, 7, 3), (1, 2, 9)])
def test_pooling_in_turns_is_pooling_with_the_same_gradients(shape):
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(2, 3, *shape, generator=rng, dtype=torch.float64, requires_grad=True)
    expected = max_pool(x)
    weights = torch.randn(expected.shape, generator=rng, dtype=torch.float64)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), x)
    found = max_pool_in_turns(x)
    (gradient,) = torch.autograd.grad((found * weights).sum(), x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_where_gradients_flow_off_the_processor_no_pooling_adds_them_in_any_order(device):
    x = torch.zeros(1, 1, 4, 4, 4, device=device, requires_grad=True)
    assert ("MaxPool" in max_pool(x).grad_fn.name()) == (device == "cpu")


def test_off_the_processor_every_convolution_has_channels_last_the_forgotten_ones_too():
    """In the other layout cuDNN convolves with dilation as it likes, and half precision slowly.

    Weights of one input channel are in both; which is theirs only the strides tell.
    """
    network = on_device(random_network("medicalnet", 0), "meta")
    for stage in STAGES:
        randomise(network, stage, 1)
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv3d):
            assert module.weight.stride()[1] == 1, name


def test_a_stage_is_forgotten_by_its_values_alone():
    network = on_device(random_network("medicalnet", 0), "cpu")
    before = network.layer4[0].conv1.weight.clone()
    randomise(network, "layer4", 1)
    after = network.layer4[0].conv1.weight
    assert not torch.equal(after, before)
    assert after.stride() == before.stride()


def test_a_network_continued_after_a_stage_is_the_network(networks):
    network = networks["monai"]
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        middle = network.run(image, until="layer2")
        torch.testing.assert_close(network.run(middle, after="layer2"), network.run(image))


@pytest.mark.parametrize("variant", FORMS)
def test_a_forms_tensors_are_those_of_its_network(variant):
    state = ResNet18(variant).state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert list(shapes(FORMS[variant]).items()) == list(expected.items())


@pytest.mark.parametrize("variant", FORMS)
def test_random_weights_have_the_variance_that_torch_gives_them(variant):
    for module in random_network(variant, 3).modules():
        if isinstance(module, torch.nn.Conv3d):
            fresh = torch.empty(module.weight.shape)
            torch.nn.init.kaiming_normal_(fresh, mode="fan_out")
            room = 6 / np.sqrt(fresh.numel())  # of a standard deviation, six of its own errors
            assert float(module.weight.detach().std() / fresh.std()) == pytest.approx(1, abs=room)
            assert abs(float(module.weight.detach().mean() / fresh.std())) < room


def test_random_weights_follow_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again, other = random_network("medicalnet", 0), random_network("medicalnet", 1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    first = random_network("medicalnet", 0).state_dict()
    assert all(torch.equal(tensor, first[name]) for name, tensor in again.state_dict().items())
    assert not torch.equal(other.conv1.weight, again.conv1.weight)


def test_random_networks_keep_signals_in_range(networks):
    """Kaiming: the variance of the features neither dies nor explodes over 17 convolutions."""
    image = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        features = networks["medicalnet"](image)
    assert 0.01 < float(features.std()) < 100


def test_a_medicalnet_checkpoint_is_unwrapped_and_loaded_in_full(tmp_path, networks):
    state = networks["medicalnet"].state_dict()
    path = tmp_path / "resnet_18.pth"
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": named}, path)
    loaded = load_network("medicalnet", path)
    assert not loaded.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


def test_safetensors_hold_the_same_weights(tmp_path, networks):
    state = networks["monai"].state_dict()
    path = tmp_path / "resnet_18.safetensors"
    save_file(state, path)
    loaded = load_network("monai", path)
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer3.1.conv2.weight"), "1 missing (layer3.1.conv2.weight)"),
        (
            lambda state: state.update({"layer5.0.conv1.weight": torch.zeros(2)}),
            "1 unexpected (layer5.0.conv1.weight)",
        ),
        (
            lambda state: state.update({"layer2.0.downsample.0.weight": torch.zeros(2)}),
            "its shortcuts have weights (shortcut B)",
        ),
        (
            lambda state: state.update({"conv1.weight": torch.zeros(64, 3, 7, 7, 7)}),
            "conv1.weight is (64, 3, 7, 7, 7), not (64, 1, 7, 7, 7)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, networks, change, message):
    state = dict(networks["medicalnet"].state_dict())
    change(state)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_network("medicalnet", path)


class Evil:
    def __reduce__(self):
        return (print, ("opened",))


def test_a_pickle_that_could_run_code_is_not_opened(tmp_path, capsys):
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(ConfigError, match="not a checkpoint of tensors alone"):
        load_network("medicalnet", path)
    assert "opened" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_damaged_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(ConfigError, match="not readable as weights"):
        load_network("monai", path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such weights file"):
        load_network("monai", tmp_path / "none.pth")


def test_a_network_that_went_to_its_device_leaves_no_copy_behind():
    cached_state.cache_clear()
    cached_network("monai", "", "", 17, "meta")
    assert not cached_state.cache_info().currsize


def test_weights_that_changed_since_the_recipe_was_made_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(trained("medicalnet").state_dict(), path)
    with pytest.raises(ConfigError, match="have changed"):
        cached_network("monai", str(path), "0" * 64, 0, "cpu")


def test_a_network_built_by_hand_needs_no_weights_file_to_be_trained():
    network = ResNet18("medicalnet")
    score = network(torch.randn(1, 1, 16, 16, 16)).sum()
    score.backward()
    assert all(tensor.grad is not None for tensor in network.parameters())
