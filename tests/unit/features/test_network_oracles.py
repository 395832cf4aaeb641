"""The network, its weights and its maps against MONAI, captum and torchvision's own names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from monai.networks.nets import resnet18
from monai.visualize import GradCAM
from torch.nn import functional

from radlas.features.resnet.cam import grad_cam
from radlas.features.resnet.checkpoint import read_weights
from radlas.features.resnet.gpu import TorchRunner, runner_of
from radlas.features.resnet.weights import load_network
from radlas.geometry import Geometry

from .test_network import trained

SIZE = (32, 48, 40)


def image(seed=0):
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


def monai_network(variant):
    """MONAI's; for MedicalNet's own form with the strides and dilations of its published table."""
    network = resnet18(
        spatial_dims=3,
        n_input_channels=1,
        shortcut_type="A",
        bias_downsample=True,
        feed_forward=False,
        conv1_t_stride=2 if variant == "medicalnet" else 1,
    ).eval()
    if variant == "medicalnet":
        for layer, dilation in ((network.layer3, 2), (network.layer4, 4)):
            for block in layer:
                block.stride = 1
                for convolution in (block.conv1, block.conv2):
                    convolution.stride = (1, 1, 1)
                    convolution.dilation = convolution.padding = (dilation,) * 3
                if block.downsample is not None:
                    block.downsample = widening(block.conv1.out_channels)
    return network


def widening(planes):
    """Shortcut A where the grid stays: empty channels only."""

    def shortcut(x):
        return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, planes - x.shape[1]))

    module = torch.nn.Module()
    module.forward = shortcut
    return module


@pytest.mark.parametrize("variant", ["medicalnet", "monai"])
def test_a_file_in_medicalnets_form_gives_the_features_of_monais_network(tmp_path, variant):
    """Made without us: MONAI's tensors under the names of a model that was trained in parallel."""
    theirs = monai_network(variant)
    theirs.load_state_dict(trained("monai").state_dict())
    path = tmp_path / "resnet_18.pth"
    named = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"state_dict": named}, path)
    seen = torch.from_numpy(image())[None, None]
    with torch.inference_mode():
        expected, found = theirs(seen), load_network(variant, path)(seen)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_two_forms_are_not_one():
    """The same weights, other features: what loads everywhere unnoticed."""
    seen = torch.from_numpy(image())[None, None]
    with torch.inference_mode():
        one, other = trained("medicalnet")(seen), trained("monai")(seen)
    assert float((one - other).abs().max() / one.abs().max()) > 0.1


@pytest.mark.parametrize("make", [runner_of, TorchRunner])
@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_the_map_is_captums(layer, make):
    """At layer3 the last digits of what enters a ReLU decide whether its gradient is 0 or 1."""
    network = trained("monai")
    head = np.random.default_rng(1).normal(size=512)
    grid = Geometry(SIZE, np.diag([1.0, 1, 3, 1]))
    ours = grad_cam(make(network), image(), grid, weights=head, bias=0.0, layer=layer)
    weights = torch.from_numpy(head).float()
    theirs = LayerGradCam(lambda x: network(x) @ weights, getattr(network, layer)).attribute(
        torch.from_numpy(image())[None, None], relu_attributions=True
    )
    expected = theirs[0, 0].detach().numpy()
    assert expected.max() > 0
    bound = 5e-3 if layer == "layer3" and make is runner_of else 1e-4
    np.testing.assert_allclose(ours.cells, expected, atol=bound * expected.max())


def test_the_map_is_monais_raw_one_and_not_the_one_it_shows():
    """MONAI's default turns a map upside down: what matters least is highest."""
    network = trained("monai")
    head = torch.from_numpy(np.random.default_rng(1).normal(size=(512, 1))).float()
    scored = torch.nn.Sequential(network, torch.nn.Linear(512, 1, bias=False))
    scored[1].weight.data = head.T
    seen = torch.from_numpy(image())[None, None]
    cam = GradCAM(nn_module=scored, target_layers="0.layer4")
    grid = Geometry(SIZE, np.diag([1.0, 1, 3, 1]))
    ours = grad_cam(
        runner_of(network), image(), grid, weights=head[:, 0].double().numpy(), bias=0.0
    )
    raw = cam.compute_map(seen, class_idx=0)[0, 0].detach().numpy()
    assert raw.max() > 0
    np.testing.assert_allclose(ours.cells, raw, rtol=1e-3, atol=1e-6 * raw.max())
    shown = np.asarray(cam(seen, class_idx=0)[0, 0])
    assert np.corrcoef(ours.map.ravel(), shown.ravel())[0, 1] < 0


def video_state(seed=0):
    """A state as torchvision saves its r3d_18, with the classifier."""
    made = {}
    for name, tensor in trained("r3d_18", seed).state_dict().items():
        theirs = name
        for number in "12":
            theirs = theirs.replace(f".conv{number}.", f".conv{number}.0.")
            theirs = theirs.replace(f".bn{number}.", f".conv{number}.1.")
        if name.startswith(("conv1", "bn1")):
            theirs = name.replace("conv1.", "stem.0.").replace("bn1.", "stem.1.")
        made[theirs] = tensor
    rng = torch.Generator().manual_seed(seed)
    made["stem.0.weight"] = torch.randn(64, 3, 3, 7, 7, generator=rng) / 20
    made["fc.weight"], made["fc.bias"] = torch.zeros(400, 512), torch.zeros(400)
    return made


def video_features(state, seen):
    """torchvision's r3d_18 written out, on three equal channels."""

    def normed(x, name):
        arguments = (state[f"{name}.running_mean"], state[f"{name}.running_var"])
        return functional.batch_norm(x, *arguments, state[f"{name}.weight"], state[f"{name}.bias"])

    x = functional.conv3d(
        seen.expand(-1, 3, -1, -1, -1), state["stem.0.weight"], stride=(1, 2, 2), padding=(1, 3, 3)
    )
    x = functional.relu(normed(x, "stem.1"))
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = functional.conv3d(x, state[f"{name}.conv1.0.weight"], stride=stride, padding=1)
            y = functional.relu(normed(y, f"{name}.conv1.1"))
            y = functional.conv3d(y, state[f"{name}.conv2.0.weight"], padding=1)
            y = normed(y, f"{name}.conv2.1")
            if stride == 2:
                x = functional.conv3d(x, state[f"{name}.downsample.0.weight"], stride=2)
                x = normed(x, f"{name}.downsample.1")
            x = functional.relu(x + y)
    return x.mean(dim=(2, 3, 4))


def test_weights_of_the_video_network_see_a_grey_image_as_three_equal_channels(tmp_path):
    path, state = tmp_path / "r3d_18.pth", video_state()
    torch.save(state, path)
    assert read_weights(path).heads == ("fc.weight", "fc.bias")
    seen = torch.from_numpy(image())[None, None]
    with torch.inference_mode():
        found, expected = load_network("r3d_18", path)(seen), video_features(state, seen)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
