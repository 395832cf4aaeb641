"""Two people under one identifier are seen by what contradicts, and one is not taken for two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules
from radlas.ingest.dicom.elements import Elements
from radlas.ingest.dicom.people import KEYWORDS, Person, contradiction, have_two_names, person_told
from radlas.ingest.dicom.walk import tag_of

from ..odd import save
from .corpus import CANARY, make_series, tumour_on

DICOM = IMPORTERS["dicom"]()
WORDS = st.frozensets(st.sampled_from(["anna", "meyer", "otto", "brandt"]), max_size=3)
PEOPLE = st.sets(
    st.builds(
        Person,
        sex=st.sampled_from(["", "F", "M"]),
        birth=st.sampled_from(["", "19500203", "19310817"]),
        name=WORDS,
        issuer=st.frozensets(st.sampled_from(["a", "b", "1.2", "1.3"]), max_size=2),
    ),
    max_size=4,
)


def told(**header: str) -> Person:
    values = {tag_of(keyword): text.encode() for keyword, text in header.items()}
    values[tag_of("SpecificCharacterSet")] = b"ISO_IR 192"
    return person_told(Elements(values))


@given(PEOPLE, PEOPLE)
def test_what_contradicts_still_does_beside_further_headers(people, more):
    """No header settles what two others dispute."""
    if contradiction(people):
        assert contradiction(people | more)


@given(PEOPLE)
def test_a_header_that_says_nothing_contradicts_nobody(people):
    assert bool(contradiction(people)) == bool(contradiction(people | {Person()}))
    assert not contradiction([Person(), *list(people)[:1]])


@given(PEOPLE)
def test_names_or_dates_of_birth_alone_are_no_two_people(people):
    one_sex = {Person(birth=one.birth) for one in people} | {
        Person(name=one.name) for one in people
    }
    assert contradiction(one_sex) is None


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [
        ("Meyer^Anna", "Brandt^Otto", True),
        ("Meyer^Anna", "MEYER ANNA", False),
        ("Meyer^Anna", "Schulz-Meyer^A", False),
        ("Müller^Hans", "MULLER^JOHANN", False),
        ("Meyer^Anna", "", False),
        ("Meyer", "Brandt", False),  # one word may be a code
        ("Meyer^Anna", "Anonymous^Patient", False),
        ("Meyer^Anna", "STS 042", False),
        ("Yamada^Tarou=山田^太郎", "=山田^太郎", False),
        ("=山田^太郎", "=鈴木^花子", True),
        ("Meyer^Anna^^Dr^Dr", "Brandt^Otto^^Dr", True),
        ("Meyer^Anna", "=^=", False),
        ("Li^Na", "Ng^Yi", True),
        ("=李^明", "=王^伟", True),
        ("Li^N", "Ng^Y", False),  # initials leave one word, which may be a code
    ],
)
def test_names_differ_where_full_ones_share_no_word(one, other, two):
    assert have_two_names({told(PatientName=one), told(PatientName=other)}) == two


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [
        ("HOSP_A", "HOSP_B", True),
        ("HOSP_A", "", False),
        ("HOSP  A ", "hosp a", False),
        ("HOSP_A&1.2.3&ISO", "1.2.3", False),
        ("HOSP_A&1.2.3&ISO", "HOSP_B&1.2.4&ISO", True),
        ("HOSP_A", "&1.2.3&ISO", False),
        ("&1.2.3&ISO", "&1.2.4&ISO", True),
        ("HOSP_A", "REMOVED", False),
    ],
)
def test_issuers_differ_where_two_are_named(one, other, two):
    people = {told(IssuerOfPatientID=one), told(IssuerOfPatientID=other)}
    assert bool(contradiction(people)) == two
    assert contradiction(people, of_issuers=False) is None


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [("F", "M", True), ("f", "M", True), ("m", "M", False), ("M", "O", False), ("F", "", False)],
)
def test_sexes_contradict_where_both_are_known(one, other, two):
    """``O`` is what some scanners write where nobody asked."""
    assert bool(contradiction({told(PatientSex=one), told(PatientSex=other)})) == two


def test_a_refusal_quotes_nobody():
    people = {told(**dict.fromkeys(KEYWORDS, f"{one} {CANARY}^x")) for one in "ab"}
    people |= {told(PatientName="Meyer^Anna", PatientBirthDate="19500203", PatientSex="F")}
    people |= {told(PatientName="Brandt^Otto", PatientBirthDate="19310817", PatientSex="M")}
    error = contradiction(people)
    assert error is not None
    said = f"{error} {error.hint}"
    assert not any(word in said for word in (CANARY, "Meyer", "1950", "Brandt"))


def write(folder, number, **tags):
    series = make_series(patient=f"P{number}", seed=number, tags=tags)
    series.write(folder / str(number))
    save(tumour_on(series), folder / str(number) / "RS")


def test_patients_that_name_each_other_are_told_as_one_perhaps(tmp_path):
    write(tmp_path, 1, OtherPatientIDs=["X", "P2"])
    write(tmp_path, 2)
    write(tmp_path, 3, OtherPatientIDs="P9")
    assert DICOM.find(tmp_path, IngestRules()).called_alike == (("P1", "P2"),)


@pytest.mark.parametrize(
    ("here", "there", "flags"),
    [
        ({"PatientName": "Meyer^Anna"}, {"PatientName": "Lenz^Eva"}, ("names_differ",)),
        ({"PatientName": "Meyer^Anna"}, {"PatientName": "Meyer^Eva"}, ()),
        (
            {"PatientBirthDate": "19500203"},
            {"PatientBirthDate": "19500307"},
            ("birth_dates_differ",),
        ),
        ({"PatientBirthDate": "19500203"}, {"PatientBirthDate": ""}, ()),
    ],
)
def test_what_differs_of_one_patient_and_need_not_is_flagged(here, there, flags, tmp_path):
    write(tmp_path, 1, **here)
    make_series(description="AX T1", tags=there).write(tmp_path / "other")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert exam.flags == flags


def test_an_image_sent_again_with_an_issuer_is_the_same_image(tmp_path):
    series = make_series()
    series.write(tmp_path / "first")
    save(tumour_on(series), tmp_path / "RS")
    for dataset in series.datasets:
        dataset.IssuerOfPatientID, dataset.PatientName = "HOSP_A", "Meyer^Anna"
    series.write(tmp_path / "again")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert len(exam.images) == len(series.datasets)


def test_a_header_without_a_patient_says_nothing():
    assert told() == Person()
