"""Clinical tables: the TCIA workbook, or any sheet or CSV whose headers are declared here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.clinical_words import (
    normal_age,
    normal_grade,
    normal_group,
    normal_histology,
    normal_sex,
    site_of,
    tidy,
)
from radlas.ingest.files import list_files, name_of
from radlas.ingest.table_cells import Cells, read_cells
from radlas.model import Row
from radlas.words import tallied

_ALIASES: dict[str, tuple[str, ...]] = {
    "subject": ("patient id", "patientid", "subject id", "subject", "case id", "patient"),
    "sex": ("sex", "gender", "patient sex"),
    "age": ("age", "age years", "age at diagnosis", "patient age"),
    "grade": (
        "grade",
        "tumour grade",
        "tumor grade",
        "fnclcc grade",
        "fnclcc",
        "histological grade",
    ),
    "histology": ("histological type", "histology", "histologic type", "histological diagnosis"),
    "site": ("site of primary sts", "site", "tumour site", "tumor site", "location", "region"),
    "laterality": ("laterality", "side"),
    "site_group": ("site group",),
}
_READERS: dict[str, Callable[[str], Any]] = {
    "grade": normal_grade,
    "sex": normal_sex,
    "age": normal_age,
}
_OTHER_UNIT = r"months?|weeks?|days?|monaten?|wochen|tagen?|mois|jours|mese|meses|d[ií]as"
_REMARK = rf"[(\[](?!\s*(?:in )?(?:{_OTHER_UNIT})\s*[)\]]).*?[)\]]|[_\-/.]"


class TableImporter:
    """Reads clinical tables only: a file, or every table in a folder or zip."""

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """The records of all tables.

        Raises:
            ConfigError: There is no table, no header is known, or two rows of one subject differ.
        """
        refs = [FileRef(source.absolute())] if is_table(source.name) else list_files(source).files
        tables = [ref for ref in refs if is_table(name_of(ref))]
        if not tables or not source.exists():
            raise ConfigError(
                "no table here", str(source), "name a .xlsx or .csv file, or a folder"
            )
        places = [f"table {at} of {len(tables)}, by name" for at in range(1, len(tables) + 1)]
        read = [(read_cells(ref, at), at) for ref, at in zip(tables, places, strict=True)]
        rows = [row for cells, where in read for row in _records(cells, where)]
        return Scan(clinical=_merge(rows), notes=_missing_notes([cells for cells, _ in read]))

    def read(self, exam: Exam, rules: IngestRules) -> ExamData:
        """A table holds no exam, so none can be read.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("a table holds no exam", hint="use the importer that found the exam")


def is_table(name: str) -> bool:
    """True for the names of workbooks and CSV files."""
    return name.lower().endswith((".xlsx", ".csv")) and not name.startswith("~$")


def find_records(refs: Iterable[FileRef]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Records of all clinical tables among the files of a source, and notes on the others.

    Tables that contradict one another or themselves are passed over with a note: the images are no
    part of it.
    """
    rows: list[Row] = []
    known: list[Cells] = []
    unclear: list[str] = []
    others = lost = 0
    for ref in refs:
        if not is_table(name_of(ref)):
            continue
        try:
            cells = read_cells(ref)
        except OSError:
            lost += 1
            continue
        except (ConfigError, DataError):  # no workbook of ours: a source may hold any file
            cells = ()
        if _header_row(cells) is None:
            others += 1
            continue
        try:
            rows += _records(cells, "")
            known.append(cells)
        except ConfigError as error:
            unclear.append(f"a clinical table was not used: {error.what}; {error.hint}")
    counts = {
        "without a known patient column, ignored": others,
        "out of reach, run again when that is mended": lost,
    }
    notes = (*tallied(counts, "table"), *unclear)
    try:
        return _merge(rows), (*notes, *_missing_notes(known))
    except ConfigError as error:
        return (), (*notes, f"no clinical table was used: {error.what}; {error.hint}")


def normalise(cells: Cells, where: str = "") -> tuple[Row, ...]:
    """Records of one table, as columns of the table ``clinical`` plus ``subject``.

    Rows count if they name a patient and say anything of him; notes below the table do not.

    Raises:
        ConfigError: No row holds a patient column and one more known header.
            Or the table contradicts itself: see ``_raw_rows``.
    """
    return tuple(_merge(_records(cells, where)))


def _records(cells: Cells, where: str) -> list[Row]:
    rows = _raw_rows(cells, where)
    return [record for row in rows if _says_anything(record := _record(row))]


def _missing_notes(tables: Sequence[Cells]) -> tuple[str, ...]:
    """What was not read, and a study must know: values beyond the vocabulary, rival columns."""
    rows = [row for table in tables for row in _raw_rows(table, "")]
    lost = {
        field: sum(bool(tidy(cell := row.get(field, ""))) and read(cell) is None for row in rows)
        for field, read in _READERS.items()
    }
    told = ", ".join(f"{number} of {field}" for field, number in lost.items() if number)
    note = f"values beyond the vocabulary are missing: {told}; clean these columns"
    return (*dict.fromkeys(_rival_columns(tables)), *((note,) * bool(told)))


def _rival_columns(tables: Iterable[Cells]) -> Iterable[str]:
    for cells in tables:
        plain = {_plain(title) for title in cells[_header_row(cells) or 0]}
        for field, aliases in _ALIASES.items():
            taken, *others = [alias for alias in aliases if alias in plain] or [""]
            if others and field != "subject":
                yield f"{field} is read from the column {taken!r}, not from {', '.join(others)}"


def _raw_rows(cells: Cells, where: str) -> list[dict[str, str]]:
    """Known cells of every row that names a patient.

    Raises:
        ConfigError: No header is known; a row holds more cells than the header, as after a comma
            that nobody quoted: what stands behind it would be read under the next header; columns
            of one name differ, as the grades of a biopsy and of a resection; or M may be a woman.
    """
    start = _header_row(cells)
    if start is None:
        raise _unknown_headers(cells, where)
    width = len(cells[start])
    for number, row in enumerate(cells[start + 1 :], start + 2):
        if any(str(cell or "").strip() for cell in row[width:]):
            what = f"row {number} holds {len(row)} cells, and the header {width}"
            hint = "quote texts and numbers that hold the separator, or save the table as .xlsx"
            raise ConfigError(what, where, hint)
    columns = _columns(cells[start])
    raw = [
        {field: _cell(row, index) for field, index in columns.items()} for row in cells[start + 1 :]
    ]
    _check_twins(cells[start], cells[start + 1 :], columns, where)
    _check_sexes({row.get("sex", "").lower() for row in raw}, where)
    return [row for row in raw if row["subject"]]


def _check_twins(titles: Sequence[Any], rows: Cells, columns: dict[str, int], where: str) -> None:
    """Columns of one name, as ``Grade (biopsy)`` and ``Grade (resection)``, must be equal."""
    plain = [_plain(title) for title in titles]
    for field, index in columns.items():
        twins = [at for at, title in enumerate(plain) if title == plain[index]]
        if any(len({_cell(row, at) for at in twins}) > 1 for row in rows):
            what = f"{len(twins)} columns of different values are named {plain[index]!r}"
            hint = f"leave one of them, or rename those that are not the {field}"
            raise ConfigError(what, where, hint)


def _check_sexes(told: set[str], where: str) -> None:
    if {"h", "m"} <= told and not {"f", "w"} & told:
        what = "sex is told as H and M, and M may stand for a man or for a woman (mujer)"
        raise ConfigError(what, where, "write F and M")


def _columns(titles: Sequence[Any]) -> dict[str, int]:
    """Where each known field stands; of several columns, the one of the plainest name."""
    plain = [_plain(title) for title in titles]
    return {
        field: plain.index(known)
        for field, aliases in _ALIASES.items()
        if (known := next((alias for alias in aliases if alias in plain), None))
    }


def _says_anything(record: Row) -> bool:
    return any(value is not None for field, value in record.items() if field != "subject")


def _record(row: dict[str, str]) -> Row:
    laterality, region, group = site_of(row.get("site", ""), row.get("laterality", ""))
    return {
        "subject": row["subject"],
        "sex": normal_sex(row.get("sex", "")),
        "age_years": normal_age(row.get("age", "")),
        "grade": normal_grade(row.get("grade", "")),
        "histology": normal_histology(row.get("histology", "")),
        "laterality": laterality,
        "region": region,
        "site_group": normal_group(row.get("site_group", "")) or group,
    }


def _header_row(cells: Cells) -> int | None:
    for index, row in enumerate(cells[:10]):
        columns = _columns(row)
        if "subject" in columns and len(columns) > 1:
            return index
    return None


def _unknown_headers(cells: Cells, where: str) -> ConfigError:
    titles = [title for title in (cells[0] if cells else ()) if title]
    met = ", ".join(_columns(titles)) or "none"  # no others: a table without headers has a patient
    known = "; ".join(f"{field}: {', '.join(names[:3])}" for field, names in _ALIASES.items())
    return ConfigError(
        f"no patient column with a known one beside it; of {len(titles)} headers known: {met}",
        where,
        f"rename headers to one of these ({known})",
    )


def _merge(rows: Iterable[Row]) -> tuple[Row, ...]:
    merged: dict[str, Row] = {}
    for row in rows:
        known = merged.get(row["subject"], row)
        merged[row["subject"]] = {
            field: value if value is not None else row[field] for field, value in known.items()
        }
        if any(row[field] not in {None, value} for field, value in merged[row["subject"]].items()):
            raise ConfigError(
                f"two rows of one subject differ (number {len(merged)} in the table)",
                "clinical table",
                "keep one row per subject",
            )
    return tuple(merged[subject] for subject in sorted(merged))


def _plain(title: Any) -> str:
    """A title without what stands in brackets, unless that is another unit than years."""
    text = re.sub(_REMARK, " ", str(title or "").lower())
    return re.sub(r"\s+", " ", text).strip()


def _cell(row: Sequence[Any], index: int) -> str:
    value = row[index] if index < len(row) else None
    return "" if value is None else str(value).strip()
