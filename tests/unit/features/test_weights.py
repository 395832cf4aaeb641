"""Weights files: what they hold is known, converted once, and never random in disguise."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from radlas.digests import file_digest
from radlas.errors import ConfigError
from radlas.features.base import feature_set_name, recipe
from radlas.features.resnet.checkpoint import read_weights, save_weights
from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.state import fitting
from radlas.features.resnet.weights import load_network, random_network

from .test_network import trained
from .test_network_oracles import video_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet_18_23dataset.pth"
    state = {
        f"module.{name}": tensor for name, tensor in trained("medicalnet").state_dict().items()
    }
    torch.save({"state_dict": state}, path)
    return path


def extractor(path):
    return DeepExtractor(DeepExtractor.Settings.parse({"weights": path, "size": (16, 16, 16)}))


def test_a_converted_file_is_the_same_feature_set(tmp_path, checkpoint):
    """So that a site may convert its file and rows of both stay comparable."""
    converted = tmp_path / "own.safetensors"
    weights = read_weights(checkpoint)
    save_weights(converted, weights.state, weights.note)
    one, other = extractor(checkpoint), extractor(converted)
    assert recipe("deep", one) == recipe("deep", other)
    assert feature_set_name("deep", one) == feature_set_name("deep", other)
    source = {"source": checkpoint.name, "source_sha256": file_digest(checkpoint)}
    assert one.provenance == other.provenance == source | {"recast": weights.recast}


def test_one_network_in_two_files_of_two_sites_is_one_feature_set(tmp_path, checkpoint):
    """How a file is called and packed moves no value, and rows of both sites should merge."""
    other = tmp_path / "MedicalNet_final.pth"
    torch.save(torch.load(checkpoint, weights_only=True)["state_dict"], other)
    ours, theirs = extractor(checkpoint), extractor(other)
    assert feature_set_name("deep", ours) == feature_set_name("deep", theirs)
    assert recipe("deep", theirs)["provenance"]["source"] == "MedicalNet_final.pth"
    assert ours.provenance["source_sha256"] != theirs.provenance["source_sha256"]


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}])
def test_random_weights_in_a_file_are_refused(tmp_path, wrap):
    """A network that never saw an image could otherwise be called by its file's name."""
    path = tmp_path / "pretrained.pth"
    torch.save(wrap(random_network("medicalnet", 0).state_dict()), path)
    with pytest.raises(ConfigError, match="never trained"):
        read_weights(path)
    with pytest.raises(ConfigError, match="never trained"):
        extractor(path)


def touched(network):
    network.bn1.running_mean[0] = 1e-6


def seen_but_not_trained(network):
    network.train()(torch.randn(2, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0)))


def scaled_at_once(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.weight.data.fill_(0.5)


def seen_and_scaled(network):
    """As residual branches that begin with a scale of zero, or a scale that somebody multiplied."""
    seen_but_not_trained(network)
    scaled_at_once(network)


def of_zeros(network):
    """It says the same of every image."""
    for tensor in network.state_dict().values():
        tensor.zero_()


def hardly_trained(network):
    """Nobody would call one step of AdamW a training, but it moves every scale."""
    network.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images = torch.randn(2, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    network(images).square().sum().backward()
    optimiser.step()
    moved = (network.bn1.weight - 1).abs()
    assert 0 < moved.max() < 0.02


@pytest.mark.parametrize(
    "disguise",
    [touched, seen_but_not_trained, scaled_at_once, seen_and_scaled, of_zeros, hardly_trained],
)
def test_random_weights_in_disguise_are_refused(tmp_path, disguise):
    network = random_network("medicalnet", 0).requires_grad_(False)
    disguise(network)
    torch.save(network.state_dict(), tmp_path / "touched.pth")
    with pytest.raises(ConfigError, match="never trained"):
        read_weights(tmp_path / "touched.pth")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A trained network's file, and what is told of it and of another one."""
    folder = tmp_path_factory.mktemp("kept")
    for seed in (0, 1):
        torch.save(trained("medicalnet", seed).state_dict(), folder / f"{seed}.pth")
    return folder / "0.pth", *(read_weights(folder / f"{seed}.pth") for seed in (0, 1))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("back", [True, False], ids=["and back", "as it is"])
def test_a_copy_in_lower_precision_has_a_digest_in_common_with_its_original(
    tmp_path, kind, back, kept
):
    """Its values differ a little, so its own digest is another one."""
    path, whole, other = kept
    network = trained("medicalnet")
    network.load_state_dict(torch.load(path, weights_only=True))
    recast = network.to(kind).float() if back else network.to(kind)
    torch.save(recast.state_dict(), tmp_path / "recast.pth")
    copy = read_weights(tmp_path / "recast.pth")
    assert copy.digest != whole.digest
    assert set(copy.recast) & set(whole.recast)
    assert not set(other.recast) & set(whole.recast)


def test_a_note_does_not_lend_its_name_to_other_weights(tmp_path, checkpoint):
    """Random numbers under the metadata of a file that was imported."""
    weights = read_weights(checkpoint)
    save_weights(tmp_path / "good.safetensors", weights.state, weights.note)
    with safe_open(tmp_path / "good.safetensors", framework="pt") as file:
        metadata = file.metadata()
    save_file(trained("medicalnet", 5).state_dict(), tmp_path / "other.safetensors", metadata)
    with pytest.raises(ConfigError, match="note in this file is of other weights"):
        read_weights(tmp_path / "other.safetensors")


@pytest.mark.parametrize("note", [{"source": "net.pth"}, {"source": "x", "untrained": False}, None])
def test_a_note_that_tells_less_than_ours_is_none_of_ours(tmp_path, note):
    """Whoever shows where weights come from could not say it."""
    path = tmp_path / "foreign.safetensors"
    save_file(trained("medicalnet").state_dict(), path, {"radlas": json.dumps(note)})
    with pytest.raises(ConfigError, match="its note under 'radlas' is none of ours"):
        read_weights(path)


@pytest.mark.parametrize(
    "note", ['"words"', '{"subjects": 3}', '{"author": "somebody"}', "no json"]
)
def test_a_foreign_note_is_refused_in_words(tmp_path, note):
    path = tmp_path / "foreign.safetensors"
    save_file(trained("medicalnet").state_dict(), path, {"radlas": note})
    with pytest.raises(ConfigError, match="not readable as weights"):
        read_weights(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda tensor: tensor.fill_(float("nan")), "conv1.weight holds NaN or infinity"),
        (lambda tensor: tensor.double().fill_(1e39), "conv1.weight holds NaN or infinity"),
        (lambda tensor: tensor.to(torch.int8), "conv1.weight is of int8"),
        (lambda tensor: tensor.to_sparse(), "conv1.weight is sparse"),
        (lambda tensor: tensor.to("meta"), "conv1.weight is sparse, or without values"),
    ],
)
def test_what_is_no_number_is_refused(tmp_path, spoil, said):
    """NaN would go through the network and into every row."""
    state = stem_of(trained("medicalnet").state_dict())
    state["conv1.weight"] = spoil(state["conv1.weight"].clone())
    torch.save(state, tmp_path / "spoilt.pth")
    with pytest.raises(ConfigError, match=said):
        read_weights(tmp_path / "spoilt.pth")


def test_a_variance_below_zero_is_refused(tmp_path):
    """Its root is NaN, of which rectified features would be the same for every patient."""
    state = stem_of(trained("medicalnet").state_dict())
    state["bn1.running_var"][5] = -0.5
    torch.save(state, tmp_path / "spoilt.pth")
    with pytest.raises(ConfigError, match=r"bn1\.running_var holds variances below 0"):
        read_weights(tmp_path / "spoilt.pth")


def test_one_name_with_and_without_its_prefix_is_refused(tmp_path):
    """The later in the file would be taken, without a word."""
    state = stem_of(trained("medicalnet").state_dict())
    state["module.conv1.weight"] = torch.zeros_like(state["conv1.weight"])
    torch.save(state, tmp_path / "twice.pth")
    with pytest.raises(ConfigError, match=r"conv1\.weight is there with and without `module\.`"):
        read_weights(tmp_path / "twice.pth")


@pytest.mark.parametrize("text", ["", "extractors:\n  deep: {size: [16, 48, 48]}\n", "."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_checkpoint_is_no_defect_of_ours(tmp_path, suffix, text):
    path = tmp_path / f"other{suffix}"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"not readable as weights|tensors alone"):
        read_weights(path)


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path, checkpoint):
    """Torch looks at no checksum: the network would be another one, with features of its own."""
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.pth").write_bytes(content)
    assert torch.load(tmp_path / "flipped.pth", weights_only=True), "torch reads it"
    with pytest.raises(ConfigError, match=r"data/\d+ in it does not agree with its") as told:
        read_weights(tmp_path / "flipped.pth")
    assert "is the file whole?" in str(told.value)


def test_old_files_without_counts_of_training_are_whole(tmp_path):
    path, state = tmp_path / "old.pth", trained("monai").state_dict()
    kept = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    torch.save(kept, path)
    whole = tmp_path / "whole.pth"
    torch.save(state, whole)
    assert read_weights(path).digest == read_weights(whole).digest
    assert load_network("monai", path)


def stem_of(state):
    """Enough of a network to be read, and no more."""
    return {n: t for n, t in state.items() if n.startswith(("conv1.", "bn1.", "stem."))}


def parameters(state):
    """As a file has them that was saved from a network's own parameters, and not its state."""
    return {
        name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def in_eight_bits(state):
    small = torch.float8_e4m3fn
    return {n: t.to(small) if t.is_floating_point() else t for n, t in state.items()}


@pytest.mark.parametrize("kept", [parameters, in_eight_bits])
def test_however_numbers_are_kept_they_are_read_as_such(tmp_path, kept):
    state = kept(stem_of(trained("monai").state_dict()))
    torch.save(state, tmp_path / "odd.pth")
    plain = {name: tensor.detach().float() for name, tensor in state.items()}
    torch.save(plain, tmp_path / "plain.pth")
    one, other = (read_weights(tmp_path / name) for name in ("odd.pth", "plain.pth"))
    assert one.digest == other.digest
    assert not {one.state[name].dtype for name in one.state if "num_batches" not in name} - {
        np.dtype(np.float32)
    }


def test_a_grey_stem_in_half_precision_is_summed_in_single(tmp_path):
    """Else it would be rounded twice: by the file, and by the sum."""
    half = {name: tensor.half() for name, tensor in stem_of(video_state()).items()}
    torch.save(half, tmp_path / "half.pth")
    stem = read_weights(tmp_path / "half.pth").state["conv1.weight"]
    expected = half["stem.0.weight"].float().sum(dim=1, keepdim=True)
    np.testing.assert_array_equal(stem, expected.numpy())


def test_heads_are_left_out_and_told(tmp_path, checkpoint):
    path = tmp_path / "with_head.pth"
    state = dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    small = torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)  # nobody looks at it
    state["module.conv_seg.0.weight"] = small
    torch.save(state, path)
    weights = read_weights(path)
    assert weights.heads == ("conv_seg.0.weight",)
    assert weights.digest == read_weights(checkpoint).digest


def test_a_file_tells_which_variants_take_it(tmp_path, checkpoint):
    video = tmp_path / "r3d_18.pth"
    torch.save(video_state(), video)
    assert fitting(read_weights(checkpoint), checkpoint) == ("medicalnet", "monai")
    assert fitting(read_weights(video), video) == ("r3d_18",)
    with pytest.raises(ConfigError, match="are weights for r3d_18, not for medicalnet"):
        load_network("medicalnet", video)
    with pytest.raises(ConfigError, match="are weights for medicalnet or monai, not for r3d_18"):
        load_network("r3d_18", checkpoint)


@pytest.mark.parametrize("lost", ["", "layer3.0.conv1.weight"])
def test_a_recipe_is_refused_whose_file_does_not_fit_its_variant(tmp_path, checkpoint, lost):
    """When it is planned: else each case fails, and its message takes the path to the ledger."""
    state = dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    state.pop(f"module.{lost}", None)
    torch.save(state, tmp_path / "one.pth")
    variant, said = ("monai", f"1 missing ({lost})") if lost else ("r3d_18", "not for r3d_18")
    settings = {"weights": tmp_path / "one.pth", "variant": variant}
    with pytest.raises(ConfigError, match=re.escape(said)):
        DeepExtractor(DeepExtractor.Settings.parse(settings))


def test_a_changed_value_changes_the_digest(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    state["module.layer1.0.conv1.weight"][0, 0, 0, 0, 0] += 1e-3
    other = tmp_path / "other.pth"
    torch.save({"state_dict": state}, other)
    assert read_weights(other).digest != read_weights(checkpoint).digest


def test_a_file_that_is_there_is_not_written_over(tmp_path, checkpoint):
    weights = read_weights(checkpoint)
    with pytest.raises(ConfigError, match=re.escape("there is a file already")):
        save_weights(checkpoint, weights.state, weights.note)
    assert read_weights(checkpoint).digest == weights.digest


def test_what_could_not_be_read_again_is_not_written(tmp_path, checkpoint):
    weights = read_weights(checkpoint)
    lost = {**weights.state, "bn1.bias": np.full(64, np.nan, np.float32)}
    with pytest.raises(ConfigError, match=r"bn1\.bias holds NaN"):
        save_weights(tmp_path / "lost.safetensors", lost, {})
    with pytest.raises(ConfigError, match=r"must end in \.safetensors"):
        save_weights(tmp_path / "own.pth", weights.state, {})
    assert not any(tmp_path.iterdir())
