"""What an extractor is: a recipe with a digest that turns one case into feature rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, get_args, runtime_checkable

from radlas.config import Config
from radlas.digests import digest_of
from radlas.errors import ConfigError
from radlas.model import Description, Roi, Volume
from radlas.registry import Registry
from radlas.tables import DEEP, RADIOMICS

# What is told of a weights file for people alone: the digest of its values is among the versions.
_TOLD = ("source", "source_sha256", "recast")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it names files and folders of the store
DEFECT = "a defect of the extractor; see radlas.features.base, Extractor"


class Extractor(Protocol):
    """One way to describe a case. Pure: same volume, ROIs and settings, same rows.

    A new extractor is one file with such a class and one line in ``radlas.features.EXTRACTORS``;
    the contract tests find it there.

    Attributes:
        Settings: Type of the settings; their digest is part of the feature set's name.
        table: ``radiomics`` (named values) or ``deep`` (a vector).
        columns: Names of the values it may return; new ones become new columns.
        gpu: True if it gains from a GPU.
        settings: The resolved settings.

    One that has ``drawn``, names of drawn ROIs, looks at no others, and does not mind how many
    readers drew those.
    """

    Settings: ClassVar[type[Config]]
    table: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    gpu: ClassVar[bool]
    settings: Config

    def __init__(self, settings: Any) -> None: ...

    @property
    def label(self) -> str:
        """Short slug of what matters most, as ``pyradiomics`` or ``resnet18-medicalnet-rand0``."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value."""

    def describe(self, volume: Volume, rois: Mapping[str, Roi]) -> Description:
        """Describe one case.

        Args:
            volume: Image as stored, voxels ``(z, y, x)``.
            rois: Drawn ROIs by name, on the volume's grid.

        Raises:
            DataError: The case cannot be described; it is quarantined.
        """


@runtime_checkable
class PreparingExtractor(Protocol):
    """An extractor that parts what any thread can do from what its device does for many at once."""

    @property
    def concurrency(self) -> tuple[int, int]:
        """Threads that prepare cases, and cases that its device takes at once."""

    def prepare(self, volume: Volume, rois: Mapping[str, Roi]) -> Any:
        """What the device needs of a case; as ``describe``, without the device."""

    def describe_prepared(self, cases: Sequence[Any]) -> list[Description]:
        """What ``describe`` says of each case; the other cases do not matter."""


def make_extractor(registry: Registry, name: str, params: Mapping[str, Any]) -> Extractor:
    """The extractor ``name`` with validated settings.

    Raises:
        ConfigError: No such extractor, or its settings are wrong.
    """
    kind = registry[name]
    if not (isinstance(kind.Settings, type) and issubclass(kind.Settings, Config)):
        raise ConfigError("its `Settings` are no radlas.config.Config", f"extractor {name}", DEFECT)
    extractor: Extractor = kind(kind.Settings.parse(params, f"extractors.{name}"))
    return extractor


def recipe(name: str, extractor: Extractor) -> dict[str, Any]:
    """Everything that defines a feature set, ready to be stored as JSON.

    Paths are addresses, not settings: the digest of what lies there stands among the versions, and
    an extractor's ``provenance``, if it has one, tells where that comes from; see ``identity``.

    Raises:
        ConfigError: The extractor does not say of itself what it should.
    """
    _check_what_it_says(name, extractor)
    settings, provenance = extractor.settings, getattr(extractor, "provenance", None)
    fields = type(settings).model_fields.items()
    paths = {
        key for key, field in fields if Path in (field.annotation, *get_args(field.annotation))
    }
    return {
        "extractor": name,
        "label": extractor.label,
        "settings": settings.model_dump(mode="json", exclude=paths),
        "table": extractor.table,
        "versions": dict(extractor.versions),
    } | ({"provenance": dict(provenance)} if provenance else {})


def _check_what_it_says(name: str, extractor: Any) -> None:
    label, table = getattr(extractor, "label", None), getattr(extractor, "table", None)
    versions = getattr(extractor, "versions", None)
    said = {
        f"its label {label!r} is not letters, digits, `.`, `_` and `-`": (
            isinstance(label, str) and _LABEL.fullmatch(label)
        ),
        f"its table {table!r} is neither radiomics nor deep": table in {RADIOMICS.name, DEEP.name},
        "its `versions` are no mapping of names to texts": (
            isinstance(versions, Mapping)
            and all(isinstance(one, str) for one in [*versions, *versions.values()])
        ),
        "it does not say whether it gains from a GPU": hasattr(extractor, "gpu"),
    }
    if wrong := [fault for fault, fine in said.items() if not fine]:
        raise ConfigError(wrong[0], f"extractor {name}", DEFECT)


def identity(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What of a recipe makes its feature set: not how a file of weights was called or packed.

    Two sites with one network in two files have one feature set.
    """
    told = recipe.get("provenance", {}).items()
    kept = {key: value for key, value in told if key not in _TOLD}
    rest = {key: value for key, value in recipe.items() if key != "provenance"}
    return rest | ({"provenance": kept} if kept else {})


def feature_set_name(name: str, extractor: Extractor) -> str:
    """``<label>-<first 8 digits of its identity's digest>``: other settings, other name."""
    return f"{extractor.label}-{digest_of(identity(recipe(name, extractor)))[:8]}"
