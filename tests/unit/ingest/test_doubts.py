"""Out of reach is not damaged, and beside either nothing is settled that may be incomplete."""

from __future__ import annotations

import copy
import errno
import os
import time
import zipfile
from pathlib import Path

import pytest

from radlas.errors import ConfigError, DataError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.files import FileRef, list_files, open_file, was_changed
from radlas.ingest.nifti.itk import read_image
from radlas.ingest.reach import reaching
from radlas.ingest.table.importer import find_records

from .dicom.corpus import make_series, tumour_on
from .nifti.test_importer import MASK, write

DICOM, NIFTI = IMPORTERS["dicom"](), IMPORTERS["nifti"]()
RULES = IngestRules()
NAME = "doe_jane"


def dicom_exam(folder: Path, names=lambda index: f"1-{index:02d}.dcm"):
    series = make_series(patient=folder.name).write(folder, names)
    tumour_on(series).save_as(folder / "structures.dcm", enforce_file_format=True)
    return series


def nifti_exam(folder: Path, ending: str = "mha") -> None:
    write(folder / f"P1_image.{ending}")
    write(folder / f"P1_mask.{ending}", MASK)


def lose(path: Path) -> Path:
    """Make a file one that is there and cannot be reached: a link into a mount that is gone."""
    path.unlink()
    path.symlink_to(path.parent / "gone" / "mount")
    return path


def out_of_reach(path: Path, monkeypatch) -> None:
    """Make a file one that is listed and cannot be opened."""
    plain_open = Path.open

    def refuse(opened, *args, **kwargs):
        if opened == path:
            raise OSError(errno.EACCES, "failed", str(opened))
        return plain_open(opened, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)


@pytest.mark.parametrize("victim", ["1-00.dcm", "1-05.dcm", "structures.dcm"])
def test_a_dicom_file_lost_before_it_is_read_is_our_failure_and_not_the_datas(victim, tmp_path):
    dicom_exam(tmp_path / NAME)
    (exam,) = DICOM.find(tmp_path, RULES).exams
    (tmp_path / NAME / victim).unlink()
    with pytest.raises(FileNotFoundError, match="cannot be reached") as caught:
        DICOM.read(exam, RULES)
    assert NAME not in f"{caught.value} {caught.value.filename}"


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
@pytest.mark.parametrize("what", ["image", "mask"])
def test_an_image_file_lost_before_it_is_read_is_our_failure(what, ending, tmp_path):
    nifti_exam(tmp_path / NAME, ending)
    (exam,) = NIFTI.find(tmp_path, RULES).exams
    (tmp_path / NAME / f"P1_{what}.{ending}").unlink()
    with pytest.raises(FileNotFoundError, match="cannot be reached") as caught:
        NIFTI.read(exam, RULES)
    assert NAME not in f"{caught.value} {caught.value.filename}"


@pytest.mark.parametrize("importer", [DICOM, NIFTI], ids=["dicom", "nifti"])
def test_an_archive_lost_before_it_is_read_is_our_failure(importer, tmp_path):
    (dicom_exam if importer is DICOM else nifti_exam)(tmp_path / "source")
    archive = tmp_path / f"{NAME}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted((tmp_path / "source").iterdir()):
            opened.write(path, path.name)
    (exam,) = importer.find(archive, RULES).exams
    archive.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        importer.read(exam, RULES)
    assert NAME not in str(caught.value)


@pytest.mark.parametrize("how", ["moved away and back", "written with its old time"])
def test_a_file_that_was_another_for_a_while_is_a_changed_one(how, tmp_path):
    """What was read in between is no verdict on what lies there now."""
    path = write(tmp_path / "P1_image.mha")
    (ref,) = list_files(tmp_path).files
    found = path.stat()
    assert not was_changed(ref)
    time.sleep(0.02)  # the clock of a disk is coarse
    if how == "moved away and back":
        path.rename(tmp_path / "aside").rename(path)
    else:
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.stat().st_mtime_ns == found.st_mtime_ns
    assert was_changed(ref)


def test_on_a_disk_that_counts_in_seconds_a_file_that_grew_is_a_changed_one(tmp_path, monkeypatch):
    """A transfer that was still writing when it was listed: nothing of it is settled."""

    def coarse(found):
        return 2 * 10**9  # as FAT counts

    monkeypatch.setattr("radlas.ingest.files._changed", coarse)
    path = write(tmp_path / "P1_image.mha")
    (ref,) = list_files(tmp_path).files
    assert not was_changed(ref)
    with path.open("ab") as stream:
        stream.write(b"more")
    assert was_changed(ref)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOENT])
@pytest.mark.parametrize("reading", [reaching, lambda: parsing("a file")])
def test_a_disk_that_fails_while_reading_is_told_without_the_path(reading, number):
    with pytest.raises(OSError, match="cannot be reached") as caught, reading():
        raise OSError(number, "failed", f"/data/{NAME}/1.dcm")
    again = copy.copy(caught.value)  # by the recipe that takes it from a worker to the driver
    assert again.errno == number
    assert NAME not in f"{again} {again.filename}"


@pytest.mark.parametrize("error", [OSError("bad stream"), OSError(errno.EINVAL, "seek to nowhere")])
def test_what_libraries_say_of_bad_content_stays_the_datas_fault(error):
    with pytest.raises(DataError) as caught, parsing("a file"):
        raise error
    assert caught.value.reason == "unreadable_file"


def test_a_disk_that_fails_under_itk_is_not_a_damaged_file(tmp_path, monkeypatch):
    path = write(tmp_path / f"{NAME}_image.mha")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError):
        read_image(FileRef(path))
    plain_open, calls = Path.open, []

    def open_once(opened, *args, **kwargs):
        calls.append(opened)
        if len(calls) > 1:
            raise OSError(errno.EIO, "failed", str(opened))
        return plain_open(opened, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_once)
    with pytest.raises(OSError, match="cannot be reached") as caught:
        read_image(FileRef(path))
    assert NAME not in str(caught.value)


@pytest.mark.parametrize("victim", ["1-00.dcm", "1-05.dcm", "structures.dcm"])
def test_a_series_beside_a_file_out_of_reach_waits_for_the_next_scan(victim, tmp_path):
    """Without its last slice it would be a shorter, regular series."""
    dicom_exam(tmp_path / "P1")
    content = (tmp_path / "P1" / victim).read_bytes()
    dicom_exam(tmp_path / "P2")
    lost = lose(tmp_path / "P1" / victim)
    scan = DICOM.find(tmp_path, RULES)
    assert [exam.images[0].path.parent.name for exam in scan.exams] == ["P2"]
    assert scan.refusals == ()
    assert any("run again" in out.why for out in scan.left_out)
    assert any("1 file or folder could not be reached" in note for note in scan.notes)
    lost.unlink()
    lost.write_bytes(content)
    assert len(DICOM.find(tmp_path, RULES).exams) == 2


@pytest.mark.parametrize("what", ["image", "mask"])
def test_an_exam_of_image_files_out_of_reach_waits_for_the_next_scan(what, tmp_path):
    nifti_exam(tmp_path)
    write(tmp_path / "P2_image.mha")
    write(tmp_path / "P2_mask.mha", MASK)
    lose(tmp_path / f"P1_{what}.mha")
    scan = NIFTI.find(tmp_path, RULES)
    assert [exam.subject for exam in scan.exams] == ["P2"]
    assert scan.refusals == ()
    assert any("run again" in out.why for out in scan.left_out)
    assert any("1 file or folder could not be reached" in note for note in scan.notes)


def test_a_file_that_opens_for_nobody_is_noted_and_stops_nothing(tmp_path, monkeypatch):
    dicom_exam(tmp_path / "P1")
    dicom_exam(tmp_path / "P2")
    plain_open = Path.open

    def forbid(path, *args, **kwargs):
        if path.parts[-2:] == ("P1", "1-03.dcm"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain_open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", forbid)
    scan = DICOM.find(tmp_path, RULES)
    assert len(scan.exams) == 1
    assert scan.refusals == ()
    assert any("1 file or folder could not be reached" in note for note in scan.notes)


def test_a_folder_of_too_long_a_path_is_noted_and_stops_nothing(tmp_path, monkeypatch):
    """Shares of Windows hold deeper folders than this system can name."""
    dicom_exam(tmp_path / "P1")
    monkeypatch.chdir(tmp_path)
    for _ in range(18):
        Path("x" * 250).mkdir()
        monkeypatch.chdir("x" * 250)
    scan = DICOM.find(tmp_path, RULES)
    assert len(scan.exams) == 1
    assert any("1 file or folder could not be reached" in note for note in scan.notes)


def test_what_every_disk_keeps_for_itself_is_neither_read_nor_missed(tmp_path):
    nifti_exam(tmp_path)
    (tmp_path / "lost+found").mkdir()
    lose(write(tmp_path / "lost+found" / "P2_image.mha"))
    scan = NIFTI.find(tmp_path, RULES)
    assert (len(scan.exams), scan.unreached, scan.notes) == (1, 0, ())


@pytest.mark.parametrize("lost", ["gone", "failing"])
def test_no_mask_is_concluded_while_an_archive_is_out_of_reach(lost, tmp_path, monkeypatch):
    make_series().write(tmp_path / "images")
    if lost == "gone":
        (tmp_path / "masks.zip").symlink_to(tmp_path / "gone")
    else:
        (tmp_path / "masks.zip").write_bytes(b"x")

        def fail(path):
            raise OSError(errno.EIO, "failed", str(path))

        monkeypatch.setattr(zipfile, "ZipFile", fail)
    scan = DICOM.find(tmp_path, RULES)
    assert (scan.exams, scan.refusals) == ((), ())
    assert any("perhaps its image or mask" in out.why for out in scan.left_out)


def test_a_source_out_of_reach_is_no_empty_source(tmp_path):
    (tmp_path / "1.dcm").symlink_to(tmp_path / "gone")
    for importer in (DICOM, NIFTI):
        with pytest.raises(ConfigError, match="1 file or folder that cannot be reached"):
            importer.find(tmp_path, RULES)


def test_a_table_out_of_reach_is_noted(tmp_path):
    (tmp_path / "clinical.csv").write_text("subject,grade\nA1,High\n")
    refs = list_files(tmp_path).files
    (tmp_path / "clinical.csv").unlink()
    records, notes, lost = find_records(refs)
    assert (records, lost) == ((), 1)
    assert notes == ("1 table: out of reach, run again when that is mended",)


def test_a_table_out_of_reach_counts_as_a_lost_file_does(tmp_path, monkeypatch):
    """Its grades may be all that a study is about: the run's exit code tells."""
    nifti_exam(tmp_path)
    (tmp_path / "a.csv").write_text("subject,grade\nA1,High\n")
    (tmp_path / "b.csv").write_text("subject,grade\nA2,High\n")
    out_of_reach(tmp_path / "b.csv", monkeypatch)
    for importer in (NIFTI, IMPORTERS["table"]()):
        scan = importer.find(tmp_path, RULES)
        assert (scan.unreached, len(scan.clinical)) == (1, 1)
        assert "1 table: out of reach, run again when that is mended" in scan.notes


def test_tables_beside_an_archive_that_cannot_be_opened_say_so(tmp_path):
    (tmp_path / "a.csv").write_text("subject,grade\nA1,High\n")
    (tmp_path / "more.zip").write_bytes(b"no archive")
    scan = IMPORTERS["table"]().find(tmp_path, RULES)
    assert scan.notes == ("1 archive: that cannot be opened, ignored",)


@pytest.mark.parametrize(
    ("victim", "content"),
    [
        ("1-05.dcm", b"DICM no more"),
        ("1-00.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 90),
        ("structures.dcm", b""),
    ],
)
def test_a_series_beside_an_unreadable_file_is_refused(victim, content, tmp_path):
    """It may be the series' last slice, whose absence no gap would show."""
    dicom_exam(tmp_path / "P1")
    other = dicom_exam(tmp_path / "P2")
    (tmp_path / "P1" / victim).write_bytes(content)
    scan = DICOM.find(tmp_path, RULES)
    assert [exam.series for exam in scan.exams] == [other.datasets[0].SeriesInstanceUID]
    reasons = {refusal.error.reason for refusal in scan.refusals}
    assert reasons - {"no_mask"} == {"unreadable_file"}
    assert len(scan.refusals) == 2


@pytest.mark.parametrize("content", [b"", b"\0" * 5000])
@pytest.mark.parametrize("named", ["IM{:04d}", "1.2.840.{}", "{}.img"])
def test_an_empty_slice_without_a_telling_name_is_seen(named, content, tmp_path):
    dicom_exam(tmp_path, named.format)
    (tmp_path / named.format(5)).write_bytes(content)
    scan = DICOM.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["unreadable_file"] * 2


@pytest.mark.parametrize("named", ["IM{:04d}", "1.3.12.2.1107.{}", "MR.{}"])
def test_what_a_failed_download_left_where_a_slice_should_be_is_seen(named, tmp_path):
    """A page of the server that excuses itself: of another size, and no DICOM by its name."""
    dicom_exam(tmp_path, named.format)
    (tmp_path / named.format(5)).write_bytes(b"<html>504 Gateway Time-out</html>")
    scan = DICOM.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["unreadable_file"] * 2
    told = "a file numbered like an image that is no DICOM among the images of a series"
    assert scan.refusals[0].error.what == told


def test_foreign_files_beside_a_series_do_no_harm(tmp_path):
    dicom_exam(tmp_path)
    (tmp_path / "README").write_bytes(b"2 series")
    (tmp_path / "1-06.txt").write_bytes(b"remarks")
    (tmp_path / "notes.txt").write_bytes(b"")
    (tmp_path / "preview.jpg").write_bytes(b"\xff\xd8\xff")
    scan = DICOM.find(tmp_path, RULES)
    assert len(scan.exams) == 1
    assert scan.refusals == ()


@pytest.mark.parametrize("importer", [DICOM, NIFTI], ids=["dicom", "nifti"])
def test_broken_archives_of_one_name_are_told_apart_by_their_folders(importer, tmp_path):
    (dicom_exam if importer is DICOM else nifti_exam)(tmp_path / "P1")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "X.zip").write_bytes(b"PK nothing")
    scan = importer.find(tmp_path, RULES)
    assert [one.series for one in scan.refusals] == ["a/X.zip", "b/X.zip"]


def test_members_of_one_name_in_two_archives_are_told_apart(tmp_path):
    dicom_exam(tmp_path / "P1")
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as opened:
            opened.writestr("bad.dcm", b"no header")
    scan = DICOM.find(tmp_path, RULES)
    assert [one.series for one in scan.refusals] == ["a.zip/bad.dcm", "b.zip/bad.dcm"]


def test_a_member_whose_compressed_stream_is_damaged_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("1.dcm", bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    start = 30 + len("1.dcm")
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(DataError) as caught, open_file(FileRef(path, "1.dcm")):
        pass
    assert caught.value.reason == "unreadable_file"
