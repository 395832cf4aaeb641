"""Typed configurations: frozen, read from YAML, digested; a misspelt key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from radlas.digests import digest_of
from radlas.errors import ConfigError
from radlas.yaml_text import read_yaml

_WRONG_KEY = ("extra_forbidden", "missing")
_BRANCH = re.compile(r"(literal|tuple|dict|list|json-or-python)\[.*\]")  # of a union, no key
_SAID = {
    "string_pattern_mismatch": "not of the form that it must have",
    "tuple_type": "not a list, as [a, b]",  # who writes YAML knows no tuple
}


class Config(BaseModel):
    """Base of every configuration: frozen, extra keys forbidden, digest over resolved values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Validate ``values``.

        Raises:
            ConfigError: A key is unknown or a value is not allowed; lists every one.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = error.errors()
            what = "; ".join(dict.fromkeys(_explain(problem) for problem in problems))
            raise ConfigError(what, where or cls.__name__, _hint(cls, problems)) from error

    @classmethod
    def read(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a YAML file; ``overrides`` (from the command line) win.

        Raises:
            ConfigError: The file is missing, is not a YAML mapping, or does not validate.
        """
        return cls.parse({**read_yaml(path), **(overrides or {})}, str(path))

    def digest(self) -> str:
        """SHA-256 over the canonical JSON of all resolved values."""
        return digest_of(self.model_dump(mode="json"))


def _hint(kind: type[Config], problems: Sequence[Mapping[str, Any]]) -> str:
    """What the keys with a wrong value mean, or which keys there are beside one that is wrong."""
    near: dict[str, None] = {}
    told: dict[str, None] = {}
    for problem in problems:
        if problem["type"] not in _WRONG_KEY or _is_short(problem):
            told |= dict.fromkeys(_meaning(kind, problem["loc"]))
            continue
        *above, key = problem["loc"]
        known = _holder(kind, above).model_fields
        if problem["type"] == "extra_forbidden":
            near |= {f"`{one}` for `{key}`": None for one in get_close_matches(key, known, 1)}
        told[f"known keys: {', '.join(known)}"] = None
    return "; ".join([*near, *told]) or f"known keys: {', '.join(kind.model_fields)}"


def _meaning(kind: type[Config], place: Sequence[int | str]) -> Iterator[str]:
    """What the innermost key on the way to a place stands for, if that is written down."""
    for depth in range(len(place), 0, -1):
        fields = _holder(kind, place[: depth - 1]).model_fields
        if field := fields.get(str(place[depth - 1])):
            if field.description:
                yield f"`{place[depth - 1]}`: {field.description}"
            return


def _holder(kind: type[Config], place: Sequence[int | str]) -> type[Config]:
    """The configuration that lies at a place within another, or the last one on the way there."""
    for step in place:
        field = kind.model_fields.get(str(step))
        within = [field.annotation, *get_args(field.annotation)] if field else []
        kind = next((one for one in within if _is_config(one)), kind)
    return kind


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _is_short(problem: Mapping[str, Any]) -> bool:
    """Whether what is missing is a value of a list: its key is there."""
    return problem["type"] == "missing" and isinstance(problem["loc"][-1], int)


def _explain(problem: Mapping[str, Any]) -> str:
    place = [step for step in problem["loc"] if not _BRANCH.fullmatch(str(step))]
    if place and (isinstance(place[-1], int) or place[-1] == "[key]"):  # what was got tells which
        place.pop()
    key = ".".join(map(str, place)) or "value"
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{key}`"
    if problem["type"] == "missing":
        return f"`{key}`: too few values" if _is_short(problem) else f"missing key `{key}`"
    said = _SAID.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    if isinstance(problem["input"], Mapping):  # what is wrong is between its keys: it says which
        return f"`{key}`: {said}" if problem["loc"] else said
    return f"`{key}`: {said} (got {problem['input']!r})"
