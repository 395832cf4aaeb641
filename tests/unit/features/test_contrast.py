"""What a step of self-supervised training sees, and what it asks of the network."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.no_room import no_room

from radlas.errors import ConfigError
from radlas.features.resnet.contrast import Trainer, TrainingSettings, nt_xent, views

CROP = (8, 16, 16)
TRAINING = TrainingSettings(
    variant="monai", crop=CROP, batch=2, steps=7, learning_rate=1e-3, temperature=0.2, seed=5
)


@pytest.fixture(scope="module")
def images():
    """Six patients, of whom each has a brightness that no change of grey levels hides."""
    return 10.0 * 3.0 ** np.arange(6)[:, None, None, None] * np.ones((1, 10, 20, 24))


@given(st.integers(2, 6), st.floats(0.05, 2.0), st.integers(0, 999))
@settings(max_examples=25)
def test_the_loss_is_the_papers_formula(patients, temperature, seed):
    """Chen et al. 2020, equation 1, with its two indices written as loops."""
    found = torch.randn(
        2 * patients, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    unit = (found / found.norm(dim=1, keepdim=True)).numpy()
    losses, right = [], 0
    for i in range(2 * patients):
        j = (i + patients) % (2 * patients)
        near = {k: unit[i] @ unit[k] / temperature for k in range(2 * patients) if k != i}
        losses.append(-near[j] + math.log(sum(math.exp(value) for value in near.values())))
        right += max(near, key=near.get) == j
    loss, share = nt_xent(found, temperature)
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-9)
    assert share == pytest.approx(right / (2 * patients))


def test_a_step_sees_two_crops_of_each_of_its_patients_and_a_round_sees_everyone(images):
    seen = []
    for step in range(3):
        crops = views(images, TRAINING, step)
        assert crops.shape == (4, *CROP)
        patients = np.round(np.log(crops.mean(axis=(1, 2, 3)) / 10) / np.log(3)).astype(int)
        np.testing.assert_array_equal(patients[:2], patients[2:])
        seen += patients[:2].tolist()
    assert sorted(seen) == list(range(6))


def test_what_a_step_sees_follows_from_seed_and_step_alone(images):
    once = views(images, TRAINING, 4)
    np.testing.assert_array_equal(views(images.astype(np.float64), TRAINING, 4), once)
    assert not np.array_equal(views(images, TRAINING, 5), once)


def test_two_crops_of_a_patient_are_of_different_places(images):
    ramp = np.broadcast_to(np.arange(24.0), images.shape)
    one, other = views(ramp, TRAINING, 0)[[0, 2]]
    assert abs(one.mean() - other.mean()) > 0.5


def test_what_is_prepared_ahead_is_what_each_step_would_have_made(images):
    """Also of a run that goes on where another stood."""
    trainer = Trainer(images, TRAINING)
    trainer.step = 2
    found = [batch[:, 0].numpy() for batch in trainer._batches()]
    assert len(found) == 5
    for step, batch in enumerate(found, start=2):
        np.testing.assert_array_equal(batch, views(images, TRAINING, step))


def test_a_seed_of_any_size_is_a_seed(images):
    """Torch takes 64 bits, and a larger one ended as a defect."""
    assert Trainer(images, replace(TRAINING, seed=1 << 70)).step == 0


def test_too_few_patients_and_too_large_crops_are_refused(images):
    with pytest.raises(ConfigError, match=r"a step takes 2 patients, there are 1"):
        Trainer(images[:1], TRAINING)
    with pytest.raises(ConfigError, match=r"a crop of \(8, 16, 16\) voxels is larger"):
        Trainer(images[:, :4], TRAINING)


def saved(state):
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def test_a_damaged_checkpoint_is_told_and_a_full_disk_leaves_none(images, tmp_path, full_disk):
    trainer, path = Trainer(images, TRAINING), tmp_path / "checkpoint.pt"
    with full_disk(path.name), pytest.raises(OSError, match="No space left"):
        trainer.save(path)
    with no_room(1 << 20), pytest.raises(OSError, match="File too large"):  # in the middle of it
        trainer.save(path)
    assert not any(tmp_path.iterdir())
    state = {**trainer._state(), "step": 1, "last": [(1.0, 0.5)]}
    changes = [{"network": 7}, {"step": "x"}, {"step": 10**6}, {"last": []}, {"last": [1]}]
    others = [[], {}, *(state | change for change in changes)]
    turned = bytearray(saved(state))  # some bits of some tensor, which torch would read as they are
    turned[len(turned) // 2] ^= 1
    for torn in (b"", b"PK\x03\x04 and no more", bytes(turned), *map(saved, others)):
        path.write_bytes(torn)
        with pytest.raises(ConfigError, match="this checkpoint is damaged"):
            trainer.load(path)


def test_training_that_got_lost_ends_there(images, tmp_path, monkeypatch):
    """Not after hours, with weights that nobody can read."""
    monkeypatch.setattr(Trainer, "_one_step", lambda *_: (math.nan, 0.0))
    with pytest.raises(ConfigError, match="the loss of step 1 is NaN or infinite"):
        Trainer(images, TRAINING).run(lambda *_: None, 1, tmp_path / "checkpoint.pt")
    assert not any(tmp_path.iterdir())
