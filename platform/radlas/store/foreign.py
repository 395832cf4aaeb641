"""What another site's rows may say: names as radlas gives them, and text that can be shown.

Their digests prove who copied them well, not who made them. What is merged names folders, columns
and files from then on, and is printed on terminals and on pages.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow.compute as pc

from radlas.errors import StoreError
from radlas.tables import COLUMN_NAME, Table

_NAME = "^(?:[A-Za-z0-9][A-Za-z0-9._+-]*)?$"  # of a folder or a file, and a word of a command
_NAMES = ("case_id", "subject_id", "centre", "feature_set", "roi", "reader", "stage", "state")
_UNSHOWN = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]"  # what moves the cursor, colours, or turns text around
_LINES = "message"  # of several, as they are stored
FOREIGN = "foreign"  # the reason
HINT = "nothing was merged; ask who made it, and with what: no radlas writes this"


def refuse_foreign(table: Table, rows: Any) -> None:
    """Hold rows of an export to what any radlas would have written.

    Args:
        table: Whose rows they are.
        rows: Arrow table, under the declared types.

    Raises:
        StoreError: A column or a value is called as none of ours is, or cannot be shown as it is;
            a row has no key.
    """
    declared = {name.lower(): name for name in table.names}
    for name in rows.column_names:
        if not COLUMN_NAME.fullmatch(name) or declared.get(name.lower(), name) != name:
            raise _foreign(f"{table.name} has a column of a name that no extractor may give")
    for column in table.columns:
        values = rows.column(column.name)
        if column.type == "string":
            _check_text(table.name, column.name, values)
        if not column.nullable and column.name in table.key and values.null_count:
            raise _foreign(f"a row of {table.name} has no {column.name}")


def refuse_name(name: str) -> None:
    """Hold the name of a recipe to what names feature sets.

    Raises:
        StoreError: It is none.
    """
    if not re.fullmatch(_NAME, name):
        raise _foreign("a recipe has a name that no feature set has")


def _check_text(table: str, name: str, column: Any) -> None:
    is_code = table == "outcomes" and name == "reason"
    if name in _NAMES or is_code:
        if pc.all(pc.match_substring_regex(column, _NAME)).as_py() is False:
            raise _foreign(f"{name} of {table} holds what is no name")
        return
    text = pc.replace_substring(column, "\n", " ") if name == _LINES else column
    if pc.any(pc.match_substring_regex(text, _UNSHOWN)).as_py():
        raise _foreign(f"{name} of {table} holds signs that cannot be shown")


def _foreign(what: str) -> StoreError:
    return StoreError(what, "", HINT, FOREIGN)
