"""Of what form a JSON file is: what may stand under a key, if the key is there.

A form is a ``Kind`` of value, or another class here; a list with the form of its values; a mapping
of keys to forms, where ``...`` is any other key; or None for whatever there is. Nothing is said of
keys that a form does not name, nor of those that a file lacks: whoever asks for one that is not
there is told then (``places/documents.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Form = Any
_ROUNDING = 1e-9  # by which a share that was computed may leave its range
_LARGEST = 1e100  # of a number that somebody will square or add up
_COUNTABLE = 2**53


@dataclass(frozen=True)
class Kind:
    """A value by itself.

    Attributes:
        called: What it is, in words.
        fits: Whether a value is such.
    """

    called: str
    fits: Callable[[Any], bool]

    def misfits(self, value: Any, place: str) -> Iterator[str]:
        """What is wrong, in words."""
        if not self.fits(value):
            yield f"{_called(place)} is not {self.called}"


@dataclass(frozen=True)
class Maybe:
    """What may be ``null`` as well."""

    form: Form

    def misfits(self, value: Any, place: str) -> Iterator[str]:
        """As of ``Kind``."""
        if value is not None:
            yield from _misfits(value, self.form, place)


@dataclass(frozen=True)
class Alike:
    """A mapping whose lists are equally long."""

    form: Mapping[str, Form]

    def misfits(self, value: Any, place: str) -> Iterator[str]:
        """As of ``Kind``."""
        yield from _misfits(value, self.form, place)
        if len({len(part) for part in value.values() if isinstance(part, list)}) > 1:
            yield f"lists of {_called(place)} differ in length"


@dataclass(frozen=True)
class Rows:
    """A list of at least one mapping, no two with the same value under a key, if one is given."""

    form: Mapping[str, Form]
    key: str = ""

    def misfits(self, value: Any, place: str) -> Iterator[str]:
        """As of ``Kind``."""
        yield from _misfits(value, [self.form], place)
        if not value:
            yield f"{_called(place)} is empty"
        if self.key and len({row.get(self.key) for row in value}) < len(value):
            yield f"{_called(place)} has two rows of one {self.key}"


def every(form: Form, *names: str) -> dict[Any, Form]:
    """A form under several keys."""
    return dict.fromkeys(names, form)


def one_of(*values: Any) -> Kind:
    """One of a few values."""
    return Kind(f"one of {', '.join(map(str, values))}", lambda value: value in values)


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and abs(value) <= _LARGEST  # NaN is not


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _COUNTABLE


def _is_share(value: Any) -> bool:
    return _is_number(value) and -_ROUNDING <= value <= 1 + _ROUNDING


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a number", _is_number)
COUNT = Kind("a whole number from 0", _is_count)
POSITIVE = Kind("a whole number from 1", lambda value: _is_count(value) and value > 0)
VERSION = Kind("a whole number from -1", lambda value: value == -1 or _is_count(value))
SHARE = Kind("a number from 0 to 1", _is_share)
PAIR = Kind("a pair of numbers", _is_pair)


def misfit(value: Any, form: Form) -> str:
    """The first place where a value is not of a form, in words; empty if it is.

    Examples:
        >>> misfit({"n": 3, "auc": "good"}, {"n": COUNT, "auc": Maybe(SHARE), "note": TEXT})
        '`auc` is not a number from 0 to 1'
    """
    return next(_misfits(value, form, ""), "")


def _misfits(value: Any, form: Form, place: str) -> Iterator[str]:
    if form is None:
        return
    if isinstance(form, list):
        yield from _of_list(value, form[0], place)
    elif isinstance(form, Mapping):
        yield from _of_mapping(value, form, place)
    else:
        yield from form.misfits(value, place)


def _of_list(value: Any, form: Form, place: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{_called(place)} is no list"
        return
    for number, one in enumerate(value):
        yield from _misfits(one, form, f"{place}[{number}]")


def _of_mapping(value: Any, form: Mapping[Any, Form], place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{_called(place)} is no mapping"
        return
    for key, one in value.items():
        yield from _misfits(one, form.get(key, form.get(...)), f"{place}.{key}".lstrip("."))


def _called(place: str) -> str:
    return f"`{place}`" if place else "it"
