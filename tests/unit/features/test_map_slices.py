"""The slice of a map that pages show, seen as radiologists do, and the sides of the patient."""

from __future__ import annotations

import io

import numpy as np
import pytest

from radlas.errors import StoreError
from radlas.flows.maps.slices import as_slice, of_slice
from radlas.geometry import Geometry
from radlas.model import TUMOUR, Volume
from radlas.roi.ring import ring_name

RING = ring_name(0, 10)


def kept(signs=(1, 1, 1), *, sided=True) -> io.BytesIO:
    """A slice of a patient whose grid runs along (x, y, z) as the signs say."""
    y, x = np.indices((9, 12))
    there = tuple(slice(None, None, sign) for sign in signs[1::-1])
    image = np.stack([(10 * y + x)[there]] * 2).astype(np.float32)
    mask = np.stack([((x > 7) & (y < 3))[there]] * 2)
    volume = Volume(image, Geometry((2, 9, 12), np.diag([*(np.array(signs) * (1, 2, 4)), 1.0])))
    return io.BytesIO(as_slice(volume, image / 2, {TUMOUR: mask, RING: ~mask}, sided=sided))


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_a_map_is_seen_alike_however_the_grid_runs_and_the_sides_are_named(signs):
    shown = of_slice(kept(signs))
    y, x = np.indices((9, 12))
    np.testing.assert_array_equal(shown["image"], 10 * y + x)
    np.testing.assert_array_equal(shown["map"], (10 * y + x) / 2)
    np.testing.assert_array_equal(shown["tumour"], (x > 7) & (y < 3))
    np.testing.assert_array_equal(shown["ring"], ~((x > 7) & (y < 3)))
    assert (shown["sides"], shown["spacing_mm"]) == (("R", "A"), (2.0, 1.0))


def test_a_patient_who_may_lie_anyhow_has_no_sides():
    shown = of_slice(kept((-1, 1, 1), sided=False))
    assert shown["sides"] == ()
    assert (np.diff(shown["image"], axis=1) < 0).all(), "it is shown as it is stored"


def test_a_slice_of_an_older_version_is_read_without_sides_and_odd_ones_are_damage():
    with np.load(kept()) as stored:
        arrays = {name: stored[name] for name in stored if name != "sides"}
    for sides, told in ((None, ()), (["Q", "A"], None), (["R"], None)):
        file = io.BytesIO()
        np.savez(file, **arrays, **({} if sides is None else {"sides": np.array(sides)}))
        file.seek(0)
        if told is None:
            with pytest.raises(StoreError, match="damaged"):
                of_slice(file)
        else:
            assert of_slice(file)["sides"] == told
