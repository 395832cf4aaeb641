"""Clinical tables: free text in one spelling, notes below the table left behind."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas import tables
from radlas.errors import ConfigError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Exam, FileRef, IngestRules
from radlas.ingest.clinical_words import (
    normal_age,
    normal_grade,
    normal_group,
    normal_histology,
    normal_sex,
    site_of,
    tidy,
)
from radlas.ingest.files import list_files
from radlas.ingest.table.cells import read_tables
from radlas.ingest.table.importer import TableImporter, find_records
from radlas.ingest.table.rows import normalise
from radlas.phantom import dicom_seg, nifti
from radlas.phantom.subjects import plan_subjects
from radlas.phantom.workbook import grade_text, write_workbook

TABLE = IMPORTERS["table"]()
HEADERS = ["Patient ID", "Sex", "Age", "Grade", "Histological type", "Site of primary STS"]


def test_a_row_becomes_the_columns_of_the_clinical_table():
    row = ["P7", "Female", "61,5", "Intermedaite", "Mixoid  liposarcoma – round cell", "Left thigh"]
    (record,) = normalise([HEADERS, row])
    assert record == {
        "subject": "P7",
        "sex": "F",
        "age_years": 61.5,
        "grade": "intermediate",
        "histology": "myxoid liposarcoma - round cell",
        "laterality": "left",
        "region": "thigh",
        "site_group": "lower limb",
    }
    written_by_the_store = {"subject_id", "centre", "revision", *tables.BOOKKEEPING}
    assert set(record) - {"subject"} | written_by_the_store == set(tables.CLINICAL.names)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("right parascapusular", ("right", "parascapular", "trunk")),
        ("parascapusular", (None, "parascapular", "trunk")),
        ("left poplietal fossa", ("left", "popliteal fossa", "lower limb")),
        ("right hand", ("right", "hand", "upper limb")),
        ("left adductur", ("left", "adductor", "lower limb")),
        ("right quadricep", ("right", "quadriceps", "lower limb")),
        ("left pelvis", ("left", "pelvis", "trunk")),
        ("somewhere near dr smith", (None, "other", None)),
        ("left thigh, mrn 123456", ("left", "thigh", "lower limb")),
        ("lower back", (None, "lower back", "trunk")),
        ("thigh, left and right", (None, "thigh", "lower limb")),
        ("upper extremity", (None, "upper extremity", "upper limb")),
        ("N/A", (None, None, None)),
    ],
)
def test_sites_are_side_region_and_group(text, site):
    assert site_of(text) == site


def test_a_side_in_its_own_column_wins():
    assert site_of("thigh", "R")[0] == "right"
    assert site_of("left thigh", "R")[0] == "right"
    assert site_of("left thigh", "?")[0] == "left"


@pytest.mark.parametrize("text", ["", "N/A", "--", "unknown", "  n/a ", "#N/A", "n.a."])
def test_nothing_is_none_in_every_spelling(text):
    assert tidy(text) == ""
    assert normal_histology(text) is None


@pytest.mark.parametrize(
    ("words", "sex"),
    [
        ("M m Male MAN männlich maennlich homme Masculin", "M"),
        ("F f Female woman w W weiblich femme féminin Feminin", "F"),
        ("h d x 0 1 2 mujer O", None),
    ],
)
def test_words_for_the_sexes(words, sex):
    assert {normal_sex(f" {word} ") for word in words.split()} == {sex}


@pytest.mark.parametrize(
    ("text", "years"),
    [("0", 0), ("0.5", 0.5), ("61,5", 61.5), ("89.9", 89.9), ("90", 90), ("91", 90), ("120", 90)],
)
def test_ages_are_years_and_the_oldest_are_not_told_apart(text, years):
    assert normal_age(text) == years


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("063Y", 63),
        ("63 years", 63),
        ("63Jahre", 63),
        ("61,5 ans", 61.5),
        ("95 y", 90),
        ("018M", 1.5),
        ("18 months", None),
        ("45M", None),
        ("63Y", 63),
        ("years", None),
        ("6.1.5 years", None),
        ("121 years", None),
    ],
)
def test_an_age_may_name_its_unit(text, years):
    """As years, or as DICOM writes it; of other units, and of a man of 45, nothing is guessed."""
    assert normal_age(text) == years


@pytest.mark.parametrize("text", [">89", "> 89", ">=90", "≥ 90", "90+", " 90 + "])
def test_who_is_told_to_be_older_than_89_is_stored_as_such(text):
    """Tables without names write it so, and it is what is stored: it was missing."""
    assert normal_age(text) == 90


@pytest.mark.parametrize("text", ["-1", "-0.5", "120.5", "121", "nan", "inf", "young", ""])
def test_impossible_ages_are_none(text):
    assert normal_age(text) is None


@pytest.mark.parametrize("text", ["6_3", "1e1", "+63", ".", ">63", "63+", "89+"])
def test_what_is_a_number_to_a_program_alone_is_no_age(text):
    assert normal_age(text) is None


def test_notes_below_the_table_are_left_behind():
    cells = [
        HEADERS,
        ["STS_001", "Male", 59, "High", "x", "y"],
        [None] * 6,
        ["N/A: not", *[None] * 5],
    ]
    assert [row["subject"] for row in normalise(cells)] == ["STS_001"]
    general = [HEADERS, ["A1", "Male", 59, "High", "x", "y"], ["Note", *[None] * 5]]
    assert [row["subject"] for row in normalise(general)] == ["A1"]


def test_patients_of_another_name_stand_beside_those_of_the_collection():
    """A joint table, or the thousandth patient, loses no row to names of the form ``STS_001``."""
    told = ["Male", 59, "High", "x", "y"]
    names = ["STS_001", "STS_1000", "MGH-7"]
    found = normalise([HEADERS, *([name, *told] for name in names)])
    assert [row["subject"] for row in found] == sorted(names)


def test_headers_that_are_not_known_are_counted_and_none_is_quoted(tmp_path):
    """The first row of a table that has no headers is a patient, and a file is called like one."""
    table = tmp_path / "Doe^John.csv"
    table.write_text("Doe,John,19671103\nRoe,Jane,19500203\n")
    with pytest.raises(ConfigError, match="of 3 headers known: none") as caught:
        TABLE.find(table, IngestRules())
    assert "table 1 of 1" in str(caught.value)
    assert not re.search("Doe|John|1967", caught.value.what + caught.value.where)
    with pytest.raises(ConfigError, match="of 2 headers known: subject"):
        normalise([["Patient ID", "Prenom"], ["a", "b"]])


def test_a_table_that_cannot_be_read_is_told_by_its_place_not_its_name(tmp_path):
    (tmp_path / "Doe.xlsx").write_bytes(b"no workbook")
    with pytest.raises(ConfigError, match="not readable as a table") as caught:
        TABLE.find(tmp_path, IngestRules())
    assert caught.value.where == "table 1 of 1, by name"


def test_rows_of_one_subject_must_agree():
    row = ["A1", "Male", 59, "High", "x", "y"]
    assert len(normalise([HEADERS, row, list(row)])) == 1
    with pytest.raises(ConfigError, match="differ"):
        normalise([HEADERS, row, [*row[:3], "Low", "x", "y"]])


def test_of_rows_that_differ_the_subject_and_the_columns_are_told():
    """The number of subjects read so far was told as that of the one whose rows differ."""
    rows = [["a", "F", "high"], ["b", "M", "low"], ["c", "F", "low"], ["b", "F", "high"]]
    with pytest.raises(ConfigError, match="number 2 by first appearance, differ in sex, grade"):
        normalise([["subject", "sex", "grade"], *rows])


def test_a_workbook_and_its_csv_twin_say_the_same(tmp_path):
    rows = [
        HEADERS,
        ["A2", "M", 40, "Low", "x", "left arm"],
        ["A1", "F", 30.5, "High", "y", "back"],
    ]
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "table.xlsx")
    text = "\n".join(";".join(str(cell).replace(".", ",") for cell in row) for row in rows)
    (tmp_path / "table.csv").write_text("\ufeff" + text, encoding="utf-8")
    one = TABLE.find(tmp_path / "table.xlsx", IngestRules()).clinical
    other = TABLE.find(tmp_path / "table.csv", IngestRules()).clinical
    assert one == other
    assert [row["subject"] for row in one] == ["A1", "A2"]


def test_rows_beyond_the_size_that_a_workbook_states_are_read(tmp_path):
    """Some tools append rows and leave the stated size as it was."""
    book = openpyxl.Workbook()
    for row in (["Patient ID", "Grade"], ["A1", 1], ["A2", 2], ["A3", 3]):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    whole = zipfile.ZipFile(tmp_path / "whole.xlsx")
    with whole, zipfile.ZipFile(tmp_path / "stale.xlsx", "w") as stale:
        for name in whole.namelist():
            stale.writestr(name, whole.read(name).replace(b'ref="A1:B4"', b'ref="A1:B2"'))
    found = TABLE.find(tmp_path / "stale.xlsx", IngestRules()).clinical
    assert [row["grade"] for row in found] == ["1", "2", "3"]


def test_a_formula_that_nobody_computed_is_no_empty_cell(tmp_path):
    """As libraries write it; what a spreadsheet computed is read, an empty text among it."""
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    for row in (["Patient ID", "Grade", "Age"], ["A1", '="G"&2', '=IF(B2="","",70)']):
        book.active.append(row)
    book.save(path)
    with pytest.raises(ConfigError, match="2 cells of known columns with a formula and without"):
        TABLE.find(path, IngestRules())
    found = find_records([FileRef(path)])
    assert found.rows == ()
    assert "a spreadsheet program" in found.notes[0]
    book.active["B2"] = "G2"
    book.save(path)
    as_saved = tmp_path / "saved.xlsx"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(as_saved, "w") as saved:
        for name in whole.namelist():
            text = whole.read(name).replace(b'<c r="C2">', b'<c r="C2" t="str">')
            saved.writestr(name, text)
    (row,) = TABLE.find(as_saved, IngestRules()).clinical
    assert (row["grade"], row["age_years"]) == ("g2", None)


def test_a_formula_that_cells_share_and_nobody_can_parse_is_no_defect_of_ours(tmp_path):
    """It ended the scan of a whole source, though the sheet was nobody's clinical table."""
    book = openpyxl.Workbook()
    for row in (["Patient ID", "Grade"], ["A1", 1], ["A2", 2]):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    shared = b'><f t="shared" si="0" ref="B2:B3">Grades[a\'[b]</f><v>'
    with (
        zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w") as odd,
    ):
        for name in whole.namelist():
            text = re.sub(rb'(<c r="B[23]" t="n")><v>', rb"\1" + shared, whole.read(name))
            odd.writestr(name, text)
    with pytest.raises(ConfigError, match="not readable as a table"):
        TABLE.find(tmp_path / "t.xlsx", IngestRules())
    assert find_records([FileRef(tmp_path / "t.xlsx")]).rows == ()


def test_a_format_far_out_in_a_sheet_makes_no_cells_on_the_way(tmp_path):
    """In every row of a few megabytes it made a billion of them, and the scan ended for memory."""
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["patient id", "grade"])
    for number in range(50):
        book.active.append([f"P{number}", "high"])
        book.active.cell(number + 2, 16_384).font = openpyxl.styles.Font(bold=True)
    book.save(path)
    (cells,) = read_tables(FileRef(path))
    assert [len(row) for row in cells] == [2] * 51
    book.active.cell(7, 16_384, "lost")
    book.save(path)
    (cells,) = read_tables(FileRef(path))
    assert cells[6][-1] == "lost", "and is told as more than the header has"
    assert len(cells[6]) < 1_002


@pytest.mark.parametrize("name", ["bomb.xlsx", "log.csv"])
def test_a_table_beyond_all_patients_is_told_and_not_read(tmp_path, name):
    """Kilobytes of workbook that hold a billion cells kept the scan of a whole source for hours."""
    (tmp_path / "clinical.csv").write_text("subject,grade\nA1,High\n")
    path = tmp_path / name
    if name == "log.csv":
        path.write_bytes(b"patient id,grade\n" + b"A" * (65 << 20))
    else:
        openpyxl.Workbook().save(path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet2.xml", bytes(65 << 20))
    records, notes, _ = find_records(list_files(tmp_path).files)
    assert [row["subject"] for row in records] == ["A1"]
    hint = "save the columns of patients alone, as .csv"
    assert notes == (f"a table of more than 64 MB of cells was not used: {hint}",)
    with pytest.raises(ConfigError, match="a table of more than 64 MB of cells"):
        TABLE.find(path, IngestRules())


def test_other_tables_in_a_source_are_counted_and_do_no_harm(tmp_path):
    (tmp_path / "clinical.csv").write_text("subject,grade\nA1,High\n")
    (tmp_path / "features.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.xlsx").write_bytes(b"no workbook")
    records, notes, _ = find_records(list_files(tmp_path).files)
    assert [row["subject"] for row in records] == ["A1"]
    assert notes == ("2 tables: without a known patient column, ignored",)


def test_a_damaged_table_asked_for_by_name_is_refused(tmp_path):
    (tmp_path / "broken.xlsx").write_bytes(b"no workbook")
    with pytest.raises(ConfigError, match="not readable as a table"):
        TABLE.find(tmp_path / "broken.xlsx", IngestRules())
    with pytest.raises(ConfigError, match="no table here"):
        TABLE.find(tmp_path / "absent.csv", IngestRules())


@pytest.mark.parametrize("name", ["patients.xls", "patients.txt", "patients.ods"])
def test_a_table_of_another_kind_says_as_what_to_save_it(name, tmp_path):
    """And not to name the folder above, where there would be no table either."""
    (tmp_path / name).write_text("patient id,grade\nP1,high\n")
    with pytest.raises(ConfigError, match="no table here") as told:
        TABLE.find(tmp_path / name, IngestRules())
    assert "save a table of another kind as one of them" in told.value.hint


def test_a_table_holds_no_exam():
    exam = Exam("table", "", "", (), (), "", "", "")
    with pytest.raises(ConfigError):
        TABLE.read(exam, IngestRules())


@pytest.mark.parametrize(
    ("column", "text", "stored"),
    [
        ("grade", "high (dr smith, pat. doe 1951-03-02)", None),
        ("grade", "high 123456", None),
        ("grade", "1 2 3", None),
        ("grade", "low?", None),
        ("grade", "FNCLCC grade II", "fnclcc grade ii"),
        ("grade", "High-grade", "high-grade"),
        ("grade", "3.0", "3"),
        ("grade", "G2 (FNCLCC)", "g2 (fnclcc)"),
        ("histology", "liposarcoma 123456", "other"),
        ("histology", "liposarcoma for jane doe", "other"),
        ("histology", "Pleiomorphic liposarcoma", "pleomorphic liposarcoma"),
        ("age", "97", 90.0),
    ],
)
def test_words_beyond_the_vocabulary_never_leave_the_table(column, text, stored):
    """A cell may hold a remark that names somebody: unknown words are not stored."""
    found = {"grade": normal_grade, "histology": normal_histology, "age": normal_age}[column](text)
    assert found == stored


@given(st.sampled_from(["high", "liposarcoma", "left thigh"]), st.text(max_size=20))
def test_a_strangers_word_is_never_stored(medical, text):
    cell = f"{medical} canary {text}"
    stored = [normal_grade(cell), normal_histology(cell), *site_of(cell, cell), normal_group(cell)]
    assert not any("canary" in (value or "") for value in stored)


def test_the_phantoms_tables_lose_no_word(tmp_path):
    """What the tables of all three centres say of 60 subjects is what the subjects are."""
    subjects = plan_subjects(60, seed=0)
    write_workbook(subjects, tmp_path / "a.xlsx")
    groups = {"thigh": "lower limb", "calf": "lower limb", "arm": "upper limb"}
    for write, folder in ((dicom_seg.write_clinical, "b"), (nifti.write_clinical, "c")):
        (tmp_path / folder).mkdir()
        write([replace(one, name=f"{folder}{one.name}") for one in subjects], tmp_path / folder)
    for source, grade in ((tmp_path / "a.xlsx", grade_text), (tmp_path / "b", dicom_seg.fnclcc),
                          (tmp_path / "c", lambda one: one.grade)):  # fmt: skip
        scan = TABLE.find(source, IngestRules())
        assert scan.notes == ()
        found = {row["subject"].lstrip("abc"): row for row in scan.clinical}
        named = subjects if source.is_dir() else [s for s in subjects if s.name.startswith("STS")]
        for one in named:
            row = found[one.name.lstrip("abc")]
            assert row["grade"] == grade(one).lower()
            assert (row["histology"], row["region"]) == (one.histology, one.region)
            assert row["site_group"] == groups.get(one.region, "trunk")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("subject,age,grade\na,61,5,2\nb,50,2\n", "row 2 holds 4 cells, and the header 3"),
        ("subject,histology,grade\na,x,1\nb,a, b,2\n", "row 3 holds 4 cells, and the header 3"),
    ],
)
def test_a_comma_that_nobody_quoted_moves_no_cell_under_the_next_header(tmp_path, lines, told):
    """An age of 61,5 is no age of 61 beside a grade of 5."""
    (tmp_path / "t.csv").write_text(lines)
    records, (note,), _ = find_records(list_files(tmp_path).files)
    assert records == ()
    assert note.startswith(f"a clinical table was not used: {told}; quote texts and numbers")
    with pytest.raises(ConfigError, match=told):
        TABLE.find(tmp_path / "t.csv", IngestRules())


def test_columns_of_one_name_that_differ_are_refused():
    """Which of two grades is meant is nobody's to guess."""
    header = ["Subject", "Grade (biopsy)", "Grade (resection)"]
    for rows in ([["a", 1, 1], ["b", 1, 3]], [["a", 1, 3], ["b", 1, 1]]):
        with pytest.raises(ConfigError, match="2 columns of different values are named 'grade'"):
            normalise([header, *rows])
    assert [row["grade"] for row in normalise([header, ["a", 1, 1], ["b", 3, 3]])] == ["1", "3"]


@pytest.mark.parametrize(
    ("identifiers", "read"),
    [
        (["7.0", "42.0", ""], ["42", "7"]),  # beside an empty cell a program writes floats
        (["7.0", "42"], ["42", "7.0"]),  # somebody's own names
        (["7.0", "P42.0"], ["7.0", "P42.0"]),
        (["7.5", "42.0"], ["42.0", "7.5"]),
    ],
)
def test_identifiers_that_were_written_as_floats_are_whole_numbers(identifiers, read):
    cells = [["Subject", "Age"], *([one, number] for number, one in enumerate(identifiers, 40))]
    assert [row["subject"] for row in normalise(cells)] == read


def test_that_no_column_is_known_to_be_the_grade_is_told(tmp_path):
    """Its patients would only be counted as without one; no header is quoted."""
    table = tmp_path / "clinic.csv"
    table.write_text("Subject,Sex,Grading,Alter\n1,F,G2,61\n")
    said = (
        "no column is known to be grade or age, and 2 columns not read: rename those that hold it"
    )
    assert TableImporter().find(table, IngestRules()).notes == (said,)
    (tmp_path / "ages.csv").write_text("Subject,Age\n1,61\n")
    (note,) = TableImporter().find(tmp_path, IngestRules()).notes
    assert note.startswith("no column is known to be grade, and 2 columns")
    (tmp_path / "grades.csv").write_text("Subject,Grade\n1,G2\n")
    assert not TableImporter().find(tmp_path, IngestRules()).notes


def test_of_rival_columns_the_one_that_is_read_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("subject,fnclcc grade,tumour grade\na,2,high\n")
    ((record,), notes, _) = find_records(list_files(tmp_path).files)
    assert record["grade"] == "high"
    assert notes == ("grade is read from the column 'tumour grade', not from fnclcc grade",)


def test_an_age_in_months_is_no_age_in_years():
    rows = [["Subject", "Sex", "Age (months)"], ["a", "F", 96]]
    assert [row["age_years"] for row in normalise(rows)] == [None]
    for title in ("Age (years)", "Age [a]", "Age (at diagnosis)", "Age in years"):
        told = normalise([["Subject", "Sex", title], ["a", "F", 96]])
        assert [row["age_years"] for row in told] == [None if " in " in title else 90.0]


def test_h_beside_m_is_a_language_in_which_m_may_be_a_woman():
    with pytest.raises(ConfigError, match="M may stand for a man or for a woman"):
        normalise([["Subject", "Sex"], ["a", "H"], ["b", "M"]])
    assert [row["sex"] for row in normalise([["Subject", "Sex"], ["a", "M"], ["b", "F"]])] == [
        "M",
        "F",
    ]


def test_empty_cells_behind_the_last_header_and_notes_beside_a_sheet_are_no_fault(tmp_path):
    (tmp_path / "t.csv").write_text("subject,grade\na,2,,\n")
    assert [row["grade"] for row in TABLE.find(tmp_path / "t.csv", IngestRules()).clinical] == ["2"]
    book = openpyxl.Workbook()
    for row in (["Subject", "Grade"], ["a", 2, "seen by two readers"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    found = TABLE.find(tmp_path / "t.xlsx", IngestRules()).clinical
    assert [row["grade"] for row in found] == ["2"]


def test_a_quote_that_is_never_closed_swallows_no_row(tmp_path):
    (tmp_path / "t.csv").write_text('subject,age,grade\na,61,"2\nb,50,3\n')
    with pytest.raises(ConfigError, match="not readable as a table"):
        TABLE.find(tmp_path / "t.csv", IngestRules())


def test_values_that_were_not_understood_are_counted_and_not_quoted(tmp_path):
    lines = "subject,grade,sex,age\na,high,F,61\nb,low? ask dr smith,divers,old\n"
    (tmp_path / "t.csv").write_text(lines)
    records, notes, _ = find_records(list_files(tmp_path).files)
    assert [row["grade"] for row in records] == ["high"]
    assert notes == (
        "values beyond the vocabulary are missing: 1 of grade, 1 of sex, 1 of age;"
        " clean these columns",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_is_read_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    table = tmp_path / "t.csv"
    table.write_bytes("Patient,Patient ID,Sex,Age [years]\nMüller,7,weiblich,61\n".encode(encoding))
    ((record,), _, _) = find_records(list_files(tmp_path).files)
    assert (record["subject"], record["sex"], record["age_years"]) == ("7", "F", 61)


def test_a_table_of_16_bits_without_their_mark_is_told_as_unreadable(tmp_path):
    """It was told to rename its headers, which are the known ones."""
    (tmp_path / "t.csv").write_bytes("subject\tgrade\n7\thigh\n".encode("utf-16-le"))
    with pytest.raises(ConfigError, match="not readable as a table") as caught:
        TABLE.find(tmp_path, IngestRules())
    assert "UTF-8" in caught.value.hint


def test_rows_of_one_subject_complete_one_another_and_may_not_differ(tmp_path):
    (tmp_path / "t.csv").write_text("subject,sex,age\na,F,\na,,61\n")
    ((record,), _, _) = find_records(list_files(tmp_path).files)
    assert (record["sex"], record["age_years"]) == ("F", 61)
    (tmp_path / "u.csv").write_text("subject,sex\na,M\n")
    records, notes, _ = find_records(list_files(tmp_path).files)
    assert records == ()
    assert notes == (
        "no clinical table was used: two rows of one subject, number 1 by first appearance, differ"
        " in sex; keep one row per subject",
    )


@pytest.mark.parametrize(
    "lines",
    [
        "Export of the clinic\n\nPatient ID;Age;Grade\n007;61,5;2\n",
        'Patient ID;"Grade (1,2,3)";Age\n007;2;61,5\n',
        "sep=;\nPatient ID;Age;Grade\n007;61,5;2\n",
        "Patient ID\tAge\tGrade\r007\t61,5\t2\r",
    ],
)
def test_the_separator_is_the_one_that_makes_known_headers(tmp_path, lines):
    """A first line may be a title, and a title may hold commas."""
    (tmp_path / "t.csv").write_bytes(lines.encode())
    (record,) = TABLE.find(tmp_path / "t.csv", IngestRules()).clinical
    assert (record["subject"], record["age_years"], record["grade"]) == ("007", 61.5, "2")


def test_the_participants_of_bids_are_a_table_and_other_files_of_its_ending_are_counted(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tsex\tgrade\tremark\n"
        'sub-01\t61\tF\thigh\t5" wide\n'
        "sub-02\tn/a\tn/a\t1\tn/a\n"
    )
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text("session_id\tage\nses-1\t61\n")
    (first, second), notes, _ = find_records(list_files(tmp_path).files)
    assert (first["subject"], first["age_years"], first["sex"], first["grade"]) == (
        *("sub-01", 61, "F", "high"),
    )
    assert (second["subject"], second["age_years"], second["sex"]) == ("sub-02", None, None)
    assert notes == ("1 table: without a known patient column, ignored",)


def test_a_number_is_an_identifier_as_a_spreadsheet_shows_it(tmp_path):
    """Some tools write 7.0 for 7, and 007 may be 7 and a format."""
    book = openpyxl.Workbook()
    for row in (["Subject", "Grade"], [7, 2], [8.0, 2], [1500, 2], ["0009", 2]):
        book.active.append(row)
    book.active["A2"].number_format = "000"
    book.save(tmp_path / "t.xlsx")
    content = rewritten(tmp_path / "t.xlsx", b"<v>8</v>", b"<v>8.0</v>")
    (tmp_path / "t.xlsx").write_bytes(content)
    found = TABLE.find(tmp_path / "t.xlsx", IngestRules()).clinical
    assert [row["subject"] for row in found] == ["0009", "007", "1500", "8"]


def rewritten(path, old: bytes, new: bytes) -> bytes:
    """A workbook whose first sheet holds other bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(packed, "w") as other:
        for name in book.namelist():
            data = book.read(name)
            if name.endswith("sheet1.xml"):
                assert old in data
                data = data.replace(old, new)
            other.writestr(name, data)
    return packed.getvalue()


def test_the_first_sheet_with_known_headers_is_read_and_further_ones_are_told(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["About this file"])
    for title, header, value in (("a", "Age", 61), ("b", "Grade", 2)):
        sheet = book.create_sheet(title)
        sheet.append(["Subject", header])
        sheet.append([7, value])
    book.save(tmp_path / "t.xlsx")
    scan = TABLE.find(tmp_path, IngestRules())
    assert [(row["age_years"], row["grade"]) for row in scan.clinical] == [(61, None)]
    assert scan.notes == ("1 sheet: with a patient column behind the first one, ignored",)


def test_a_hidden_sheet_is_not_read_before_one_that_a_person_sees(tmp_path):
    """An older table that was hidden and stands first was read, and the visible one ignored."""
    book = openpyxl.Workbook()
    for sheet, grade in ((book.active, 1), (book.create_sheet("new"), 3)):
        sheet.append(["Subject", "Grade", "Age", "Sex"])
        sheet.append([7, grade, 61, "F"])
    for state in ("hidden", "veryHidden"):
        book.worksheets[0].sheet_state = state
        book.save(tmp_path / "t.xlsx")
        scan = TABLE.find(tmp_path, IngestRules())
        assert [row["grade"] for row in scan.clinical] == ["3"]
        assert scan.notes == ("1 sheet: with a patient column behind the first one, ignored",)


def test_values_in_a_row_of_nobody_are_told(tmp_path):
    """As below a cell that is merged over two rows, or where a formula looked up #N/A."""
    rows = "subject,age,grade\na,61,2\n#N/A,61,3\n#N/A,62,2\n,61,3\n,,a remark\n"
    (tmp_path / "t.csv").write_text(rows)
    for notes in (
        TABLE.find(tmp_path, IngestRules()).notes,
        find_records(list_files(tmp_path).files).notes,
    ):
        (note,) = notes
        assert note.startswith("3 rows: with values and without a patient, ignored")


@pytest.mark.parametrize("error", ["#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"])
def test_a_formula_that_failed_is_no_patient_and_no_histology(tmp_path, error):
    """Two patients called so refused the whole table, and their histology was `other`."""
    rows = f"subject,grade,histology,site\na,2,{error},{error}\n{error},3,x,x\n{error},2,x,x\n"
    (tmp_path / "t.csv").write_text(rows)
    scan = TABLE.find(tmp_path, IngestRules())
    (row,) = scan.clinical
    assert (row["subject"], row["histology"], row["region"]) == ("a", None, None)
    assert any("1 of histology" in note for note in scan.notes)
    assert any(note.startswith("2 rows: with values and without a patient") for note in scan.notes)


def test_a_sheet_of_a_broken_chart_is_no_defect_of_ours(tmp_path):
    book = openpyxl.Workbook()
    book.create_chartsheet("chart", 0)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(ConfigError, match="not readable as a table"):
        TABLE.find(tmp_path, IngestRules())
    assert find_records(list_files(tmp_path).files).rows == ()
