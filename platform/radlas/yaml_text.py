"""YAML files as people write them: one mapping, no key twice, nothing that grows as it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from radlas.errors import ConfigError

_LARGEST = 1_000_000  # values in a file, beyond which its aliases make a bomb of it
_LINES = "write lines as `key: value`, like the files in jobs/, and check the indentation"
_TEXT = "save it as text in UTF-8, or check the path"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """A loader that says where a value stands that is none: Python alone would end in a defect."""

    def get_single_node(self) -> yaml.Node | None:
        try:
            return super().get_single_node()
        except ValueError:  # "\U00110000"
            what = "an escape that stands for no character"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=self.get_mark()) from None

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
            if isinstance(value, int | str):
                str(value).encode()  # neither a half of a character nor thousands of digits
        except (ValueError, KeyError, AttributeError, OverflowError):
            what = "no such number, date or text; quotes make a text of a word"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark) from None
        return value


class _Twice(yaml.MarkedYAMLError):  # type: ignore[misc]
    """A key that stands twice in one mapping."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file is missing, no text, unreadable as YAML, or not a mapping; or a key
            stands twice in it, of which YAML would take the last in silence.
    """
    try:
        values = _loaded(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError("no such file", str(path), "check the path") from None
    except IsADirectoryError:
        raise ConfigError("a folder, and no file", str(path), "name a file in it") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        raise ConfigError("no text, or none in UTF-8", str(path), _TEXT) from None
    except _Twice as error:
        raise ConfigError(_told(error), str(path), "keep the one that is meant") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"not readable as YAML: {_told(error)}", str(path), _LINES) from None
    except RecursionError:
        raise ConfigError("nested too deep", str(path), "check the brackets there") from None
    if not isinstance(values, dict):
        raise ConfigError("not a mapping of keys to values", str(path), "start with `key: value`")
    return values


def _loaded(text: str) -> Any:
    """What a YAML text says; aliases may repeat parts of it, and not blow it up."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values it stands for, with those that aliases name counted wherever they do."""
    if id(node) not in known:
        known[id(node)] = _LARGEST + 1  # for itself: an alias of what it lies in has no end
        known[id(node)] = 1 + sum(_size(part, known) for part in _parts(node))
    if known[id(node)] > _LARGEST:
        what = "aliases repeat what they lie in, or too much"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    return known[id(node)]


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, Any]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                what = f"`{key.value}` stands there a second time"
                raise _Twice(problem=what, problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
            yield from (key, value)


def _told(error: yaml.MarkedYAMLError) -> str:
    """In a line: yaml's own text quotes the file, and names a place in "<unicode string>"."""
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{error.problem or error.context}"
