"""The cells of a workbook or a CSV file, as they stand there."""

from __future__ import annotations

import codecs
import csv
import io
import zlib
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from radlas.errors import ConfigError
from radlas.ingest.base import FileRef
from radlas.ingest.files import name_of, open_file

Cells = Sequence[Sequence[Any]]
# What openpyxl and csv answer to damaged files; a list, so that bugs of ours are not hidden.
_TABLE_ERRORS = (
    BadZipFile,
    ParseError,
    zlib.error,
    csv.Error,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


def read_cells(ref: FileRef, where: str = "") -> Cells:
    """All cells of the first sheet of a workbook, or of a CSV file in its own dialect.

    Args:
        ref: The file.
        where: What errors call it: its name may be a patient's.

    Raises:
        ConfigError: The file is not what its ending says.
        DataError: ``unreadable_file``: its archive is damaged.
        OSError: It cannot be reached; names no path.
    """
    with open_file(ref) as stream:
        data = stream.read()
    try:
        return _sheet(data) if name_of(ref).lower().endswith(".xlsx") else _csv(data)
    except _TABLE_ERRORS as error:
        raise ConfigError(
            f"not readable as a table ({type(error).__name__})",
            where,
            "save it again as .xlsx or UTF-8 .csv",
        ) from error


def _sheet(data: bytes) -> Cells:
    import openpyxl  # noqa: PLC0415 - no worker that reads images waits for it

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be older than its rows
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    finally:
        book.close()
    width = max(map(len, rows), default=0)
    return [row + [None] * (width - len(row)) for row in rows]


def _csv(data: bytes) -> Cells:
    text = _text(data)
    head = text.splitlines()[0] if text else ""
    delimiter = max(",;\t", key=head.count)  # a decimal comma makes `;` the usual one
    # Strict: a quote that is never closed would make one cell of all rows behind it.
    return list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))


def _text(data: bytes) -> str:
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:  # "Unicode text" of a spreadsheet
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # what Western European spreadsheets save as CSV
        return data.decode("cp1252")
