"""The protocol of a study, read from YAML: what is fitted on whom, and how it is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from radlas.config import Config
from radlas.errors import ConfigError
from radlas.learn.settings import (
    Block,
    Harmonise,
    OutcomeMapping,
    Selection,
    Splits,
    Stability,
    Threshold,
)

_LONGEST = 240  # of a name that folders are called by [bytes]
SLUG = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{_LONGEST - 1}}}")
_FOLDER = re.compile(r"[^./\0][^/\0]*", re.DOTALL)  # a model is a folder of its version
# What verbs keep there beside the models.
_KEPT = re.compile(r".+\.(json|html)|figures|cam(-.+-layer\d)?")
CONTROL, VARIANT = "control-", "variant-"  # how names of honesty models and of variants begin
Control = Literal["volume", "clinical", "centre", "random_weights", "permuted", "shuffled"]
CONTROLS: tuple[Control, ...] = get_args(Control)
#: What a sensitivity analysis may change: how the primary model is made, and of whom.
CHANGEABLE = frozenset(
    "outcome blocks models training_centres splits harmonise selection threshold"
    " impute_missing_blocks".split()
)


class StudyConfig(Config):
    """The whole protocol. What is not written here does not influence a model."""

    name: str = Field(description="Slug: a-z, 0-9, - and _.")
    outcome: OutcomeMapping
    blocks: dict[str, Block] = Field(min_length=1, description="Groups of feature columns.")
    models: dict[str, tuple[str, ...]] = Field(min_length=1, description="Model: its blocks.")
    primary: str = Field(description="The model the study is about.")
    training_centres: tuple[str, ...] = Field(
        min_length=1, description="Whose patients models are fitted on."
    )
    external_centre: str | None = Field(default=None, description="Never seen in training.")
    splits: Splits = Splits()
    harmonise: Harmonise = Harmonise()
    selection: Selection = Selection()
    stability: Stability = Stability()
    threshold: Threshold = Threshold()
    controls: tuple[Control, ...] = Field(
        default=CONTROLS, description="Models that show what the study's own must beat."
    )
    clinical: tuple[str, ...] = Field(
        default=("age_years", "sex", "site_group"), description="Columns of the clinical control."
    )
    sensitivity: dict[str, dict[str, Any]] = Field(
        default={},
        description="Name to keys of this protocol with other values: the primary model is fitted"
        " again with them.",
    )
    prevalences: tuple[float, ...] = Field(
        default=(0.3, 0.5, 0.7), description="Prevalences for which PPV and NPV are told too [1]."
    )
    decision_range: tuple[float, float] = Field(
        default=(0.1, 0.9), description="Range of the decision curve's threshold probabilities [1]."
    )
    margin: float = Field(
        default=0.1, gt=0, lt=0.5, description="AUC difference within which subgroups are alike."
    )
    subgroups: dict[str, tuple[float, ...] | None] = Field(
        default={}, description="Clinical column: cut points, or null for its own levels."
    )
    impute_missing_blocks: bool = Field(
        default=False,
        description="Keep cases that lack a whole block, with the training medians in its place.",
    )
    minimum_per_class: int = Field(
        default=10,
        ge=2,
        description="Of subgroups, and of versions compared, with fewer nothing is estimated.",
    )
    seed: int = Field(default=0, ge=0, description="Of folds, resampling and shuffles.")
    alpha: float = Field(
        default=0.05,
        ge=0.05,
        le=0.05,
        description="One minus the intervals' level; pages say 95 %.",
    )

    @field_validator("name")
    @classmethod
    def _slug(cls, name: str) -> str:
        if not SLUG.fullmatch(name):
            raise ValueError(f"a name holds a-z, 0-9, - and _ only, and no more than {_LONGEST}")
        return name

    @field_validator("threshold", mode="before")
    @classmethod
    def _bare_rule(cls, value: Any) -> Any:
        return {"rule": value} if isinstance(value, str) else value

    @field_validator("subgroups")
    @classmethod
    def _cuts_increase(
        cls, groups: dict[str, tuple[float, ...] | None]
    ) -> dict[str, tuple[float, ...] | None]:
        for name, cuts in groups.items():
            if cuts is not None and (not cuts or list(cuts) != sorted(set(cuts))):
                raise ValueError(f"the cut points of {name} must increase")
        return groups

    @field_validator("prevalences", "decision_range")
    @classmethod
    def _inside(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
            raise ValueError("shares lie inside (0, 1) and increase")
        return shares

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if problems := _disagreements(self):
            raise ValueError("; ".join(problems))
        for name in self.sensitivity:
            self.variant(name)
        return self

    def variant(self, name: str) -> StudyConfig:
        """The protocol of a sensitivity analysis: one model, ``variant-<name>``.

        Raises:
            ConfigError: The changed protocol does not hold together.
        """
        change = self.sensitivity[name]
        if not SLUG.fullmatch(name) or not change or set(change) - CHANGEABLE:
            raise ConfigError(
                f"sensitivity {name}: a name in a-z, 0-9, - and _, and changes of some of"
                f" {', '.join(sorted(CHANGEABLE))}",
                self.name,
            )
        values = self.model_dump(mode="json") | {"sensitivity": {}, "controls": []}
        values["stability"] |= {"bootstraps": 0}
        changed = StudyConfig.parse(_merged(values, change), f"{self.name}, sensitivity {name}")
        if _essence(changed) == _essence(self):
            raise ConfigError(
                f"sensitivity {name} changes nothing of the primary model {self.primary}",
                self.name,
                "as models: {" + self.primary + ": […]}",
            )
        return changed.model_copy(
            update={"models": {f"{VARIANT}{name}": changed.models[changed.primary]}}
        )


def is_variant(study: StudyConfig) -> bool:
    """Whether it is the protocol of a sensitivity analysis, as ``StudyConfig.variant`` makes it."""
    return all(name.startswith(VARIANT) for name in study.models)


def _merged(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Values with some of them changed; of a mapping only the keys that are named."""
    both = dict(values)
    for key, value in change.items():
        here = both.get(key)
        mappings = isinstance(here, Mapping) and isinstance(value, Mapping)
        both[key] = _merged(here or {}, value) if mappings else value
    return both


def _essence(study: StudyConfig) -> dict[str, Any]:
    """What makes the primary model, and nothing of the models beside it."""
    values = study.model_dump(mode="json")
    used = study.models[study.primary]
    values |= {"models": used, "blocks": {name: values["blocks"][name] for name in used}}
    return {name: values[name] for name in CHANGEABLE}


def _disagreements(study: StudyConfig) -> list[str]:
    problems = []
    for model, blocks in study.models.items():
        problems += _misnamed(model)
        problems += [f"model {model} has no blocks"] if not blocks else []
        problems += [f"model {model} names a block twice"] if len(set(blocks)) < len(blocks) else []
        unknown = [block for block in blocks if block not in study.blocks]
        problems += [f"model {model} uses unknown blocks: {', '.join(unknown)}"] if unknown else []
    if study.primary not in study.models:
        problems.append(
            f"primary model {study.primary} is not among the models {', '.join(study.models)}"
        )
    policy = study.harmonise
    if study.external_centre and policy.method != "none" and policy.on_unseen == "error":
        problems.append(
            f"centre {study.external_centre} will be new to the harmoniser: say what that means by"
            " `harmonise.on_unseen`, raw or adapt"
        )
    if study.external_centre in study.training_centres:
        problems.append(f"centre {study.external_centre} is both training and external")
    if len(set(study.training_centres)) < len(study.training_centres):
        problems.append("a training centre is named twice")
    return problems


def _misnamed(model: str) -> list[str]:
    """Why a version can hold no model of this name, as each is a folder there."""
    told = {
        f"model {model!r} is not named as a folder can be": not _FOLDER.fullmatch(model),
        f"model {model} is named by more than {_LONGEST} bytes": len(model.encode()) > _LONGEST,
        f"model {model} is named as a file beside the models is": _KEPT.fullmatch(model),
        f"model {model} is named like a control or a variant": model.startswith((CONTROL, VARIANT)),
    }
    return [problem for problem, holds in told.items() if holds]
