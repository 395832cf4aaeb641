"""What a case costs, in ratios measured in one run: our volume store against NIfTI.gz.

Run: make bench. Prints a table and, where RADLAS_BENCH_JSON names a file, the same as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.volumes.zarr import read_rois, read_volume, volume_name, write_case

CASE = "0" * 32


def a_case() -> tuple[Volume, tuple[Roi, ...]]:
    """A Rician volume of 40 x 512 x 512 int16 with a tumour."""
    rng = np.random.default_rng(0)
    shape = (40, 512, 512)
    signal = 400 * np.exp(-(np.linspace(-2, 2, 512) ** 2))[None, None, :] * np.ones(shape)
    noisy = np.hypot(signal + rng.normal(0, 20, shape), rng.normal(0, 20, shape))
    geometry = make_geometry(
        shape, spacing=(0.7, 0.7, 5.0), origin=(0.0, 0.0, 0.0), direction=np.eye(3)
    )
    mask = np.zeros(shape, bool)
    mask[10:30, 200:300, 200:300] = True
    return Volume(noisy.astype(np.int16), geometry), (Roi("tumour", mask, "image"),)


def median_seconds(action: Callable[[int], object], repeats: int = 5) -> float:
    times = []
    for number in range(repeats):
        start = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def test_volume_store_against_compressed_nifti(tmp_path):
    volume, rois = a_case()
    image = SimpleITK.GetImageFromArray(volume.voxels)
    label = SimpleITK.GetImageFromArray(rois[0].mask.astype(np.uint8))

    def write_nifti(number: int) -> None:
        SimpleITK.WriteImage(image, str(tmp_path / f"{number}.nii.gz"))
        SimpleITK.WriteImage(label, str(tmp_path / f"{number}_mask.nii.gz"))

    def read_nifti(number: int) -> None:
        for name in (f"{number}.nii.gz", f"{number}_mask.nii.gz"):
            SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / name)))

    def write_ours(number: int) -> None:
        write_case(Folder(tmp_path / str(number)), CASE, volume, rois)

    def read_ours(number: int) -> None:
        read_volume(Folder(tmp_path / str(number)), CASE)
        read_rois(Folder(tmp_path / str(number)), CASE)

    rows = {
        "write, fsync, digest": (median_seconds(write_ours), median_seconds(write_nifti)),
        "read, verify digest": (median_seconds(read_ours), median_seconds(read_nifti)),
    }
    stored = tmp_path / "0" / volume_name(CASE)
    ours = sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
    theirs = sum(path.stat().st_size for path in tmp_path.glob("0*.nii.gz"))
    figures = {
        name: {"ours_s": one, "nifti_gz_s": other, "ratio": one / other}
        for name, (one, other) in rows.items()
    }
    figures["size"] = {"ours_mb": ours / 1e6, "nifti_gz_mb": theirs / 1e6, "ratio": ours / theirs}
    print()
    for name, row in figures.items():
        print(f"{name:24}" + "".join(f"{key:>14} {value:8.3f}" for key, value in row.items()))
    if target := os.environ.get("RADLAS_BENCH_JSON"):
        Path(target).write_text(json.dumps(figures, indent=1), encoding="utf-8")
