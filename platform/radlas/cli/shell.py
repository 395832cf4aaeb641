"""`radlas sql`: a conversation in SQL, with completion of views and columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import duckdb
import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from radlas.errors import ConfigError, Terminated
from radlas.store.query import ended_with, run_sql
from radlas.store.views import VIEWS, make_late, view_sql
from radlas.tables import TABLES, feature_column
from radlas.words import harmless

KEYWORDS = (
    "select from where group by order limit distinct count avg stddev min max median quantile_cont"
    " join left using on having as and or not null is in between like case when then else end with"
    " columns exclude filter over partition describe summarize desc asc corr"
).split()
HELP = r"""
  SELECT ... ;     ends with a semicolon, over as many lines as you like; Tab completes
  \d               the views            \d VIEW    its columns, units and meanings
  \f FORMAT        table, csv or json   \q         leave (or Ctrl-D); Ctrl-C ends a query
""".strip("\n")
_LEAVES = {r"\q", "exit", "quit", "exit;", "quit;"}
_MADE = {  # by a view
    "days_from_first": ("d", "Days since the subject's first exam in view."),
    "has_row": ("", "True where the row is there and some of its values are NULL."),
}
_WORD = re.compile(r"[\w.]+$")
_NO_SQL = re.compile(  # texts, names and comments, from end to end
    r"""\b[eE]'(?:[^'\\]|\\.)*' | (?<!\b[eE])'[^']*' | "[^"]*" | --[^\n]* | /\*.*?\*/
    | (?<!\w)(\$\w*\$).*?\1""",
    re.DOTALL | re.VERBOSE,
)
_BEGUN = re.compile(r"""['"]|/\*|(?<!\w)\$\w*\$""")


class Shell:
    """Answers statements and the few commands that begin with a backslash.

    Args:
        connection: An open store or snapshot.
        give: Prints a relation in the format of a name.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, give: Callable[[Any, str], None]
    ) -> None:
        self._connection, self._give, self._format = connection, give, "table"

    def talk(self, prompt: str) -> None:
        """Read from a terminal until its end; a wrong statement is told and forgotten."""
        session: PromptSession[str] = PromptSession(
            completer=SqlCompleter(self._connection),
            multiline=True,
            key_bindings=_enter_ends_statements(),
            prompt_continuation=lambda width, *_: " " * (width - 2) + ". ",
            complete_while_typing=False,
        )
        typer.echo("Views: " + ", ".join(VIEWS) + r". \? helps, \q leaves.")
        while True:
            try:
                text = session.prompt(prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if text.strip() in _LEAVES:
                return
            self._answer_unless_stopped(text)

    def read(self, text: str) -> int:
        """Answer all statements of a text, or until it leaves; 1 if one of them was wrong."""
        wrong = 0
        for one in _statements(text):
            if one.strip() in _LEAVES:
                break
            wrong += not self.answer(one)
        return int(wrong > 0)

    def answer(self, text: str) -> bool:
        """Answer a command, or every statement; False, and why on stderr, if one is wrong."""
        wrong = sum(not self._answered(one) for one in self._each(text.strip()))
        return not wrong

    def _answered(self, text: str) -> bool:
        try:
            if text.startswith("\\"):
                self._command(*text.removesuffix(";").split())
            else:
                self._give(run_sql(self._connection, text), self._format)
        except ConfigError as error:
            typer.echo(harmless(f"error: {error}"), err=True)
            return False
        return True

    def _each(self, text: str) -> list[str]:
        """The statements of a text, none in comments alone; itself if they cannot be told."""
        if text.startswith("\\"):
            return [text]
        try:
            found = [one.query for one in self._connection.extract_statements(text)]
        except duckdb.Error:  # told when it is answered
            return [text]
        return found if all(found) else [text]  # PIVOT is made of several that have no text

    def _answer_unless_stopped(self, text: str) -> None:
        """Ctrl-C ends a query that takes too long, and not the conversation."""
        try:
            with ended_with(self._connection):
                self.answer(text)
        except Terminated:
            raise
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)

    def _command(self, name: str, *words: str) -> None:
        if name == r"\d":
            for line in self._described(words[0]) if words else _views():
                typer.echo(harmless(line))
        elif name == r"\f" and words and words[0] in {"table", "csv", "json"}:
            self._format = words[0]
        elif name == r"\?":
            typer.echo(HELP)
        else:
            raise ConfigError(f"no command {' '.join((name, *words))}", hint=r"\? lists them")

    def _described(self, view: str) -> Iterator[str]:
        if view not in VIEWS:
            raise ConfigError(f"no view {view!r}", hint=f"there are: {', '.join(VIEWS)}")
        yield from _head(view)
        for name in columns_of(self._connection, view):
            unit, meaning = _told(view, name)
            yield f"  {name:40} {unit:6} {meaning}".rstrip()


class SqlCompleter(Completer):
    """Views, columns and keywords; first the columns of the views that the statement names."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._columns: dict[str, list[str]] = {}

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Names that begin with the word before the cursor, then those that hold it."""
        found = _WORD.search(document.text_before_cursor)
        word = found.group().rpartition(".")[2] if found else ""
        named = [view for view in VIEWS if re.search(rf"\b{view}\b", document.text)]
        choices: dict[str, str] = {}
        for view in named or [view for view in VIEWS if view != "radiomics_wide"]:
            for name in self._columns_of(view):
                choices.setdefault(name, " ".join(filter(None, (view, *_told(view, name)[:1]))))
        choices |= dict.fromkeys(VIEWS, "view") | dict.fromkeys(KEYWORDS, "")
        low = word.lower()
        fitting = [name for name in choices if low in name.lower()]
        for name in sorted(fitting, key=lambda name: not name.lower().startswith(low)):
            text = name if re.fullmatch(r"\w+", name) else f'"{name}"'
            yield Completion(text, -len(word), display=name, display_meta=choices[name])

    def _columns_of(self, view: str) -> list[str]:
        if view not in self._columns:
            self._columns[view] = columns_of(self._connection, view)
        return self._columns[view]


def columns_of(connection: duckdb.DuckDBPyConnection, view: str) -> list[str]:
    """Names of a view's columns."""
    make_late(connection, view)
    columns: list[str] = connection.sql(f"select * from {view} limit 0").columns
    return columns


def _told(view: str, column: str) -> tuple[str, str]:
    """Unit and meaning of a column; of a view without a table, as the tables tell it."""
    if column in _MADE:
        return _MADE[column]
    table = TABLES.get({"latest": "outcomes", "prepared": "rois"}.get(view, view))
    tables = [table] if table else [TABLES["radiomics"], TABLES["cases"]]
    for one in (column for each in tables for column in each.columns):
        if one.name == column:
            return one.unit, one.meaning
    feature = column.rpartition("__")[2]
    if view.startswith("radiomics") and "_" in feature:
        known = feature_column(feature)
        return known.unit, known.meaning
    return "", ""


def _views() -> Iterator[str]:
    for view in VIEWS:
        what, grain = _head(view)
        yield f"  {view:16} {what}  {grain}"


def _head(view: str) -> tuple[str, str]:
    what, grain, *_ = view_sql(view).splitlines()
    return what.removeprefix("-- "), grain.removeprefix("-- Grain:  ")


def _statements(text: str) -> Iterator[str]:
    """Statements of a text; a line that begins with a backslash is one by itself."""
    gathered: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("\\") and not _begun("\n".join(gathered)):
            yield line
            continue
        gathered.append(line)
        if ";" in line and _ended("\n".join(gathered)):
            yield "\n".join(gathered)
            gathered = []
    if gathered:
        yield "\n".join(gathered)


def _begun(text: str) -> bool:
    """Whether its end lies in a text, a name in quotes or a comment."""
    return _BEGUN.search(_NO_SQL.sub(" ", text)) is not None


def _ended(text: str) -> bool:
    """Whether it ends with a semicolon that is no part of a text, a name or a comment."""
    return _NO_SQL.sub(" ", text).rstrip().endswith(";") and not _begun(text)


def _enter_ends_statements() -> KeyBindings:
    """Enter goes to a new line until the text is a command or ends with a semicolon."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        text = event.current_buffer.text.strip()
        if not text or text.startswith("\\") or _ended(text) or text in {"exit", "quit"}:
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return keys
