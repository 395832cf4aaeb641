"""Names, words and numbers: what they mean, and what may leave the source."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import dcmwrite

from radlas import tables
from radlas.digests import mask_digest
from radlas.errors import ConfigError, DataError
from radlas.geometry import make_geometry
from radlas.ingest.checks import check_rois, roi_facts
from radlas.ingest.deidentify import image_facts, safe_age, safe_text
from radlas.ingest.dicom.facts import dicom_facts
from radlas.ingest.roi_names import (
    DEFAULT_ROI_MAP,
    RoiMap,
    assign_names,
    match_name,
    read_roi_map,
    resolve_roi_map,
    safe_name,
)
from radlas.ingest.sequences import TCIA_STS_SPELLINGS, classify, names_derived
from radlas.model import Roi


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("GTV_Mass", ("tumour", "")),
        ("gtv_mass", ("tumour", "")),
        ("GTV_Mass_MR_T1", ("tumour", "")),
        ("GTV_Mass_MR_T2FS", ("tumour", "")),
        ("GTV_Research", ("tumour", "")),
        ("Tumor", ("tumour", "")),
        ("tumour", ("tumour", "")),
        ("mask", ("tumour", "")),
        ("GTV_reader2", ("tumour", "2")),
        ("GTV_Edema", ("edema", "")),
        ("GTV_Edema_MR_T1", ("edema", "")),
        ("GTV_Res+edema", ("edema", "")),
        ("oedema", ("edema", "")),
        ("muscle", None),
        ("GTV_Mass_old", None),
        ("not a tumour", None),
    ],
)
def test_the_default_map_reads_whole_names(name, target):
    assert match_name(name, DEFAULT_ROI_MAP) == target


def test_names_tell_rois_and_readers_and_unknown_ones_are_left_out():
    named = [(1, "GTV_reader1"), (2, "GTV_reader2"), (3, "muscle")]
    assert assign_names(named, DEFAULT_ROI_MAP) == [(1, ("tumour", "1")), (2, ("tumour", "2"))]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("said", ["NFC", "NFD"])
def test_a_name_in_either_spelling_of_unicode_is_the_maps(form, said):
    """A Mac writes ``ä`` as ``a`` and its dots, and nobody sees which of them a file holds."""
    pattern = unicodedata.normalize(said, "l[äa]sion( münchen)?")
    drawn = unicodedata.normalize(form, "Läsion München")
    assert match_name(drawn, RoiMap({"tumour": (pattern,)})) == ("tumour", "")
    assert safe_name(drawn) == "<6> <7>"


def test_a_readers_pattern_is_no_part_of_the_name():
    roi_map = resolve_roi_map(RoiMap({}, {"ab": ("_AB$",)}))
    assert match_name("GTV_Mass_AB", roi_map) == ("tumour", "ab")
    assert match_name("GTV_Mass", roi_map) == ("tumour", "")


def test_a_map_file_holds_patterns_aliases_and_readers(tmp_path):
    path = tmp_path / "roi_map.yaml"
    path.write_text("tumour: {aliases: [Lesion (1)]}\nedema: ['oed.*']\nreaders: {r1: '-one$'}\n")
    roi_map = resolve_roi_map(read_roi_map(path))
    assert match_name("lesion (1)-one", roi_map) == ("tumour", "r1")
    assert match_name("Oedem", roi_map) == ("edema", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tumour: {alias: [x]}", "alias"),
        ("tumour: 3", "not a list"),
        ("Tumour: ['x']", "no ROI name"),
        ("tumour__core: ['x']", "no ROI name"),
        ("tumour_: ['x']", "no ROI name"),
        ("tumour: ['(']", "no regular expression"),
        ("readers: {'Dr Smith': ['x']}", "no reader"),
        ("readers: ['_AB$']", "not a mapping of readers to patterns"),
        ("tumour: {aliases: 3}", "not a list"),
        ("1: ['x']", "no ROI name"),
    ],
)
def test_a_wrong_map_file_is_refused_with_the_place(text, said, tmp_path):
    (tmp_path / "roi_map.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_roi_map(tmp_path / "roi_map.yaml")


def test_one_name_alone_needs_no_list(tmp_path):
    (tmp_path / "roi_map.yaml").write_text("tumour: {patterns: 'x.*', aliases: GTV (final)}")
    roi_map = read_roi_map(tmp_path / "roi_map.yaml")
    assert [match_name(one, roi_map) for one in ("xy", "gtv (final)", "GTV")] == [
        ("tumour", ""),
        ("tumour", ""),
        None,
    ]


def test_the_map_that_is_shipped_is_the_one_that_is_built_in():
    shipped = read_roi_map(Path(__file__).parents[3] / "jobs" / "roi_map.yaml")
    assert shipped.patterns == DEFAULT_ROI_MAP.patterns


def test_a_name_of_two_rois_is_ambiguous():
    roi_map = resolve_roi_map(RoiMap({"core": ("gtv.*",)}))
    with pytest.raises(DataError) as caught:
        match_name("gtv_mass", roi_map)
    assert caught.value.reason == "ambiguous_roi"


def test_without_a_tumour_the_names_are_told_without_those_of_people():
    with pytest.raises(DataError) as caught:
        assign_names([(1, "Muscle left"), (2, "Mustermann")], DEFAULT_ROI_MAP)
    assert caught.value.reason == "no_tumour"
    assert "2 masks, named: " in str(caught.value)
    assert "Muscle left" in str(caught.value)
    assert "Mustermann" not in str(caught.value)


def test_a_map_replaces_only_the_rois_it_names():
    roi_map = resolve_roi_map(RoiMap({"tumour": ("necrotic core",)}))
    assert match_name("Necrotic Core", roi_map) == ("tumour", "")
    assert match_name("GTV_Mass", roi_map) is None
    assert match_name("GTV_Edema", roi_map) == ("edema", "")


@pytest.mark.parametrize("wrong", [{"tumour": ("GTV(",)}, {"Tumour 1": ("GTV",)}])
def test_a_wrong_map_is_a_wrong_configuration(wrong):
    with pytest.raises(ConfigError):
        resolve_roi_map(RoiMap(wrong))


@given(st.text(max_size=80))
def test_a_safe_name_never_shows_an_unknown_word(name):
    assert "canary" not in safe_name(f"CANARY_{name}").lower()


@pytest.mark.parametrize(
    ("description", "sequence"),
    [
        ("T2 F*S", "T2FS"),
        ("FAT T2", "T2FS"),
        ("T2SP", "T2FS"),
        ("AXIAL SE T2 FAT SAT - RESEARCH", "T2FS"),
        ("t2_tse_fs_tra", "T2FS"),
        ("T2 SPAIR", "T2FS"),
        ("AX IR", "STIR"),
        ("COR STIR", "STIR"),
        ("T2 STIR", "STIR"),
        ("AXT1", "T1"),
        ("t1", "T1"),
        ("T!", "T1"),
        ("AX T1 FS GD", "T1"),
        ("AX FLAIR", "other"),
        ("T2* GRE", "other"),
        ("AX FSE T2", "other"),
        ("AX T2 NON FS", "other"),
        ("3-plane LOC", "other"),
    ],
)
def test_descriptions_mean_what_a_radiologist_reads(description, sequence):
    assert classify(description) == (sequence, "description")


@pytest.mark.parametrize("description", ["FSE T2", "T2ST"])
def test_the_collections_own_spellings_hold_only_inside_it(description):
    assert classify(description, spellings=TCIA_STS_SPELLINGS) == ("T2FS", "spelling")
    assert classify(description)[0] == "other"


@pytest.mark.parametrize(
    ("times", "sequence"),
    [
        ({"repetition_ms": 4000, "echo_ms": 80, "fat_option": True}, "T2FS"),
        ({"repetition_ms": 4000, "echo_ms": 80}, "other"),
        ({"repetition_ms": 4000, "echo_ms": 40, "inversion_ms": 150}, "STIR"),
        ({"repetition_ms": 9000, "echo_ms": 90, "inversion_ms": 2500}, "other"),
        ({"repetition_ms": 550, "echo_ms": 12}, "T1"),
    ],
)
def test_times_tell_where_the_description_does_not(times, sequence):
    assert classify("RESEARCH", **times) == (sequence, "TR/TE/TI")
    assert classify("AX T1", **times) == ("T1", "description")


@pytest.mark.parametrize(
    ("description", "image_type", "sequence"),
    [
        ("WATER: AX T2 FLEX", (), "T2FS"),
        ("FAT: AX T2 FLEX", (), "other"),
        ("InPhase: AX T2 FLEX", ("ORIGINAL", "PRIMARY", "IN_PHASE"), "other"),
        ("t2_tse_dixon_tra_W", (), "T2FS"),
        ("t2_tse_dixon_tra_F", (), "other"),
        ("t2_tse_dixon_tra_in", (), "other"),
        ("t2_tse_dixon_tra_opp", (), "other"),
        ("AX T2 IDEAL", ("DERIVED", "PRIMARY", "WATER"), "T2FS"),
        ("AX T2 IDEAL", ("DERIVED", "PRIMARY", "FAT"), "other"),
        ("AX T2 IDEAL", (), "other"),
        ("t2_tse_dixon_fat_cor", (), "other"),
        ("T2 FLEX FAT AX", (), "other"),
        ("T2 FS DIXON OPP TRA", (), "other"),
        ("T2W_mDIXON_TSE_FatOnly", (), "other"),
        ("T2W mDIXON F TRA", (), "other"),
        ("T2W mDIXON TRA", (), "other"),
        ("T2W mDIXON W TRA", (), "T2FS"),
        ("AX T2 FLEX FAT SAT", (), "T2FS"),
        ("AX T2 FAT ONLY", (), "other"),
        ("AX T2 FAT FRACTION", (), "other"),
        ("FAT IMAGE AX T2", (), "other"),
        ("T2W/O FS", (), "other"),
        ("AX T2 FAT SAT", (), "T2FS"),
    ],
)
def test_of_water_and_fat_only_the_water_image_is_fat_suppressed(description, image_type, sequence):
    assert classify(description, image_type=image_type)[0] == sequence


@pytest.mark.parametrize(
    "description", ["T2 tra fettsat", "T2 FS no contrast", "T2 TSE Fetts\u00e4ttigung", "T2 FS"]
)
def test_fat_suppression_is_read_wherever_it_stands(description):
    assert classify(description) == ("T2FS", "description")


@pytest.mark.parametrize(
    "description", ["T2 ohne FS", "T2 sans FS", "T2 senza FAT SAT", "T2 FS off", "T2 zonder SPIR"]
)
def test_fat_suppression_that_is_denied_is_not_there(description):
    assert classify(description) == ("other", "description")
    assert classify(description, fat_option=True) == ("other", "description")


@pytest.mark.parametrize("word", ["Mueller", "AB", "19671103", "7654321", "r1967"])
def test_a_readers_name_is_not_stored_unless_the_map_gives_another(word):
    """Readers are told apart by numbers; a surname or a record number in their place stays out."""
    assert match_name(f"GTV_reader_{word}", DEFAULT_ROI_MAP) is None
    own = RoiMap({"tumour": (r"GTV by (?P<reader>.+)",)})
    assert match_name(f"GTV by {word}", own) is None
    assert match_name("GTV by r2", own) == ("tumour", "r2")
    declared = RoiMap(DEFAULT_ROI_MAP.patterns, {"r1": (f"_reader_{word}$",)})
    assert match_name(f"GTV_reader_{word}", declared) == ("tumour", "r1")


def test_silence_is_other_and_says_so():
    assert classify("") == ("other", "nothing")


@pytest.mark.parametrize("description", ["AllignedT1toPET", "AlignedTtoPET", "T2 resampled", "MPR"])
def test_copies_are_known_by_their_names(description):
    assert names_derived(description)
    assert not names_derived("AX T2 FS")


def test_only_allowed_columns_leave_the_header_and_none_holds_a_stranger():
    header = Dataset()
    header.Manufacturer, header.ManufacturerModelName = "ACME; <b>", "X" * 90
    header.PatientName, header.PatientComments, header.InstitutionName = ["CANARY"] * 3
    header.PatientSex, header.PatientAge = "f", "006M"
    header.MagneticFieldStrength, header.RepetitionTime, header.EchoTime = 3, "nan", None
    facts = dicom_facts(header)
    assert set(facts) <= set(tables.CASES.names)
    assert "CANARY" not in str(facts)
    assert facts["manufacturer"] == "ACME b"
    assert len(facts["scanner_model"]) <= 48
    assert (facts["sex"], facts["age_years"], facts["field_strength_t"]) == ("F", 0.5, 3.0)
    assert facts["repetition_time_ms"] is facts["echo_time_ms"] is None
    assert facts["synthetic"] is False


def test_who_is_typed_into_a_field_for_machines_is_not_stored():
    """An allow-list of fields is no allow-list of words: technicians type where there is room."""
    header = Dataset()
    header.PatientName, header.PatientID = "Müller-Groß^Philips^Jane", "MRN77"
    header.OperatorsName = ["Tecki", "Doe^J"]
    header.Manufacturer = "Philips Medical Systems, tecki"
    header.ManufacturerModelName = "DOE^J MRN77 Müller MÜLLER-GROSS 1967-11-03 0311.67 Ingenia 3.0T"
    facts = dicom_facts(header)
    assert facts["manufacturer"] == "Philips Medical Systems"
    assert facts["scanner_model"] == "Ingenia 3.0T"


@pytest.mark.parametrize("implicit", [True, False])
def test_no_name_that_a_header_holds_is_stored_whoever_bears_it(implicit):
    """Nor a patient's other identifiers, which a sequence holds today."""
    header, other = Dataset(), Dataset()
    header.ConsultingPhysicianName, other.PatientID = "Kowalski^Jan", "ABX77"
    header.OtherPatientIDsSequence = [other]
    header.add_new((0x0009, 0x0010), "LO", "private")
    header.add_new((0x0009, 0x1001), "PN", "Nowak")
    header.Manufacturer = "Siemens Kowalski"
    header.ManufacturerModelName = "Avanto ABX77" if implicit else "Avanto ABX77 Nowak"
    stream = DicomBytesIO()  # what was read is not yet decoded, and of implicit VR
    dcmwrite(stream, header, implicit_vr=implicit, little_endian=True, force_encoding=True)
    stream.seek(0)
    read = read_dataset(stream, is_implicit_VR=implicit, is_little_endian=True)
    for told in (header, read):
        facts = dicom_facts(told)
        assert (facts["manufacturer"], facts["scanner_model"]) == ("Siemens", "Avanto")


@pytest.mark.parametrize(
    ("keyword", "column", "sound"),
    [
        ("MagneticFieldStrength", "field_strength_t", 2.89),
        ("RepetitionTime", "repetition_time_ms", 12_000),
        ("EchoTime", "echo_time_ms", 260),
        ("InversionTime", "inversion_time_ms", 2_800),
        ("FlipAngle", "flip_angle_deg", 180),
    ],
)
def test_a_number_that_no_scan_has_may_be_a_date_and_is_not_stored(keyword, column, sound):
    header = Dataset()
    for value, told in ((sound, sound), (19671103, None), (-4400123, None)):
        setattr(header, keyword, value)
        assert dicom_facts(header)[column] == told


def test_a_phantom_is_known_in_every_format():
    header = Dataset()
    header.Manufacturer = "RADLAS PHANTOM"
    assert dicom_facts(header)["synthetic"]
    assert image_facts({"descrip": "made by RADLAS PHANTOM 1"}, beside_phantom=False)["synthetic"]
    assert image_facts({}, beside_phantom=True)["synthetic"]
    assert not image_facts({"descrip": "FSL"}, beside_phantom=False)["synthetic"]
    assert set(image_facts({}, beside_phantom=True)) == set(dicom_facts(header))


@pytest.mark.parametrize(
    ("text", "years"), [("061Y", 61), ("052W", 52 * 7 / 365.25), ("101Y", 90), ("old", None)]
)
def test_ages_are_years_and_the_oldest_are_not_told_apart(text, years):
    assert safe_age(text) == (pytest.approx(years) if years else None)


@given(st.text())
def test_safe_text_is_idempotent_and_plain(text):
    once = safe_text(text)
    assert once is None or (once.isascii() and len(once) <= 48 and safe_text(once) == once)


GRID = make_geometry((5, 20, 30), spacing=(0.5, 0.6, 4.0), origin=(0, 0, 0), direction=np.eye(3))


def roi_with(*boxes, name="tumour"):
    mask = np.zeros(GRID.shape, dtype=bool)
    for box in boxes:
        mask[box] = True
    return Roi(name, mask, "image")


def test_facts_of_a_box_are_those_of_the_box():
    roi = roi_with(np.s_[1:3, 5:9, 10:20])
    facts = roi_facts(roi, GRID)
    assert facts["voxels"] == 80
    assert facts["volume_mm3"] == pytest.approx(80 * 0.5 * 0.6 * 4)
    assert (facts["slices"], facts["components"], facts["touches_border"]) == (2, 1, False)
    extents = [facts[f"extent_{axis}_mm"] for axis in "xyz"]
    np.testing.assert_allclose(extents, [5.0, 2.4, 8.0])
    assert facts["mask_digest"] == mask_digest(roi.mask)
    written_by_the_store = {"case_id", "centre", "subject_id", *tables.BOOKKEEPING}
    assert set(facts) | written_by_the_store == set(tables.ROIS.names)


def test_components_share_faces_and_borders_are_seen_on_every_side():
    corner = roi_facts(roi_with(np.s_[1, 5, 10], np.s_[2, 6, 11]), GRID)
    assert corner["components"] == 2
    for side in (np.s_[0, 5, 5], np.s_[-1, 5, 5], np.s_[2, 0, 5], np.s_[2, -1, 5], np.s_[2, 5, -1]):
        assert roi_facts(roi_with(side), GRID)["touches_border"]


def test_an_empty_tumour_is_refused_and_an_empty_edema_is_said():
    with pytest.raises(DataError) as caught:
        check_rois([roi_with()], 1)
    assert caught.value.reason == "empty_mask"
    (kept,) = check_rois([roi_with(np.s_[2, 5:9, 5:9]), roi_with(name="edema")], 1)
    assert (kept.name, kept.flags) == ("tumour", ("empty_edema",))


def test_a_roi_below_the_minimum_is_refused_with_its_size():
    with pytest.raises(DataError, match="16 voxels") as caught:
        check_rois([roi_with(np.s_[2, 5:9, 5:9])], 17)
    assert caught.value.reason == "roi_too_small"
