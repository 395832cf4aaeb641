"""What ingest costs, in ratios measured in one run. Run: make bench, or with --json for figures."""

from __future__ import annotations

import gc
import io
import resource
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from radlas.errors import StoreError
from radlas.geometry import make_geometry
from radlas.ingest import IMPORTERS
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.scan import scan_dicom
from radlas.ingest.dicom.volume import read_series
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.volumes.zarr import read_box, read_mask, verify_case, volume_name, write_case

from ..unit.ingest.dicom import corpus
from .conftest import in_turns

CASE = "0" * 32
RULES = IngestRules()
SHAPE = (40, 512, 512)
BOX = (slice(7, 33), slice(190, 312), slice(190, 322))  # a tumour of 26 x 122 x 132 voxels


def rician(shape: tuple[int, int, int]) -> np.ndarray:
    """A T2-like volume of int16 with a scanner's noise."""
    rng = np.random.default_rng(0)
    signal = 400 * np.exp(-(np.linspace(-2, 2, shape[2]) ** 2))[None, None, :] * np.ones(shape)
    noisy = np.hypot(signal + rng.normal(0, 20, shape), rng.normal(0, 20, shape))
    return noisy.astype(np.int16)


@pytest.fixture(scope="module")
def exam_folder(tmp_path_factory) -> Path:
    """A DICOM exam of 40 x 512 x 512 voxels (21 MB); its RTSTRUCT lies in `structures`."""
    folder = tmp_path_factory.mktemp("exam")
    geometry = corpus.grid("oblique", SHAPE, (0.7, 0.7, 5.0))
    series = corpus.make_series(geometry)
    for dataset, voxels in zip(series.datasets, rician(SHAPE), strict=True):
        dataset.PixelData = voxels.tobytes()
    series.write(folder / "images")
    drawn = [
        corpus.ellipse(geometry, z, centre=(256, 251), radii=(66.1, 61.2), points=180)
        for z in range(7, 33)
    ]
    (folder / "structures").mkdir()
    corpus.make_rtstruct(series, {"GTV_Mass": drawn}).save_as(
        folder / "structures" / "RS", enforce_file_format=True
    )
    return folder


def ingest_once(source: Path, root: Path) -> None:
    """What a plan and a worker do for one exam, to the fsynced case."""
    importer = IMPORTERS["dicom"]()
    (exam,) = importer.find(source, RULES).exams
    data = importer.read(exam, RULES)
    write_case(Folder(root), CASE, data.volume, data.rois)


def ingest_image(source: Path, root: Path) -> None:
    """The same for the image alone, as the floor has no mask either."""
    scan = IMPORTERS["dicom"]().find(source, RULES)
    assert [refusal.error.reason for refusal in scan.refusals] == ["no_mask"]
    refs = tuple(FileRef(path) for path in sorted(source.iterdir()))
    write_case(Folder(root), CASE, read_series(refs).volume, ())


def read_by_itk(folder: Path):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def test_the_whole_of_an_ingest_against_its_floor(exam_folder, tmp_path, tell):
    """Floor: SimpleITK reads the series and writes raw NIfTI: no check, no mask, no fsync."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    images, number = exam_folder / "images", iter(range(10_000))

    def fresh(ending: str = "") -> Path:
        return tmp_path / f"{next(number)}{ending}"

    cost = in_turns(
        {
            "image": lambda: ingest_image(images, fresh()),
            "exam": lambda: ingest_once(exam_folder, fresh()),
            "floor": lambda: SimpleITK.WriteImage(read_by_itk(images), str(fresh(".nii"))),
            "gz": lambda: SimpleITK.WriteImage(read_by_itk(images), str(fresh(".nii.gz"))),
        }
    )
    figures = {f"{name}_s": one.wall for name, one in cost.items()}
    for ours in ("image", "exam"):
        for other in ("floor", "gz"):
            figures[f"{ours}_to_{other}"] = cost[ours].wall / cost[other].wall
            figures[f"{ours}_to_{other}_cpu"] = cost[ours].cpu / cost[other].cpu
    tell("ingest of 40 x 512 x 512 int16: the image alone, and with its RTSTRUCT", figures)


def read_bytes() -> int:
    """Bytes that this process has read through system calls."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def test_a_region_is_read_without_the_rest(exam_folder, tmp_path, tell):
    ingest_once(exam_folder, tmp_path)
    image = read_by_itk(exam_folder / "images")
    SimpleITK.WriteImage(image, str(tmp_path / "image.nii.gz"))
    label = SimpleITK.GetImageFromArray(np.zeros(SHAPE, np.uint8))
    SimpleITK.WriteImage(label, str(tmp_path / "mask.nii.gz"))

    def ours() -> None:
        read_box(Folder(tmp_path), CASE, BOX)
        read_mask(Folder(tmp_path), CASE, "tumour", BOX)

    def theirs() -> None:
        for name in ("image", "mask"):
            voxels = SimpleITK.GetArrayFromImage(
                SimpleITK.ReadImage(str(tmp_path / f"{name}.nii.gz"))
            )
            assert voxels[BOX].size

    cost = in_turns({"ours": ours, "theirs": theirs})
    before = read_bytes()
    ours()
    stored = sum(p.stat().st_size for p in (tmp_path / volume_name(CASE)).rglob("*") if p.is_file())
    tell(
        "one ROI's box of image and mask",
        {
            "ours_s": cost["ours"].wall,
            "nifti_gz_s": cost["theirs"].wall,
            "ours_to_nifti_gz": cost["ours"].wall / cost["theirs"].wall,
            "ours_mb_read": (read_bytes() - before) / 1e6,
            "volume_mb": np.prod(SHAPE) * 2 / 1e6,
            "stored_mb": stored / 1e6,
            "stored_to_nifti_gz": stored / (tmp_path / "image.nii.gz").stat().st_size,
        },
    )


def write_headers(folder: Path, count: int, per_series: int = 40) -> None:
    """Many small images, by patching the identifiers and the position of one encoded slice."""
    (dataset, *_) = corpus.make_series(corpus.grid("axial", (2, 8, 8))).datasets
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.100000000"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "1.2.4.100000000", "1.2.5.100000000"
    dataset.PatientID, dataset.ImagePositionPatient = "PAT0000000", [1.0, 2.0, "100000"]
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    template = buffer.getvalue()
    for number in range(count):
        series, index = divmod(number, per_series)
        content = template.replace(b"1.2.3.100000000", f"1.2.3.{100_000_000 + number}".encode())
        content = content.replace(b"1.2.4.100000000", f"1.2.4.{100_000_000 + series}".encode())
        content = content.replace(b"1.2.5.100000000", f"1.2.5.{100_000_000 + series}".encode())
        content = content.replace(b"PAT0000000", f"PAT{series:07d}".encode())
        content = content.replace(b"100000", f"{100_000 + 4 * index}".encode(), 1)
        place = folder / f"{series:05d}"
        if index == 0:
            place.mkdir(parents=True)
        (place / f"{index}").write_bytes(content)


def resident() -> float:
    """Resident memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def test_a_hundred_thousand_headers_are_planned(tmp_path, tell):
    figures = {}
    for count in (20_000, 100_000):
        folder = tmp_path / str(count)
        write_headers(folder, count)
        gc.collect()
        before, start = resident(), time.process_time()
        scan = scan_dicom(folder, RULES, importer="dicom")
        took = time.process_time() - start
        assert len(scan.refusals) == count // 40  # every series was understood, and lacks its mask
        figures[f"files_per_second_{count}"] = count / took
        figures[f"mb_grown_{count}"] = resident() - before
        figures[f"bytes_per_file_{count}"] = (resident() - before) * 1e6 / count
        del scan
        shutil.rmtree(folder)
    tell("headers planned, per core", figures)


def test_every_one_of_ten_thousand_faults_is_found(tmp_path, tell):
    """Bit flips, cuts, deletions, emptied files and foreign files, anywhere in a stored case."""
    shape = (12, 140, 150)
    geometry = make_geometry(shape, spacing=(0.8, 0.8, 5.0), origin=(0, 0, 0), direction=np.eye(3))
    mask = np.zeros(shape, bool)
    mask[3:8, 40:90, 50:110] = True
    volume = Volume(rician(shape), geometry)
    write_case(Folder(tmp_path), CASE, volume, (Roi("tumour", mask, "image"),))
    folder = tmp_path / volume_name(CASE)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = {path: path.read_bytes() for path in files}
    rng = np.random.default_rng(0)
    found = dict.fromkeys(("flip", "cut", "delete", "empty", "add", "swap"), 0)
    tried = dict(found)
    for _ in range(10_000):
        kind, path = rng.choice(list(found)), files[rng.integers(len(files))]
        content, stray = bytearray(contents[path]), path.with_name("stray")
        if kind == "flip":
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        elif kind == "cut":
            del content[rng.integers(len(content)) :]
        elif kind == "empty":
            content.clear()
        elif kind == "swap":
            one, other = rng.integers(len(content), size=2)
            content[one], content[other] = content[other], content[one]
            if bytes(content) == contents[path]:
                continue
        (path.unlink() if kind == "delete" else path.write_bytes(bytes(content)))
        if kind == "add":
            path.write_bytes(contents[path])
            stray.write_bytes(b"x")
        tried[kind] += 1
        try:
            verify_case(Folder(tmp_path), CASE)
        except StoreError:
            found[kind] += 1
        stray.unlink(missing_ok=True)
        path.write_bytes(contents[path])
    verify_case(Folder(tmp_path), CASE)
    missed = {kind: tried[kind] - found[kind] for kind in tried}
    tell("faults in a stored case", {"tried": sum(tried.values()), "missed": sum(missed.values())})
    assert not any(missed.values()), missed
