"""One folder with the files of many patients, as archives hand them out, and one file damaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules

from ..odd import list_images
from .corpus import grid, make_seg, make_series, tumour_on
from .odd_series import enhanced

DICOM = IMPORTERS["dicom"]()
RULES = IngestRules()
PATIENTS = ("P1", "P2", "P3")


def dump(folder, *, listed=True, tags=None):
    """Six slices and a structure set of each patient, all in one folder."""
    made = {}
    for number, patient in enumerate(PATIENTS):
        series = make_series(grid(), patient=patient, seed=number, tags=tags)
        structures = tumour_on(series)
        if listed:  # the slices that were drawn on name themselves too, as planning systems do
            drawn = tumour_on(series, references="images")
            structures.ROIContourSequence = drawn.ROIContourSequence
            list_images(structures, series)
        series.write(folder, f"{patient}-{{:04d}}".format)
        structures.save_as(folder / f"{patient}-RS", enforce_file_format=True)
        made[patient] = series
    return made


def cut_behind(path, *value):
    """Cut a file behind the last of these values, and what makes their length even."""
    content = path.read_bytes()
    path.write_bytes(content[: max(content.index(one) + len(one) + len(one) % 2 for one in value)])


def exams(folder):
    scan = DICOM.find(folder, RULES)
    unread = [one for one in scan.refusals if one.error.reason == "unreadable_file"]
    return {exam.subject for exam in scan.exams}, unread


@pytest.mark.parametrize("slice_", range(6))
@pytest.mark.parametrize("told", ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_damaged_file_stops_the_one_whose_it_says_it_is(told, slice_, tmp_path):
    made = dump(tmp_path, listed=False)
    first = made["P2"].datasets[0]
    cut_behind(tmp_path / f"P2-{slice_:04d}", str(getattr(first, told)).encode())
    taken, unread = exams(tmp_path)
    assert taken == {"P1", "P3"}
    assert len(unread) == 2  # the file, and the series that may lack it


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\0" * 128 + b"DICM" + b"\xff" * 99])
@pytest.mark.parametrize("slice_", [0, 3, 5])
def test_a_file_that_names_nobody_stops_no_series_that_its_mask_lists_whole(
    slice_, content, tmp_path
):
    dump(tmp_path)
    (tmp_path / f"P2-{slice_:04d}").write_bytes(content)
    taken, unread = exams(tmp_path)
    assert taken == {"P1", "P3"}
    assert unread


@pytest.mark.parametrize("counted", [0, 5, 6, 7])
def test_a_series_is_whole_that_holds_as_many_images_as_its_headers_count(counted, tmp_path):
    dump(tmp_path, listed=False, tags={"ImagesInAcquisition": counted})
    (tmp_path / "P4-0000").write_bytes(b"")
    taken, _ = exams(tmp_path)
    assert taken == (set(PATIENTS) if counted == 6 else set())


def test_a_list_of_the_slices_that_were_drawn_on_proves_nothing(tmp_path):
    """Where the drawing ends the list ends, and the slice that is missing beyond is on neither."""
    series = make_series(grid())
    mask = np.zeros(series.voxels.shape, dtype=bool)
    mask[:, 10:20, 10:20] = True
    series.write(tmp_path)
    make_seg(series, {"tumour": mask}).save_as(tmp_path / "SEG")
    assert exams(tmp_path)[0] == {"P1"}
    (tmp_path / "IM0006").write_bytes(b"")
    assert exams(tmp_path)[0] == set()


def test_a_damaged_slice_in_a_folder_of_its_own_is_missed_where_it_belongs(tmp_path):
    made = dump(tmp_path / "a", listed=False)
    (tmp_path / "b").mkdir()
    last = (tmp_path / "a/P1-0005").rename(tmp_path / "b/P1-0005")
    cut_behind(last, made["P1"].datasets[0].SeriesInstanceUID.encode())
    assert exams(tmp_path)[0] == {"P2", "P3"}


def test_an_identifier_that_no_image_has_narrows_nothing(tmp_path):
    """It may be what the damage made of another."""
    dump(tmp_path, listed=False)
    path = tmp_path / "P2-0005"
    path.write_bytes(path.read_bytes().replace(b"P2", b"Q7"))
    cut_behind(path, b"Q7")
    assert exams(tmp_path)[0] == set()


@pytest.mark.parametrize("damaged", ["half-0", "half-1"])
def test_half_of_a_series_in_two_files_of_many_frames_is_not_whole(damaged, tmp_path):
    """A file of many frames beside a damaged one is whole, unless that names its series."""
    series = make_series(grid(), tags={"Modality": "MR"})
    uid = "1.2.3.4.5.66"
    for half in range(2):
        part = replace(series, datasets=series.datasets[half::2])
        made = enhanced(part)
        made.SeriesInstanceUID = uid
        made.save_as(tmp_path / f"half-{half}")
        tumour_on(replace(part, datasets=[made])).save_as(tmp_path / f"RS-{half}")
    lone = enhanced(make_series(grid(), patient="P2", seed=3))
    lone.save_as(tmp_path / "lone")
    tumour_on(replace(series, datasets=[lone])).save_as(tmp_path / "RS-lone")
    cut_behind(tmp_path / damaged, uid.encode())
    assert exams(tmp_path)[0] == {"P2"}
