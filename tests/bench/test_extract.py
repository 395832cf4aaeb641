"""What extraction costs and how far it is from PyRadiomics, both in one run.

Run: pytest tests/bench/test_extract.py -s, or with --json for the figures. Real patients and the
upstream cases, tumour and 10 mm ring, original + LoG 1 to 5 mm + wavelet, native and at 1 mm.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from tests.files_of_itk import read_pair

from radlas.digests import canonical_json, digest_of
from radlas.engine.dask import DaskEngine
from radlas.features.preprocess import as_floats, prepare, to_itk
from radlas.features.radiomics import RadiomicsExtractor
from radlas.features.regions import make_rings
from radlas.flows.cases import extract_case
from radlas.geometry import make_geometry
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.volumes.zarr import input_digests, read_record, write_case

from .radiomics_pairs import CASE, SIGMAS

ROOT = Path(__file__).parents[2]
PATIENTS = ("001", "002", "003", "006", "008", "012", "015", "017", "018", "019")
UPSTREAM_CASES = ("brain1", "brain2", "breast1")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


@dataclass(frozen=True)
class Pair:
    """Both sides of one case.

    Attributes:
        name: Case and grid.
        ratio: CPU time of PyRadiomics over ours, which makes the ring it is given.
        given: The same where ours is given the ring, too.
        worst: Largest difference of a value, relative to it and, for float32, to the spread of
            its image in the ROI.
        values: How many were compared.
        ours: CPU time [s].
        peak: Our peak memory [MiB].
        bad: The features beyond the bound.
    """

    name: str
    ratio: float
    given: float
    worst: float
    values: int
    ours: float
    peak: float
    bad: tuple[str, ...]


def read_raw(real_data: Path, folder: Path) -> tuple[Volume, np.ndarray]:
    """The one uncropped fat-suppressed T2, from its DICOM files."""
    with zipfile.ZipFile(real_data / "sts-raw" / "STS_001_MR_T2_dicom.zip") as archive:
        archive.extractall(folder)
    (exam,) = IMPORTERS["tcia-sts"]().find(folder, IngestRules()).exams
    data = IMPORTERS["tcia-sts"]().read(exam, IngestRules())
    (tumour,) = (roi.mask for roi in data.rois if roi.name == "tumour")
    return data.volume, tumour


def run_pair(folder: Path, name: str, volume: Volume, tumour: np.ndarray, **how: Any) -> Pair:
    """Write one case for both sides, run each in a process of its own, compare."""
    pixel_type, ring, spacing = how["pixel_type"], how.get("ring", True), how.get("spacing")
    place = folder / name.replace(" ", "_")
    place.mkdir()
    rings = [[0, 10]] if ring else []
    settings = {
        "image_types": {"original": {}, "log": {"sigma": SIGMAS}, "wavelet": {}},
        "normalise": "none",
        "rings": rings,
        "rois": ["tumour"],
        "minimum_voxels": 2,
        "pixel_type": pixel_type,
        "pyradiomics": {"resampledPixelSpacing": spacing} if spacing else {},
    }
    masks = {"tumour": tumour}
    if ring:
        case = prepare(
            volume, masks, normalise="none", scale=1, in_plane_spacing=None, pixel_type=pixel_type
        )
        masks |= {key: made.mask for key, made in make_rings(case, [(0, 10)]).items()}
    write_case(
        Folder(place), CASE, volume, [Roi(roi, mask, "image") for roi, mask in masks.items()]
    )
    # Of an unsigned file upstream would cut the undershoot of splines at 0.
    kinds = {"float32": np.float32, "float64": np.float64, "int32": np.int32}
    voxels = volume.voxels.astype(kinds[pixel_type])
    SimpleITK.WriteImage(to_itk(voxels, volume.geometry), str(place / "image.nrrd"))
    for roi, mask in masks.items():
        label = to_itk(mask.astype(np.uint8), volume.geometry)
        SimpleITK.WriteImage(label, str(place / f"{roi}.nrrd"), useCompression=True)
    asked = {
        "settings": settings,
        "rois": list(masks),
        "upstream": {"resampledPixelSpacing": spacing},
    }
    (place / "case.json").write_text(json.dumps(asked))
    ours, theirs = (run_side(side, place) for side in ("ours", "upstream"))
    return compare(name, ours, theirs, relative_to_spread=pixel_type == "float32")


def run_side(side: str, place: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.radiomics_pairs", side, str(place), "case"]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **ONE_THREAD})
    found: dict[str, Any] = json.loads((place / f"case.{side}.json").read_text())
    return found


def compare(
    name: str, ours: dict[str, Any], theirs: dict[str, Any], *, relative_to_spread: bool
) -> Pair:
    bound = 1e-6 if relative_to_spread else 1e-9
    worst, bad = 0.0, []
    for key, value in theirs["values"].items():
        mine = ours["values"].get(key)
        if value is None or mine is None:
            away = 0.0 if value is mine else np.inf
        else:
            roi, image_type, _ = key.split("|")
            spread = theirs["values"][f"{roi}|{image_type}|firstorder_Variance"] ** 0.5
            scale = max(abs(value), spread if relative_to_spread else 0.0)
            away = abs(mine - value) / scale if scale else abs(mine - value)
        worst = max(worst, away)
        if away > bound:
            bad.append(f"{key}: {mine!r}, upstream {value!r}")
    return Pair(
        name,
        theirs["seconds"] / ours["seconds"],
        theirs["seconds"] / ours["seconds_given"],
        float(worst),
        len(theirs["values"]),
        ours["seconds"],
        ours["peak_mib"],
        tuple(bad),
    )


def table(pairs: list[Pair]) -> str:
    names = ("ours [s]", "ratio", "given", "worst", "values", "peak [MiB]")
    head = f"{'case':28}" + "".join(f"{name:>11}" for name in names)
    lines = [
        f"{pair.name:28}{pair.ours:11.3f}{pair.ratio:11.1f}{pair.given:11.1f}{pair.worst:11.1e}"
        f"{pair.values:11d}{pair.peak:11.0f}"
        for pair in pairs
    ]
    return "\n".join([head, *lines])


@pytest.fixture
def show(request, capsys):
    """Prints the pairs as a table for people, or their summary as JSON."""

    def told(title: str, pairs: list[Pair]) -> None:
        ratios = [pair.ratio for pair in pairs]
        summary = {
            "speedup_geomean": statistics.geometric_mean(ratios),
            "speedup_min": min(ratios),
            "speedup_geomean_ring_given": statistics.geometric_mean(pair.given for pair in pairs),
            "worst_relative_difference": max(pair.worst for pair in pairs),
            "cases": [vars(pair) for pair in pairs],
        }
        with capsys.disabled():
            if request.config.getoption("--json"):
                print(json.dumps({"bench": title, **summary}))
                return
            print(f"\n{title}\n{table(pairs)}")
            print(
                f"geometric mean {summary['speedup_geomean']:.1f}, least {min(ratios):.1f};"
                f" with the ring given {summary['speedup_geomean_ring_given']:.1f}"
            )
            for pair in pairs:
                for line in pair.bad[:8]:
                    print(f"  beyond the bound, {pair.name}: {line}")

    return told


@pytest.mark.parametrize("spacing", [None, [1, 1, 1]], ids=["native", "1 mm"])
def test_ten_patients(real_data, tmp_path, show, spacing):
    pairs = []
    for patient in PATIENTS:
        source = real_data / "sts-t1"
        volume, tumour = read_pair(
            source / f"STS_{patient}_image.nii.gz", source / f"STS_{patient}_mask.nii.gz"
        )
        name = f"STS_{patient}" + (" 1mm" if spacing else "")
        pairs.append(
            run_pair(tmp_path, name, volume, tumour, pixel_type="float32", spacing=spacing)
        )
    show(f"ten patients, float32, {'1 mm' if spacing else 'native'}", pairs)
    assert not [pair.bad for pair in pairs if pair.bad]


@pytest.mark.parametrize("spacing", [None, [1, 1, 1]], ids=["native", "1 mm"])
def test_ten_patients_in_double_precision(real_data, tmp_path, show, spacing):
    """The same with float64, scaled by no round number: values agree to the ninth digit."""
    pairs = []
    for patient in ("002", "008", "019"):
        source = real_data / "sts-t1"
        volume, tumour = read_pair(
            source / f"STS_{patient}_image.nii.gz", source / f"STS_{patient}_mask.nii.gz"
        )
        scaled = Volume(as_floats(volume.voxels, np.float64) * 0.9173, volume.geometry)
        name = f"STS_{patient} f64" + (" 1mm" if spacing else "")
        pairs.append(
            run_pair(tmp_path, name, scaled, tumour, pixel_type="float64", spacing=spacing)
        )
    show(f"patients, float64, {'1 mm' if spacing else 'native'}", pairs)
    assert not [pair.bad for pair in pairs if pair.bad]


@pytest.mark.parametrize("spacing", [None, [1, 1, 1]], ids=["native", "1 mm"])
def test_the_uncropped_t2(real_data, tmp_path, show, spacing):
    volume, tumour = read_raw(real_data, tmp_path / "dicom")
    name = "raw T2FS" + (" 1mm" if spacing else "")
    pair = run_pair(tmp_path, name, volume, tumour, pixel_type="int32", spacing=spacing)
    show(f"uncropped, {'1 mm' if spacing else 'native'}", [pair])
    assert not pair.bad


def test_the_upstream_cases(real_data, tmp_path, show):
    pairs = []
    for case in UPSTREAM_CASES:
        folder = real_data / "pyradiomics"
        volume, tumour = read_pair(folder / f"{case}_image.nrrd", folder / f"{case}_label.nrrd")
        for spacing in (None, [1, 1, 1]):
            name = case + (" 1mm" if spacing else "")
            pairs.append(
                run_pair(
                    tmp_path, name, volume, tumour, pixel_type="int32", spacing=spacing, ring=False
                )
            )
    show("upstream's own cases", pairs)
    assert not [pair.bad for pair in pairs if pair.bad]


def made_case() -> tuple[Volume, np.ndarray]:
    """A fat-suppressed T2 of usual size with a tumour of 100,000 voxels."""
    shape, spacing = (32, 320, 320), (5.0, 0.78, 0.78)
    rng = np.random.default_rng(0)
    axes = [(np.arange(n) - n / 2) * edge for n, edge in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    body = (y / 105) ** 2 + (x / 100) ** 2 < 1
    tumour = (z / 62) ** 2 + ((y - 10) / 36) ** 2 + ((x + 5) / 34) ** 2 < 1
    signal = np.where(body, 90.0, 0.0) + np.where(tumour, 250.0, 0.0)
    voxels = np.hypot(signal + rng.normal(0, 25, shape), rng.normal(0, 25, shape))
    geometry = make_geometry(shape, spacing=spacing[::-1], origin=(0, 0, 0), direction=np.eye(3))
    return Volume(voxels.astype(np.int16), geometry), tumour


SETTINGS = {
    "image_types": {"original": {}, "log": {"sigma": SIGMAS}, "wavelet": {}},
    "normalise": "none",
    "rois": ["tumour"],
    "pixel_type": "int32",
}


def test_an_added_ring(tell):
    """What a second ring of a case costs, on one core."""
    volume, tumour = made_case()
    rois = {"tumour": Roi("tumour", tumour, "made")}
    seconds, voxels = {}, 0
    for name, rings in {"one": [[0, 10]], "two": [[0, 10], [10, 18]]}.items():
        extractor = RadiomicsExtractor(
            RadiomicsExtractor.Settings.parse(SETTINGS | {"rings": rings})
        )
        extractor.describe(volume, rois)
        times = []
        for _ in range(5):
            start = time.process_time()
            found = extractor.describe(volume, rois)
            times.append(time.process_time() - start)
        seconds[name] = statistics.median(times)
        voxels = found.rois[-1]["voxels"]
    figures = {f"{name} ring [s]": value for name, value in seconds.items()}
    added = seconds["two"] - seconds["one"]
    figures |= {
        "voxels of the added ring": voxels,
        "added ring [s]": added,
        "added ring, per 100,000 voxels [s]": added * 1e5 / voxels,
    }
    tell("an added ring", figures)


FRESH = """
import time
start = time.perf_counter()
import radlas.flows.extract
from radlas.features.warm import compile_kernels
imported = time.perf_counter() - start
from radlas.features.radiomics import RadiomicsExtractor
import numpy as np
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
mask = np.zeros((8, 24, 24), bool)
mask[2:6, 8:16, 8:16] = True
voxels = np.random.default_rng(0).normal(300, 50, mask.shape).astype(np.float32)
geometry = make_geometry(mask.shape, spacing=(1, 1, 2), origin=(0, 0, 0), direction=np.eye(3))
settings = {"image_types": {"original": {}, "log": {"sigma": [2]}, "wavelet": {}}}
extractor = RadiomicsExtractor(RadiomicsExtractor.Settings.parse(settings))
extractor.describe(Volume(voxels, geometry), {"tumour": Roi("tumour", mask, "made")})
print(imported, time.perf_counter() - start)
"""


def test_a_fresh_worker(tell):
    """From a new process to its first small case, with the loops compiled before."""
    command = [sys.executable, "-c", FRESH]
    subprocess.run(command, check=True, capture_output=True)  # the cache is there afterwards
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported, ready = map(float, done.stdout.split())
    tell("a fresh worker", {"imports [s]": imported, "first case described after [s]": ready})


def test_two_cores(tmp_path, tell):
    """The same cases through one Dask worker and through two, once these have begun."""
    volume, tumour = made_case()
    settings = RadiomicsExtractor.Settings.parse(SETTINGS | {"rings": [[0, 10]]})
    versions = canonical_json(dict(RadiomicsExtractor(settings).versions))
    tasks = []
    for number in range(24):
        case = f"{number:032x}"
        write_case(Folder(tmp_path), case, volume, [Roi("tumour", tumour, "made")])
        digest = digest_of(input_digests(read_record(Folder(tmp_path), case)))
        text = canonical_json(settings.model_dump(mode="json"))
        of = (case, Folder(tmp_path), "radiomics", text, versions, "radiomics-made", digest, "s")
        tasks.append(extract_case.ExtractTask(case, "made", case, *of))
    seconds = {}
    for workers in (1, 2):
        engine = DaskEngine(workers=workers)
        try:
            list(engine.map(extract_case.work, tasks[: 4 * workers]))
            start = time.perf_counter()
            ended = list(engine.map(extract_case.work, tasks))
            seconds[workers] = time.perf_counter() - start
        finally:
            engine.close()
        assert [one.error for one in ended] == [None] * len(tasks)
    scaling = seconds[1] / seconds[2]
    tell("two cores", {"one [s]": seconds[1], "two [s]": seconds[2], "scaling": scaling})
