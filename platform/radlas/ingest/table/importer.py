"""Clinical tables: the TCIA workbook, or any sheet, CSV or TSV whose headers are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.clinical_words import (
    normal_age,
    normal_grade,
    normal_histology,
    normal_sex,
    tidy,
)
from radlas.ingest.files import Listing, list_files, name_of
from radlas.ingest.table.cells import Cells, TooLargeError, is_workbook, read_tables
from radlas.ingest.table.rows import (
    header_row,
    merge,
    raw_rows,
    records_of,
    rival_columns,
    unread_columns,
)
from radlas.ingest.unopened import what_to_open
from radlas.model import Row
from radlas.words import tallied

_READERS: dict[str, Callable[[str], Any]] = {
    "grade": normal_grade,
    "sex": normal_sex,
    "age": normal_age,
}


class TableImporter:
    """Reads clinical tables only: a file, or every table in a folder or zip."""

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """The records of all tables.

        Raises:
            ConfigError: There is no table, no header is known, or two rows of one subject differ.
        """
        listing = _listing(source)
        refs = [ref for ref in listing.files if is_table(name_of(ref))]
        if not refs or not source.exists():
            raise _no_table(source, what_to_open(listing))
        places = [f"table {at} of {len(refs)}, by name" for at in range(1, len(refs) + 1)]
        tables, lost = [], len(listing.unreachable)
        for ref, where in zip(refs, places, strict=True):
            try:
                tables.append((_table(ref, where), where))
            except OSError:
                lost += 1
        rows = [row for table, where in tables for row in records_of(table.cells, where)]
        notes = (*_lost_notes(lost, len(listing.broken)), *_missing_notes([t for t, _ in tables]))
        return Scan(clinical=merge(rows), notes=notes, unreached=lost)

    def read(self, exam: Exam, rules: IngestRules) -> ExamData:
        """A table holds no exam, so none can be read.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("a table holds no exam", hint="use the importer that found the exam")


def is_table(name: str) -> bool:
    """True for the names of workbooks, CSV files and tables of BIDS, as ``participants.tsv``."""
    return name.lower().endswith((".xlsx", ".csv", ".tsv")) and not name.startswith("~$")


class Records(NamedTuple):
    """What the clinical tables of a source say.

    Attributes:
        rows: One record of each subject.
        notes: On what was not read.
        lost: Tables that could not be reached.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    lost: int = 0


def find_records(refs: Iterable[FileRef]) -> Records:
    """Records of all clinical tables among the files of a source, and notes on the others.

    Tables that contradict one another or themselves are passed over with a note: the images are no
    part of it.
    """
    rows: list[Row] = []
    known: list[_Table] = []
    unclear: list[str] = []
    others = lost = 0
    for ref in refs:
        if not is_table(name_of(ref)):
            continue
        try:
            table = _table(ref)
        except OSError:
            lost += 1
            continue
        except TooLargeError as error:
            unclear.append(f"{error.what} was not used: {error.hint}")
            continue
        except (ConfigError, DataError):  # no workbook of ours: a source may hold any file
            table = _Table(())
        if header_row(table.cells) is None:
            others += 1
            continue
        try:
            rows += records_of(table.cells, "")
            known.append(table)
        except ConfigError as error:
            unclear.append(f"a clinical table was not used: {error.what}; {error.hint}")
    counts = {"without a known patient column, ignored": others}
    notes = (*tallied(counts, "table"), *_lost_notes(lost), *unclear)
    try:
        return Records(merge(rows), (*notes, *_missing_notes(known)), lost)
    except ConfigError as error:
        note = f"no clinical table was used: {error.what}; {error.hint}"
        return Records((), (*notes, note), lost)


class _Table(NamedTuple):
    """The cells of a table, and how many further sheets beside it have a patient column."""

    cells: Cells
    others: int = 0


def _table(ref: FileRef, where: str = "") -> _Table:
    """The first sheet, or the dialect, with headers that are known; else the first one."""
    read = read_tables(ref, where)
    known = [cells for cells in read if header_row(cells) is not None]
    return _Table((known or read)[0], max(0, len(known) - 1) if is_workbook(ref) else 0)


def _listing(source: Path) -> Listing:
    if is_table(source.name):
        return Listing(source, (FileRef(source.absolute()),))
    if source.is_file() and source.suffix.lower() != ".zip":
        raise _no_table(source)
    return list_files(source)


def _no_table(source: Path, remedy: str = "") -> ConfigError:
    hint = (
        "name a .xlsx, .csv or .tsv file, or a folder; save a table of another kind as one of them"
    )
    return ConfigError("no table here", str(source), remedy or hint)


def _lost_notes(lost: int, broken: int = 0) -> tuple[str, ...]:
    return (
        *tallied({"out of reach, run again when that is mended": lost}, "table"),
        *tallied({"that cannot be opened, ignored": broken}, "archive"),
    )


def _missing_notes(tables: Sequence[_Table]) -> tuple[str, ...]:
    """What was not read, and a study must know.

    Values beyond the vocabulary, rival columns and unread ones, rows of nobody, and sheets behind
    the first.
    """
    found = [row for table in tables for row in raw_rows(table.cells, "")]
    rows = [row for row in found if row["subject"]]
    counts = {
        "with values and without a patient, ignored: each patient needs a row, and no cells"
        " merged over several": sum(not row["subject"] and _tells(row) for row in found),
    }
    sheets = {"with a patient column behind the first one, ignored": sum(t.others for t in tables)}
    lost = {
        field: sum(bool(tidy(cell := row.get(field, ""))) and read(cell) is None for row in rows)
        for field, read in (_READERS | {"histology": normal_histology}).items()
    }
    told = ", ".join(f"{number} of {field}" for field, number in lost.items() if number)
    note = f"values beyond the vocabulary are missing: {told}; clean these columns"
    return (
        *tallied(counts, "row"),
        *tallied(sheets, "sheet"),
        *dict.fromkeys(rival_columns(table.cells for table in tables)),
        *unread_columns([table.cells for table in tables], _READERS),
        *((note,) * bool(told)),
    )


def _tells(row: Mapping[str, str]) -> bool:
    """True if a cell holds a grade, a sex or an age; a remark below a table does not."""
    return any(read(row.get(field, "")) is not None for field, read in _READERS.items())
