"""NIfTI, NRRD and MHA: the grammar of names, labels, grids, and damaged files."""

from __future__ import annotations

import gzip
import shutil
import struct
import unicodedata
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation
from tests.storing import stored_otherwise

from radlas.errors import ConfigError, DataError
from radlas.geometry import make_geometry, worst_corner_displacement
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Exam, FileRef, IngestRules
from radlas.ingest.labels import ANY
from radlas.ingest.nifti.itk import read_image
from radlas.ingest.nifti.names import NamedMask, name_image, name_mask
from radlas.ingest.nifti.nifti_file import read_nifti
from radlas.ingest.nifti.scan import _is_mask
from radlas.ingest.roi_names import DEFAULT_ROI_MAP
from radlas.model import Roi, Volume

from ..dicom.corpus import grid, inside_ellipse
from .odd_images import write_layers

NIFTI = IMPORTERS["nifti"]()
RULES = IngestRules()
UPRIGHT = {"origin": (-20.0, 10.0, 30.0), "direction": np.eye(3)}
GRID = grid("oblique")
VOXELS = np.random.default_rng(5).integers(0, 800, GRID.shape).astype(np.int16)
MASK = np.zeros(GRID.shape, np.uint8)
MASK[2:4] = inside_ellipse(GRID, centre=(25, 20), radii=(9, 7))


def write(path: Path, voxels=VOXELS, geometry=GRID) -> Path:
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel())
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return path


def read_one(folder: Path, rules: IngestRules = RULES):
    (exam,) = NIFTI.find(folder, rules).exams
    return NIFTI.read(exam, rules)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
def test_every_format_comes_back_on_its_oblique_grid(ending, tmp_path):
    write(tmp_path / f"STS_001_image.{ending}")
    write(tmp_path / f"STS_001_mask.{ending}", MASK)
    data = read_one(tmp_path)
    np.testing.assert_array_equal(data.volume.voxels, VOXELS)
    assert worst_corner_displacement(data.volume.geometry, GRID) < 1e-3
    np.testing.assert_array_equal(data.rois[0].mask, MASK > 0)
    assert data.rois[0].misalignment_mm < 1e-3


@pytest.mark.parametrize("ending", [".NII", ".Nii.gz", ".NII.GZ", ".NRRD", ".MHA"])
def test_an_ending_may_be_in_any_letters(ending, tmp_path):
    """As systems write it that know no small ones; the libraries know a few of them."""
    for name, voxels in (("P1_image", VOXELS), ("P1_mask", MASK)):
        write(tmp_path / f"{name}{ending.lower()}", voxels).rename(tmp_path / f"{name}{ending}")
    data = read_one(tmp_path)
    np.testing.assert_array_equal(data.volume.voxels, VOXELS)
    np.testing.assert_allclose(data.volume.geometry.affine, GRID.affine, atol=1e-5)
    np.testing.assert_array_equal(data.rois[0].mask, MASK > 0)


@pytest.mark.parametrize("order", "<>")
def test_what_was_read_is_held_whatever_becomes_of_the_file(order, tmp_path):
    """Voxels that are mapped follow the file, and a file that is cut ends the process."""
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(VOXELS.dtype)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ GRID.affine
    path = tmp_path / "P1_image.nii"
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, affine, header), path)
    write(tmp_path / "P1_mask.nii", MASK)
    data = read_one(tmp_path)
    path.write_bytes(path.read_bytes()[:352].ljust(path.stat().st_size, b"\0"))
    np.testing.assert_array_equal(data.volume.voxels, VOXELS)
    assert str(data.volume.voxels.dtype) == "int16"  # as the catalogue tells it


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_a_file_turned_to_other_axes_is_the_same_case(order, tmp_path):
    """Slices are told by their thickness; the mask's file may or may not be turned alike."""
    volume = Volume(VOXELS, make_geometry(GRID.shape, spacing=(1, 1, 4), **UPRIGHT))
    here = {"tumour": Roi("tumour", MASK, "image")}
    other, there = stored_otherwise(volume, here, order, (0, 0, 0))
    write(tmp_path / "a" / "P1_image.nii.gz", other.voxels, other.geometry)
    write(tmp_path / "a" / "P1_mask.nii.gz", there["tumour"].mask, other.geometry)
    write(tmp_path / "b" / "P1_image.nii.gz", other.voxels, other.geometry)
    write(tmp_path / "b" / "P1_mask.nii.gz", MASK, volume.geometry)
    for folder in ("a", "b"):
        data = read_one(tmp_path / folder)
        assert data.flags == ("axes_reordered",)
        np.testing.assert_array_equal(data.volume.voxels, VOXELS)
        np.testing.assert_allclose(data.volume.geometry.affine, volume.geometry.affine, atol=1e-5)
        np.testing.assert_array_equal(data.rois[0].mask, MASK > 0)
        assert data.rois[0].flags == ()


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("P1_image.mha", "P1_gtv_mass.mha"),
        ("images/P_1_t2fs.mha", "masks/P_1_tumour.mha"),
        ("P1/image.mha", "P1/seg.mha"),
        ("P1/t2_fs.mha", "P1/t2_fs_gtv_mass.mha"),
        ("P1/P1_t1.mha", "P1/P1_t1_label.mha"),
        ("P1/T1_image.mha", "P1/T1_mask.mha"),
        ("P1_T1_image.mha", "P1_T1_image_mask.mha"),
    ],
)
def test_images_and_masks_find_each_other_by_their_names(image, mask, tmp_path):
    write(tmp_path / image)
    write(tmp_path / mask, MASK)
    assert [roi.name for roi in read_one(tmp_path).rois] == ["tumour"]
    (exam,) = NIFTI.find(tmp_path, RULES).exams
    assert exam.subject in {"P1", "P_1"}


def test_a_mask_may_belong_to_one_image_alone(tmp_path):
    write(tmp_path / "P1_t1.mha")
    write(tmp_path / "P1_t2fs.mha")
    write(tmp_path / "P1_t2fs_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert [(exam.sequence, len(exam.masks)) for exam in scan.exams] == [("T2FS", 1)]
    assert [out.sequence for out in scan.left_out] == ["T1"]


def test_a_zip_is_the_folder_it_was_made_of(tmp_path):
    write(tmp_path / "source/images/P1_image.nii.gz")
    write(tmp_path / "source/masks/P1_mask.nii.gz", MASK)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "source"))
    one, other = NIFTI.find(tmp_path / "source", RULES), NIFTI.find(archive, RULES)
    for key in ("subject", "series", "sequence", "rule", "fingerprint"):
        assert getattr(one.exams[0], key) == getattr(other.exams[0], key)
    again = NIFTI.read(other.exams[0], RULES)
    np.testing.assert_array_equal(again.volume.voxels, VOXELS)
    np.testing.assert_array_equal(again.rois[0].mask, MASK > 0)


def test_a_zip_with_paths_of_windows_is_read_as_any(tmp_path):
    files = write(tmp_path / "P1_image.nii.gz"), write(tmp_path / "P1_mask.nii.gz", MASK)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("images\\", b"")
        archive.writestr("__MACOSX\\P9_image.nii.gz", b"")
        for file, folder in zip(files, ("images", "masks"), strict=True):
            archive.writestr(f"{folder}\\{file.name}", file.read_bytes())
            file.unlink()
    data = read_one(tmp_path / "packed.zip")
    np.testing.assert_array_equal(data.rois[0].mask, MASK > 0)


def test_the_named_class_is_chosen_and_an_unnamed_one_is_taken_at_its_word(tmp_path):
    rules = IngestRules(sequence="T2FS")
    for name in ("P1_t1", "P1_t2fs", "P2_image", "P3_t1", "P4_stir", "P4_t1"):
        write(tmp_path / f"{name}.mha")
    for subject in ("P1", "P2", "P3", "P4"):
        write(tmp_path / f"{subject}_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, rules)
    assert [(exam.subject, exam.sequence) for exam in scan.exams] == [
        ("P1", "T2FS"),
        ("P2", "other"),
        ("P4", "STIR"),
    ]
    assert "not stated" in scan.exams[1].rule
    assert "second choice" in scan.exams[2].rule
    assert [out.subject for out in scan.left_out] == ["P1", "P3", "P4"]


def test_lonely_images_and_masks_are_refused(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P2_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert [(one.subject, one.error.reason) for one in scan.refusals] == [
        ("P1", "no_mask"),
        ("P2", "no_image"),
    ]


def test_two_files_that_claim_one_image_are_a_conflict(tmp_path):
    write(tmp_path / "a/P1_image.mha")
    write(tmp_path / "b/P1_image.mha", VOXELS + 1)
    write(tmp_path / "b/P1_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["case_conflict"] * 2


@pytest.mark.parametrize("ending", ["nii", "nrrd"])
def test_an_image_that_lies_there_packed_and_unpacked_is_no_two_cases(ending, tmp_path):
    for name in ("P1_image.nii.gz", f"P1_image.{ending}"):
        write(tmp_path / name)
    write(tmp_path / "P1_mask.nii.gz", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert not scan.exams
    assert [one.error.reason for one in scan.refusals] == ["case_conflict"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_in_either_spelling_of_unicode_names_one_case(form, tmp_path):
    write(tmp_path / unicodedata.normalize(form, "Mü_image.mha"))
    write(tmp_path / unicodedata.normalize(form, "Mü_mask.mha"), MASK)
    (exam,) = NIFTI.find(tmp_path, RULES).exams
    assert (exam.subject, exam.series) == ("Mü", "Mü/Mü_image")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_folder_in_either_spelling_of_unicode_names_one_patient(forms, tmp_path):
    """As a disk of a Mac spells it, which a network drive hands on: image, mask and table agree."""
    image, mask = (unicodedata.normalize(form, "Mü") for form in forms)
    write(tmp_path / "images" / image / "image.mha")
    write(tmp_path / "masks" / mask / "mask.mha", MASK)
    (tmp_path / "t.csv").write_text(f"patient id,grade\n{mask},high\n", encoding="utf-8")
    scan = NIFTI.find(tmp_path, RULES)
    assert [(exam.subject, exam.series) for exam in scan.exams] == [("Mü", "Mü/image")]
    assert [record["subject"] for record in scan.clinical] == ["Mü"]
    scan = NIFTI.find(tmp_path / "images" / image, RULES)
    assert {one.subject for one in scan.refusals} == {"Mü"}, "a folder alone is its patient as well"


def test_an_exam_copied_twice_into_the_source_counts_once(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder / "P1_image.mha")
        write(tmp_path / folder / "P1_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert len(scan.exams) == 1
    assert not scan.refusals
    assert any("2 files: in the source twice" in note for note in scan.notes)
    np.testing.assert_array_equal(NIFTI.read(scan.exams[0], RULES).rois[0].mask, MASK > 0)


def test_files_of_one_name_and_content_in_two_subjects_folders_are_two_cases(tmp_path):
    for subject in ("P1", "P2"):
        write(tmp_path / subject / "image.mha")
        write(tmp_path / subject / "mask.mha", MASK)
    exams = NIFTI.find(tmp_path, RULES).exams
    assert [(exam.subject, len(exam.masks)) for exam in exams] == [("P1", 1), ("P2", 1)]
    assert len({(exam.subject, exam.series) for exam in exams}) == 2


@pytest.mark.parametrize("name", ["GTV_Mass_MR_T1", "mask_t1", "t1_mask"])
def test_a_mask_that_names_its_image_is_no_image_of_another_patient(name, tmp_path):
    write(tmp_path / "P1_t1.mha")
    write(tmp_path / "P1_t2fs.mha", VOXELS + np.int16(1))
    write(tmp_path / f"P1_{name}.mha", MASK)
    write(tmp_path / "P1_2_t1.mha")  # a patient of its own: `2` is no ROI
    write(tmp_path / "P1_2_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert [(one.subject, one.series) for one in scan.exams] == [
        ("P1", "P1/P1_t1"),
        ("P1_2", "P1_2/P1_2_t1"),
    ]
    assert scan.refusals == ()
    assert [one.series for one in scan.left_out] == ["P1/P1_t2fs"]


def test_a_mask_of_one_patient_is_not_given_to_anothers_image_of_the_same_name(tmp_path):
    write(tmp_path / "P1/T1_image.mha")
    write(tmp_path / "P2/T1_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert not scan.exams
    assert sorted(one.error.reason for one in scan.refusals) == ["no_image", "no_mask"]


def test_a_folder_that_links_lead_to_names_its_patient_by_its_own_name(tmp_path):
    """However the disk lists them: a link may stand before it, beside it or behind it."""
    for place in ("P1/image.mha", "P1/mask.mha"):
        write(tmp_path / "m" / place, MASK if "mask" in place else VOXELS)
    for link in ("m/P1/loop", *(f"{up}/link{number}" for up in "amz" for number in range(9))):
        (tmp_path / link).parent.mkdir(exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / "m/P1")
    (exam,) = NIFTI.find(tmp_path, RULES).exams
    assert exam.subject == "P1"


def test_two_patients_with_a_folder_of_one_name_share_no_mask(tmp_path):
    """``A/before`` and ``B/before`` are no subject ``before``: A's mask would fit on B's image."""
    write(tmp_path / "A/before/t2fs.mha")
    write(tmp_path / "A/before/mask.mha", MASK)
    write(tmp_path / "B/before/t1.mha", VOXELS + np.int16(1))
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"] * 2
    assert "2 places, which may be of 2 patients" in scan.refusals[0].error.what


@pytest.mark.parametrize("image", ["images/P1/image.mha", "t2fs/P1/t2fs.mha", "P1/image.mha"])
def test_a_mask_may_lie_in_another_tree_than_its_image(image, tmp_path):
    write(tmp_path / image)
    write(tmp_path / "masks/P1/mask.mha", MASK)
    assert int(read_one(tmp_path).rois[0].mask.sum()) == int(MASK.sum())


def test_lonely_masks_of_one_name_are_told_apart_by_their_folders(tmp_path):
    write(tmp_path / "P1_image.mha")
    for folder in ("a", "b"):
        write(tmp_path / folder / "X_mask.mha", MASK)
    refused = [one for one in NIFTI.find(tmp_path, RULES).refusals if one.subject == "X"]
    assert [one.series for one in refused] == ["a/X_mask.mha", "b/X_mask.mha"]


def test_an_unknown_mask_alone_is_no_tumour(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_muscle.mha", MASK)
    with pytest.raises(DataError, match="muscle") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "no_tumour"


def test_another_label_is_refused_with_what_is_there_and_what_to_type(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * 255)
    with pytest.raises(DataError, match=rf"255={MASK.sum()}(?s:.*)--label 255") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "label_missing"
    rules = IngestRules(labels={"": 255})
    np.testing.assert_array_equal(read_one(tmp_path, rules).rois[0].mask, MASK > 0)


@pytest.mark.parametrize(
    ("value", "told"), [(0.9999999, "0.999999881"), (1_000_001, "1000001"), (0.1, "0.1")]
)
def test_a_value_is_not_told_as_a_whole_number_that_it_is_not(value, told, tmp_path):
    """It reads "no voxel is 1" otherwise, and behind it, that so many are."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * np.float32(value))
    with pytest.raises(DataError, match=f"no voxel is 1; it holds 0=.* {told}={MASK.sum()}\n"):
        read_one(tmp_path)


def test_several_labels_need_a_declaration_and_only_the_declared_is_inside(tmp_path):
    both = MASK.copy()
    both[0, :3] = 2
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", both)
    with pytest.raises(DataError, match=r"1=\d+ 2=\d+(?s:.*)--label tumour=1") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "label_undeclared"
    (roi,) = read_one(tmp_path, IngestRules(labels={"": 1})).rois
    np.testing.assert_array_equal(roi.mask, MASK > 0)
    assert roi.flags == ("other_labels",)
    assert roi.values == f"0={both.size - np.count_nonzero(both)} 1={MASK.sum()} 2=156"


@pytest.mark.filterwarnings("error")
def test_voxels_beyond_32_bits_are_told_as_such_and_not_as_infinite(tmp_path):
    """The library's warning showed its path, and the file was said to hold infinite voxels."""
    write(tmp_path / "P1_image.mha", VOXELS.astype(np.float64) * 1e300)
    write(tmp_path / "P1_mask.mha", MASK)
    with pytest.raises(DataError, match=r"voxels reach 7.99e\+302, beyond what 32") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "bad_rescale"


@pytest.mark.parametrize("labels", [{}, {"": 1}])
def test_probabilities_are_no_labels_though_some_are_one(labels, tmp_path):
    """Whatever is declared: and a list of millions of values would take gigabytes."""
    geometry = make_geometry((2, 200, 200), spacing=(1, 1, 4), **UPRIGHT)
    soft = np.linspace(0, 1, 80_000, dtype=np.float32).reshape(geometry.shape)
    write(tmp_path / "P1_image.mha", VOXELS.repeat(50)[: soft.size].reshape(soft.shape), geometry)
    write(tmp_path / "P1_mask.mha", soft, geometry)
    with pytest.raises(DataError, match="80000 different values") as caught:
        read_one(tmp_path, IngestRules(labels=labels))
    assert caught.value.reason == "label_undeclared"


@pytest.mark.parametrize("labels", [{}, {"": 1}, {"tumour": 1, "edema": 2}])
def test_a_mask_with_soft_edges_is_refused_whatever_is_declared(labels, tmp_path):
    """Under a declared 1 its core was stored as the tumour, and where none was, 1 was proposed."""
    soft = MASK.astype(np.float32)
    soft[:, :3] = 0.5
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", soft)
    with pytest.raises(DataError, match=r"0\.5=\d+ 1=\d+") as caught:
        read_one(tmp_path, IngestRules(labels=labels))
    assert caught.value.reason == "label_undeclared"
    assert "--label" not in caught.value.hint
    assert "write the mask again" in caught.value.hint


@pytest.mark.parametrize("value", [-1, 0.9999999])
def test_what_no_label_can_name_is_to_be_written_again(value, tmp_path):
    """It was to be named with `--label`, which takes whole numbers above 0."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * np.float32(value))
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.reason == "label_missing"
    assert caught.value.hint.startswith("write the mask again")


def test_the_only_other_value_is_told_to_hold_for_all_masks_of_a_run(tmp_path):
    """Exams whose masks hold 1 were stored already, and refused by the run that the hint led to."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * 255)
    with pytest.raises(DataError, match="from a folder of their own"):
        read_one(tmp_path)


def test_declared_labels_are_rois_of_their_own(tmp_path):
    both = MASK.copy()
    both[0, :3] = 2
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", both)
    rois = read_one(tmp_path, IngestRules(labels={"tumour": 1, "edema": 2, "core": 3})).rois
    assert [roi.name for roi in rois] == ["edema", "tumour"]
    np.testing.assert_array_equal(rois[0].mask, both == 2)
    np.testing.assert_array_equal(rois[1].mask, both == 1)


def test_segments_that_overlap_are_each_whole(tmp_path):
    """Also if the study declares values, which do not say of which layer."""
    around = np.zeros_like(MASK)
    around[1:5, 5:45, 5:35] = 1
    write(tmp_path / "P1_image.nrrd")
    write_layers(tmp_path / "P1_a.seg.nrrd", [around, MASK * 3], tumour=(3, 1), edema=(1, 0))
    for rules in (RULES, IngestRules(labels={"tumour": 1}), IngestRules(labels={ANY: 255})):
        edema, tumour = read_one(tmp_path, rules).rois
        np.testing.assert_array_equal(edema.mask, around == 1)
        np.testing.assert_array_equal(tumour.mask, MASK == 1)
        held = np.count_nonzero(MASK)
        assert tumour.values == f"0={MASK.size - held} 3={held}"
        assert edema.flags == tumour.flags == ()


def test_segments_without_layers_lie_in_one_each(tmp_path):
    """So wrote 3D Slicer before it knew layers; the value of each was 1."""
    others, lost = np.ones_like(MASK) - MASK, ("LabelValue", "Layer")
    write(tmp_path / "P1_image.nrrd")
    path = tmp_path / "P1_a.seg.nrrd"
    write_layers(path, [MASK, others], *lost, tumour=(1, 0), edema=(1, 1))
    edema, tumour = read_one(tmp_path).rois
    np.testing.assert_array_equal(tumour.mask, MASK == 1)
    np.testing.assert_array_equal(edema.mask, MASK == 0)


def test_of_masks_that_are_named_by_their_files_alone_a_name_may_be_unknown(tmp_path):
    """Segments carry names of their own, which are not known before they are read."""
    write(tmp_path / "P1_image.nrrd")
    write_layers(tmp_path / "P1_Segmentation.seg.nrrd", [MASK, MASK], tumour=(1, 0), edema=(1, 1))
    assert NIFTI.find(tmp_path, RULES).notes == ()
    write(tmp_path / "P1_bone.nrrd", MASK)
    assert NIFTI.find(tmp_path, RULES).notes == ("mask names that the ROI map does not know: bone",)


def test_segments_of_one_layer_need_not_say_so_and_a_study_may_declare_others(tmp_path):
    both = MASK.copy()
    both[0] = 2
    write(tmp_path / "P1_image.nrrd")
    image = SimpleITK.ReadImage(str(write(tmp_path / "P1_a.seg.nrrd", both)))
    for at, (name, value) in enumerate({"edema": "1", "tumour": "2"}.items()):
        image.SetMetaData(f"Segment{at}_Name", name)
        image.SetMetaData(f"Segment{at}_LabelValue", value)
    SimpleITK.WriteImage(image, str(tmp_path / "P1_a.seg.nrrd"))
    for rules, tumour in ((RULES, 2), (IngestRules(labels={"tumour": 1, "edema": 2}), 1)):
        rois = {roi.name: roi.mask for roi in read_one(tmp_path, rules).rois}
        np.testing.assert_array_equal(rois["tumour"], both == tumour)
        np.testing.assert_array_equal(rois["edema"], both == 3 - tumour)


@pytest.mark.parametrize("key", ["SourceRepresentation", "MasterRepresentation"])
@pytest.mark.parametrize("rules", [RULES, IngestRules(labels={"tumour": 1})])
def test_fractions_are_no_mask_whatever_value_is_declared(key, rules, tmp_path):
    write(tmp_path / "P1_image.nrrd")
    image = SimpleITK.ReadImage(str(write(tmp_path / "P1_a.seg.nrrd", MASK)))
    image.SetMetaData("Segment0_Name", "tumour")
    image.SetMetaData(f"Segmentation_{key}", "Fractional labelmap")
    SimpleITK.WriteImage(image, str(tmp_path / "P1_a.seg.nrrd"))
    with pytest.raises(DataError, match="no binary labelmap") as caught:
        read_one(tmp_path, rules)
    assert (caught.value.reason, caught.value.where) == ("label_undeclared", "mask")
    assert "export the segmentation as a binary labelmap" in caught.value.hint


@pytest.mark.parametrize("declared", [("x", 0), (1, "x"), (1, 2)])
def test_a_segment_that_cannot_be_found_is_told_by_its_number(declared, tmp_path):
    """By no name: it may be a person's."""
    write(tmp_path / "P1_image.nrrd")
    write_layers(tmp_path / "P1_a.seg.nrrd", [MASK, MASK], tumour=(1, 0), Jane_Doe=declared)
    with pytest.raises(DataError, match="segment 1 states no value or layer") as caught:
        read_one(tmp_path)
    assert "Jane" not in str(caught.value)
    assert "save the segmentation again" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [(0, "empty_mask", "holds no voxel"), (2, "label_missing", "no voxel is 1; it holds 0=")],
)
@pytest.mark.parametrize("by", ["study", "file"])
def test_a_declared_tumour_that_is_not_there_is_told_by_what_is(by, value, reason, told, tmp_path):
    """No name is missing in the map; and an edema is not proposed as the tumour."""
    write(tmp_path / "P1_image.nrrd")
    labels = {"tumour": 1, "edema": 2}
    if by == "study":
        write(tmp_path / "P1_mask.nrrd", MASK * value)
    else:
        image = SimpleITK.ReadImage(str(write(tmp_path / "P1_a.seg.nrrd", MASK * value)))
        for at, (name, number) in enumerate(labels.items()):
            image.SetMetaData(f"Segment{at}_Name", name)
            image.SetMetaData(f"Segment{at}_LabelValue", str(number))
        SimpleITK.WriteImage(image, str(tmp_path / "P1_a.seg.nrrd"))
    with pytest.raises(DataError) as caught:
        read_one(tmp_path, IngestRules(labels=labels if by == "study" else {}))
    assert caught.value.reason == reason
    assert told in caught.value.what
    assert "--label 2" not in caught.value.hint


@pytest.mark.parametrize("name", ["edema", "muscle"])
@pytest.mark.parametrize("labels", [{"tumour": 1}, {"tumour": 1, "edema": 2}])
def test_the_value_of_the_tumour_is_none_in_a_file_of_another_region(name, labels, tmp_path):
    """Of a patient whose tumour's file is missing, the edema was stored as the tumour."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / f"P1_{name}.mha", MASK)
    with pytest.raises(DataError, match=f"1 mask, named: {name}") as caught:
        read_one(tmp_path, IngestRules(labels=labels))
    assert caught.value.reason == "no_tumour"


def test_a_file_of_one_roi_holds_it_by_its_own_label_or_by_one(tmp_path):
    """A value that is declared for the tumour's files alone took the edema away without a word."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_tumour.mha", MASK * 255)
    edema = np.roll(MASK, 2, axis=1)
    for value, labels in ((1, {"tumour": 255}), (9, {"tumour": 255, "edema": 9})):
        write(tmp_path / "P1_edema.mha", edema * value)
        rois = read_one(tmp_path, IngestRules(labels=labels)).rois
        assert [roi.name for roi in rois] == ["edema", "tumour"]
        np.testing.assert_array_equal(rois[0].mask, edema > 0)
        np.testing.assert_array_equal(rois[1].mask, MASK > 0)
    with pytest.raises(DataError, match=r"no voxel is 2; it holds 0=.* 9=") as caught:
        read_one(tmp_path, IngestRules(labels={"tumour": 255, "edema": 2}))
    assert caught.value.reason == "label_missing"


def test_a_mask_of_anything_holds_every_label_whatever_the_map_calls_the_tumour(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * 3)
    rules = IngestRules(labels={"tumour": 3}, roi_map={"tumour": ("sarcoma",)})
    (roi,) = read_one(tmp_path, rules).rois
    np.testing.assert_array_equal(roi.mask, MASK > 0)


def test_labels_beside_a_drawn_tumour_may_be_absent(tmp_path):
    """A file of another region holds none of them, and is no fault."""
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK)
    write(tmp_path / "P1_muscle.mha", MASK * 9)
    (roi,) = read_one(tmp_path, IngestRules(labels={"tumour": 1, "edema": 2})).rois
    assert (roi.name, roi.flags) == ("tumour", ())


def test_an_empty_mask_is_empty_and_not_mislabelled(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK * 0)
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.reason == "empty_mask"


def test_a_mask_on_another_grid_is_refused_with_the_millimetres(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK, grid("axial"))
    with pytest.raises(DataError, match=r"\d mm") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "mask_off_grid"


def test_double_precision_becomes_single_and_infinite_voxels_are_refused(tmp_path):
    write(tmp_path / "P1_image.mha", VOXELS / 7.0)
    write(tmp_path / "P1_mask.mha", MASK)
    assert read_one(tmp_path).volume.voxels.dtype == np.float32
    broken = VOXELS.astype(np.float64)
    broken[0, 0, :2] = np.nan, np.inf
    write(tmp_path / "P1_image.mha", broken)
    with pytest.raises(DataError, match="2 of") as caught:
        read_one(tmp_path)
    assert caught.value.reason == "not_finite"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:200], "unreadable_file"),
        (lambda content: b"junk" * 200, "unreadable_file"),
        (lambda content: content[:80] + b"\x00\x00\xc0\x7f" + content[84:], "bad_geometry"),
        (lambda content: content[:46] + b"\x05" + content[47:], "bad_pixels"),
        (lambda content: content[:42] + b"\x33" + content[43:], "bad_pixels"),
        (lambda content: content[:80] + b"\x00\x00\x80\x49" + content[84:], "ambiguous_geometry"),
    ],
    ids=["cut", "junk", "spacing NaN", "a slice less", "a column less", "spacing of a kilometre"],
)
def test_a_damaged_file_is_refused_without_its_path(damage, reason, tmp_path):
    image = write(tmp_path / "P1_image.nii.gz")
    write(tmp_path / "P1_mask.nii.gz", MASK)
    image.write_bytes(gzip.compress(damage(gzip.decompress(image.read_bytes()))))
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.reason == reason
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "reason"), [((1, 40, 52), "too_few_slices"), ((3, 4, 40, 52), "not_grey")]
)
def test_what_is_no_volume_is_refused(shape, reason, tmp_path):
    image = SimpleITK.GetImageFromArray(np.zeros(shape, np.int16), isVector=False)
    SimpleITK.WriteImage(image, str(tmp_path / "P1_image.mha"))
    write(tmp_path / "P1_mask.mha", MASK)
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("sform", [0, 1])
@pytest.mark.parametrize("qform", [0, 1])
def test_a_file_without_a_code_for_its_place_is_flagged(qform, sform, tmp_path):
    """Either form states where the image lies; without both, its axes are taken for the body's."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ GRID.affine
    image = nibabel.Nifti1Image(VOXELS.T, affine)
    image.set_qform(affine, code=qform)
    image.set_sform(affine, code=sform)
    nibabel.save(image, tmp_path / "x.nii")
    voxels, geometry, _, flags = read_nifti(tmp_path / "x.nii")
    np.testing.assert_array_equal(voxels, VOXELS)
    assert flags == (() if qform or sform else ("no_orientation",))
    np.testing.assert_allclose(geometry.spacing, GRID.spacing, rtol=1e-6)  # of single precision
    axes = GRID.direction if qform or sform else np.diag([-1.0, -1.0, 1.0])
    np.testing.assert_allclose(geometry.direction, axes, atol=1e-5)


NAN, INF = float("nan"), float("inf")


def half_turned(tilt: float, about: int) -> np.ndarray:
    """RAS affine of a wide axial image that is half turned, then tilted [rad] about one axis."""
    turn = Rotation.from_rotvec(np.eye(3)[about] * tilt).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.43, -0.43, 4.0])
    affine[:3, 3] = (110.0, 110.0, -30.0)
    return affine


def stated_twice(path: Path, qform: np.ndarray, sform: np.ndarray) -> Path:
    image = nibabel.Nifti1Image(np.zeros((512, 512, 2), np.uint8), sform)
    image.set_qform(qform, code=1)
    image.set_sform(sform, code=1)
    nibabel.save(image, path)
    return path


def test_a_half_turn_is_one_turn_though_a_quaternion_rounds_it(tmp_path):
    """One affine, told in both ways: the first number of the quaternion is lost in the last digits.

    The image lies where the sform says, which is stored as it is.
    """
    tilts = np.random.default_rng(0).normal(0, 1e-3, 60)
    for about, tilt in enumerate(tilts):
        affine = half_turned(tilt, about % 3)
        geometry = read_nifti(stated_twice(tmp_path / "x.nii", affine, affine))[1]
        meant = np.diag([-1, -1, 1, 1]) @ affine
        np.testing.assert_allclose(geometry.affine, meant, rtol=0, atol=1e-5)


@pytest.mark.parametrize("about", range(3))
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_two_turns_that_numbers_can_tell_apart_are_two(tilt, about, tmp_path):
    turned = half_turned(tilt + 0.003, about), half_turned(tilt, about)
    with pytest.raises(DataError) as met:
        read_nifti(stated_twice(tmp_path / "x.nii", *turned))
    assert met.value.reason == "ambiguous_geometry"


@pytest.mark.parametrize(
    ("slope", "shift", "meant"),
    [
        (2, -10, (2, -10)),
        (0.5, 0, (0.5, 0)),
        (1, 7, (1, 7)),
        (0, 7, (1, 0)),  # by the standard: stored values are the image
        (NAN, NAN, (1, 0)),  # as nibabel writes that it scales nothing
        (NAN, 0, (1, 0)),
        (NAN, 7, "bad_rescale"),
        (INF, 0, "bad_rescale"),
        (2, NAN, "unreadable_file"),  # nibabel refuses it first
        (2, INF, "unreadable_file"),
    ],
)
def test_voxels_are_scaled_as_the_header_says_or_refused(slope, shift, meant, tmp_path):
    path = write(tmp_path / "x.nii")
    content = bytearray(path.read_bytes())
    struct.pack_into("<2f", content, 112, slope, shift)
    path.write_bytes(content)
    if isinstance(meant, str):
        with pytest.raises(DataError) as caught:
            read_image(FileRef(path))
        assert caught.value.reason == meant
        return
    expected = VOXELS * float(meant[0]) + meant[1]  # exact in single precision
    np.testing.assert_array_equal(read_image(FileRef(path)).voxels, expected)


def nrrd(path: Path, space: str, signs: tuple[int, int, int], *lost: str) -> FileRef:
    """A NRRD of GRID by hand, in a space of these signs against LPS."""
    vectors = [GRID.affine[:3, axis] * signs for axis in (0, 1, 2, 3)]
    *axes, origin = ["(" + ",".join(f"{v:.12g}" for v in one) + ")" for one in vectors]
    fields = {
        "type": "short",
        "dimension": "3",
        "space": space,
        "sizes": "52 40 6",
        "space directions": " ".join(axes),
        "endian": "little",
        "encoding": "raw",
        "space origin": origin,
    }
    lines = [f"{key}: {value}" for key, value in fields.items() if key not in lost]
    header = "\n".join(["NRRD0004", *lines, "", ""])
    path.write_bytes(header.encode() + VOXELS.tobytes())
    return FileRef(path)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("LAS", (1, -1, 1)),
    ],
)
def test_in_whatever_space_a_nrrd_counts_the_image_lies_at_one_place(space, signs, tmp_path):
    read = read_image(nrrd(tmp_path / "x.nrrd", space, signs))
    np.testing.assert_array_equal(read.voxels, VOXELS)
    assert worst_corner_displacement(read.geometry, GRID) < 1e-6
    assert read.flags == ()


def test_a_nrrd_that_names_no_space_of_a_patient_or_no_place_in_it_is_flagged(tmp_path):
    for space, *lost in (("scanner-xyz",), ("LPS", "space origin")):
        read = read_image(nrrd(tmp_path / "x.nrrd", space, (1, 1, 1), *lost))
        assert read.flags == ("no_orientation",)


@pytest.mark.parametrize("lost", ["Offset", "TransformMatrix"])
def test_an_mha_without_its_place_or_its_axes_is_flagged(lost, tmp_path):
    path = write(tmp_path / "x.mha")
    assert read_image(FileRef(path)).flags == ()
    path.write_bytes(path.read_bytes().replace(lost.encode(), b"Comment", 1))
    assert read_image(FileRef(path)).flags == ("no_orientation",)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\0", b"<html>504</html>\n", bytes(4096)])
def test_a_file_without_a_header_is_not_one_without_a_spacing(content, ending, tmp_path):
    """As a transfer leaves it that broke off: to copy it again helps, another series does not."""
    (tmp_path / f"x.{ending}").write_bytes(content)
    with pytest.raises(DataError, match=f"no {ending.upper()} header: the file is empty") as caught:
        read_image(FileRef(tmp_path / f"x.{ending}"))
    assert (caught.value.reason, "copy the file again" in caught.value.hint) == (
        "unreadable_file",
        True,
    )


def restated(path: Path, old: str, new: str) -> FileRef:
    """A NRRD or MHA with another line in place of the one that begins so."""
    head, _, rest = path.read_bytes().partition(old.encode())
    path.write_bytes(head + new.encode() + rest[rest.index(b"\n") :])
    return FileRef(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("spacings: 0.8 0.7 nan", "states no spacing along one of its axes"),
        ("spacings: 0.8 0.7 -4", "states a spacing of 0.8 x 0.7 x -4"),
        ("space directions: (0.8,0,0) (0,0.7,0) none", "no spacing along one of its axes"),
        ("space directions: (0.8,0,0) (0,0.7,0) (nan,nan,nan)", "no spacing along one of its"),
    ],
)
def test_an_edge_that_a_nrrd_does_not_state_is_not_made_up(line, told, tmp_path):
    """ITK takes it for 1 mm."""
    path = nrrd(tmp_path / "x.nrrd", "LPS", (1, 1, 1)).path
    with pytest.raises(DataError, match=told) as caught:
        read_image(restated(path, "space directions", line))
    assert caught.value.reason == ("missing" if "no spacing" in told else "bad") + "_geometry"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Offset = 1,5 2,5 3,5", "the origin in the MHA header is not 3 numbers"),
        ("Offset = 1 2", "the origin in the MHA header is not 3 numbers"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 x", "the orientation in the MHA header is not 9"),
    ],
)
def test_a_place_that_an_mha_does_not_state_in_numbers_is_not_made_up(line, told, tmp_path):
    """ITK takes what it cannot read for 0, and a number with a comma for its first digits."""
    path = write(tmp_path / "x.mha")
    with pytest.raises(DataError, match=told) as caught:
        read_image(restated(path, line.partition(" ")[0], line))
    assert (caught.value.reason, "with points" in caught.value.hint) == ("bad_geometry", True)


def test_a_nrrd_whose_place_is_none_is_flagged(tmp_path):
    path = nrrd(tmp_path / "x.nrrd", "LPS", (1, 1, 1)).path
    read = read_image(restated(path, "space origin", "space origin: none"))
    assert read.flags == ("no_orientation",)


@pytest.mark.parametrize("more", [(1,), (1, 1)])
def test_dimensions_of_one_are_none(more, tmp_path):
    """As of a series in time with one moment."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ GRID.affine
    for name, voxels in (("image", VOXELS), ("mask", MASK)):
        image = nibabel.Nifti1Image(voxels.T.reshape(*voxels.T.shape, *more), affine)
        assert image.header.get_data_shape() == (52, 40, 6, *more)
        nibabel.save(image, tmp_path / f"P1_{name}.nii")
    data = read_one(tmp_path)
    np.testing.assert_array_equal(data.volume.voxels, VOXELS)
    np.testing.assert_array_equal(data.rois[0].mask, MASK > 0)


def test_one_slice_stays_one_slice_however_wide_its_pixels_are(tmp_path):
    voxels = np.zeros((1, 40, 52), np.int16)
    grid = make_geometry(voxels.shape, spacing=(3, 1, 1), **UPRIGHT)
    write(tmp_path / "P1_image.mha", voxels, grid)
    write(tmp_path / "P1_mask.mha", voxels, grid)
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.reason == "too_few_slices"


def test_a_phantom_is_known_by_its_file_or_its_header(tmp_path):
    write(tmp_path / "P1_image.nrrd")
    write(tmp_path / "P1_mask.nrrd", MASK)
    assert read_one(tmp_path).facts["synthetic"] is False
    (tmp_path / "phantom.json").write_text("{}")
    assert read_one(tmp_path).facts["synthetic"] is True
    image = SimpleITK.GetImageFromArray(VOXELS)
    image.SetMetaData("ITK_FileNotes", "RADLAS PHANTOM")  # written as `descrip`
    (tmp_path / "b").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "b/P1_image.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(MASK), str(tmp_path / "b/P1_mask.nii.gz"))
    (tmp_path / "phantom.json").unlink()
    assert read_one(tmp_path / "b").facts["synthetic"] is True


def test_a_source_without_images_says_what_it_holds_and_what_to_try(tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"1 x \.dcm(?s:.*)--importer dicom"):
        NIFTI.find(tmp_path, RULES)


def test_no_file_is_held_against_all_subjects_and_no_exam_against_all_exams(tmp_path, monkeypatch):
    """Fifty thousand patients would be a thousand million comparisons of each kind."""
    for patient in range(5):
        (tmp_path / f"P_{patient}_image.nii").write_bytes(b"%d" % patient)
        (tmp_path / f"P_{patient}_mask.nii").write_bytes(b"%d" % patient)
    monkeypatch.setattr(Exam, "__eq__", lambda *_: pytest.fail("exams were compared"))
    assert len(NIFTI.find(tmp_path, RULES).exams) == 5

    class Subjects(set[str]):
        def __iter__(self, *_):
            pytest.fail("all subjects were gone through")

        __sub__ = __and__ = __iter__

    ref = FileRef(tmp_path / "P_1_gtv_mass.nii")
    subjects = Subjects({"P", "P_1", "P_10", "mask"})
    assert name_mask(ref, subjects) == NamedMask(ref, "P_1", "gtv_mass")
    image = name_image(FileRef(tmp_path / "P" / "mask_T1.nii"))
    assert _is_mask(image, subjects, DEFAULT_ROI_MAP)


def test_files_outside_the_grammar_are_counted(tmp_path):
    write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK)
    write(tmp_path / "whatever.mha")
    (tmp_path / "notes.txt").write_text("x")
    notes = NIFTI.find(tmp_path, RULES).notes
    assert any(note.startswith("1 file: named outside the grammar") for note in notes)
    assert any(note.startswith("1 file: no NIfTI") for note in notes)


def test_a_spacing_that_is_no_number_is_not_told(tmp_path):
    """Messages are stored, and a text header may hold a name anywhere."""
    path = write(tmp_path / "P1_image.mha")
    write(tmp_path / "P1_mask.mha", MASK)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"ElementSpacing = 0", b"ElementSpacing = Doe^Jane 0", 1))
    with pytest.raises(DataError, match="a spacing of nan x") as caught:
        read_one(tmp_path)
    assert "Doe" not in str(caught.value)
