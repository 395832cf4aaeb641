"""Rows of clinical tables as records of patients, by headers that are declared here. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from radlas.errors import ConfigError
from radlas.ingest.clinical_words import (
    is_error,
    normal_age,
    normal_grade,
    normal_group,
    normal_histology,
    normal_sex,
    site_of,
    tidy,
)
from radlas.ingest.namesakes import one_spelling
from radlas.ingest.table.cells import UNCOMPUTED, Cells
from radlas.model import Row
from radlas.words import counted

_ALIASES: dict[str, tuple[str, ...]] = {
    "subject": (
        "patient id",
        "patientid",
        "subject id",
        "subject",
        "case id",
        "patient",
        "participant id",
        "participant",
    ),
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
_FLOAT = re.compile(r"\d+\.0")  # how programs write whole numbers beside an empty cell
_OTHER_UNIT = r"months?|weeks?|days?|monaten?|wochen|tagen?|mois|jours|mese|meses|d[ií]as"
_REMARK = rf"[(\[](?!\s*(?:in )?(?:{_OTHER_UNIT})\s*[)\]]).*?[)\]]|[_\-/.]"


def normalise(cells: Cells, where: str = "") -> tuple[Row, ...]:
    """Records of one table, as columns of the table ``clinical`` plus ``subject``.

    Rows count if they name a patient and say anything of him; notes below the table do not.

    Raises:
        ConfigError: No row holds a patient column and one more known header.
            Or the table contradicts itself: see ``raw_rows``.
    """
    return tuple(merge(records_of(cells, where)))


def records_of(cells: Cells, where: str) -> list[Row]:
    """A record of each row that names a patient and says anything of him; see ``normalise``."""
    rows = [row for row in raw_rows(cells, where) if row["subject"]]
    return [record for row in rows if _says_anything(record := _record(row))]


def raw_rows(cells: Cells, where: str) -> list[dict[str, str]]:
    """Known cells of every row below the headers; no subject where it is N/A or a failed formula.

    Raises:
        ConfigError: No header is known; a row holds more cells than the header, as after a comma
            that nobody quoted: what stands behind it would be read under the next header; columns
            of one name differ, as the grades of a biopsy and of a resection; a formula stands there
            without its value; or M may be a woman.
    """
    start = header_row(cells)
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
    if empty := sum(row[field] == UNCOMPUTED for row in raw for field in row):
        what = f"{counted(empty, 'cell')} of known columns with a formula and without its value"
        raise ConfigError(what, where, "open the table in a spreadsheet program and save it there")
    floats = all(_FLOAT.fullmatch(row["subject"]) for row in raw if tidy(row["subject"]))
    for told in raw:
        if not tidy(told["subject"]) or is_error(told["subject"]):  # as #N/A: it looked in vain
            told["subject"] = ""
        if floats:
            told["subject"] = told["subject"].removesuffix(".0")
    _check_twins(cells[start], cells[start + 1 :], columns, where)
    _check_sexes({row.get("sex", "").lower() for row in raw}, where)
    return raw


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


def header_row(cells: Cells) -> int | None:
    """The first row with a patient column and one more known header; None if there is none."""
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


def merge(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One record of each subject, sorted; rows of one complete each other.

    Raises:
        ConfigError: Two rows of one subject differ.
    """
    merged: dict[str, Row] = {}
    for row in rows:
        known = merged.get(row["subject"], row)
        merged[row["subject"]] = {
            field: value if value is not None else row[field] for field, value in known.items()
        }
        told = merged[row["subject"]].items()
        if differ := [field for field, value in told if row[field] not in {None, value}]:
            number = [*merged].index(row["subject"]) + 1  # not called by name: it is a patient's
            raise ConfigError(
                f"two rows of one subject, number {number} by first appearance, differ in"
                f" {', '.join(differ)}",
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
    return "" if value is None else one_spelling(str(value).strip())


def unread_columns(tables: Sequence[Cells], wanted: Iterable[str]) -> Iterable[str]:
    """Fields that no table has a column of, where there are columns that nobody reads, in words."""
    headers = [cells[header_row(cells) or 0] for cells in tables]
    found = {field for titles in headers for field in _columns(titles)}
    known = {alias for aliases in _ALIASES.values() for alias in aliases}
    unread = sum(bool(_plain(one)) and _plain(one) not in known for row in headers for one in row)
    absent = [field for field in wanted if field not in found]
    if absent and unread:
        yield (
            f"no column is known to be {' or '.join(absent)}, and {counted(unread, 'column')} not"
            " read: rename those that hold it"
        )


def rival_columns(tables: Iterable[Cells]) -> Iterable[str]:
    """Of which column a field is read where several could be meant, in words."""
    for cells in tables:
        plain = {_plain(title) for title in cells[header_row(cells) or 0]}
        for field, aliases in _ALIASES.items():
            taken, *others = [alias for alias in aliases if alias in plain] or [""]
            if others and field != "subject":
                yield f"{field} is read from the column {taken!r}, not from {', '.join(others)}"
