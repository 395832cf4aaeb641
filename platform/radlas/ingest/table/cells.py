"""The cells of a workbook or a CSV file, as they stand there."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from radlas.errors import ConfigError
from radlas.ingest.base import FileRef
from radlas.ingest.files import name_of, open_file

_BEGINNING = 10  # lines that tell the separator
_WIDEST = 1_000  # columns of a sheet that keep their place: a format may reach to the 16,384th
_LONGEST = 1 << 20  # rows that a sheet can have
_LARGEST = 64 << 20  # of a table, unpacked: its cells take fifty times as much memory [B]
UNCOMPUTED = "="  # stands for a formula whose value the file does not hold
Cells = Sequence[Sequence[Any]]
# What openpyxl and csv answer to damaged files; a list, so that bugs of ours are not hidden.
_TABLE_ERRORS = (
    BadZipFile,
    ParseError,
    zlib.error,
    csv.Error,
    EOFError,
    LookupError,
    AttributeError,
    OverflowError,
    TypeError,
    ValueError,
)


class TooLargeError(ConfigError):
    """A file that may be a table, and is larger than those of patients are."""


def read_tables(ref: FileRef, where: str = "") -> list[Cells]:
    """The sheets of a workbook, hidden ones last; or a CSV file by each separator, likeliest first.

    Args:
        ref: The file.
        where: What errors call it: its name may be a patient's.

    Raises:
        TooLargeError: It would take hours and all memory: kilobytes of workbook may hold a billion
            cells, and any program's CSV may lie among exams.
        ConfigError: The file is not what its ending says.
        DataError: ``unreadable_file``: its archive is damaged.
        OSError: It cannot be reached; names no path.
    """
    with open_file(ref) as stream:
        data = stream.read(_LARGEST + 1)
    try:
        _check_size(_unpacked(data) if is_workbook(ref) else len(data), where)
        return _sheets(data) if is_workbook(ref) else _dialects(_text(data))
    except _TABLE_ERRORS as error:
        raise ConfigError(
            f"not readable as a table ({type(error).__name__})",
            where,
            "save it again as .xlsx or UTF-8 .csv",
        ) from error


def _check_size(size: int, where: str) -> None:
    if size > _LARGEST:
        what = f"a table of more than {_LARGEST >> 20} MB of cells"
        raise TooLargeError(what, where, "save the columns of patients alone, as .csv")


def _unpacked(data: bytes) -> int:
    """Bytes of a workbook's parts; what a part holds beyond them is not read."""
    if len(data) > _LARGEST:
        return len(data)
    with ZipFile(io.BytesIO(data)) as parts:
        return sum(part.file_size for part in parts.infolist())


def is_workbook(ref: FileRef) -> bool:
    """True for a workbook, False for a CSV file."""
    return name_of(ref).lower().endswith(".xlsx")


def _sheets(data: bytes) -> list[Cells]:
    import openpyxl  # noqa: PLC0415 - no worker that reads images waits for it
    from openpyxl.formula.tokenizer import TokenizerError  # noqa: PLC0415 - the same
    from openpyxl.formula.translate import TranslatorError  # noqa: PLC0415 - the same

    books = [
        openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values)
        for values in (True, False)  # of a cell either its value is read, or its formula
    ]
    try:
        pairs = list(zip(*(book.worksheets for book in books), strict=True))
        pairs.sort(key=lambda pair: pair[0].sheet_state != "visible")  # nobody looks at an old one
        return [_sheet(*pair) for pair in pairs]
    except (TokenizerError, TranslatorError) as error:
        raise ValueError("a formula that cells share is damaged") from error
    finally:
        for book in books:
            book.close()


def _sheet(values: Any, formulas: Any) -> Cells:
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # what the file says of its size may be older than its rows
    both = zip(*(sheet.iter_rows(max_row=_LONGEST) for sheet in (values, formulas)), strict=True)
    rows = [_filled(list(zip(*pair, strict=True))) for pair in both]
    width = max(map(len, rows), default=0)
    return [row + [None] * (width - len(row)) for row in rows]


def _filled(row: Sequence[tuple[Any, Any]]) -> list[Any]:
    """A row's cells to the last that holds anything; of those far out no more than there are."""
    cells = [_shown(*pair) for pair in row[:_WIDEST]]
    cells += [cell for pair in row[_WIDEST:] if (cell := _shown(*pair)) is not None]
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _shown(cell: Any, formula: Any) -> Any:
    """What a person sees: 7 where a file holds 7.0, and 007 where the cell's format says so.

    A program that writes formulas and computes none leaves a number out, where a spreadsheet sees
    one. A text that came out empty is no such number.
    """
    value = cell.value
    if value is None and cell.data_type == "n" and formula.data_type == "f":
        return UNCOMPUTED
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and re.fullmatch("00+", str(cell.number_format)):
        return f"{value:0{len(cell.number_format)}}"
    return value


def _dialects(text: str) -> list[Cells]:
    """The cells by the likeliest separator, and by others that can be.

    A first line may be a title; decimal commas make `;` the usual one.
    """
    head = "".join(text.splitlines(keepends=True)[:_BEGINNING])
    likeliest, *others = sorted(",;\t", key=head.count, reverse=True)
    found = [_separated(text, likeliest)]
    for separator in others:
        with suppress(csv.Error):
            found.append(_separated(text, separator))
    return found


def _separated(text: str, separator: str) -> Cells:
    # Strict: a quote that is never closed would make one cell of all rows behind it.
    return list(csv.reader(io.StringIO(text, newline=None), delimiter=separator, strict=True))


def _text(data: bytes) -> str:
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:  # "Unicode text" of a spreadsheet
        return data.decode("utf-16")
    if b"\0" in data:  # such text without its mark, or no text: its headers would not be known
        raise ValueError("a character that no text holds")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # what Western European spreadsheets save as CSV
        return data.decode("cp1252")
