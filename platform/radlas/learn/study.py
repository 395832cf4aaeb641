"""The protocol of a study, read from YAML: what is fitted on whom, and how it is judged."""

from __future__ import annotations

import re
from typing import Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from radlas.config import Config
from radlas.learn.settings import (
    Block,
    Harmonise,
    Outcome,
    Selection,
    Splits,
    Stability,
    Threshold,
)

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
CONTROL = "control-"  # how the names of honesty models begin
Control = Literal["volume", "clinical", "centre", "random_weights", "permuted", "shuffled"]
CONTROLS: tuple[Control, ...] = get_args(Control)


class StudyConfig(Config):
    """The whole protocol. What is not written here does not influence a model."""

    name: str = Field(description="Slug: a-z, 0-9, - and _.")
    outcome: Outcome
    blocks: dict[str, Block] = Field(min_length=1, description="Groups of feature columns.")
    models: dict[str, tuple[str, ...]] = Field(min_length=1, description="Model: its blocks.")
    primary: str = Field(description="The model the study is about.")
    training_centres: tuple[str, ...] = Field(min_length=1)
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
    prevalences: tuple[float, ...] = Field(
        default=(0.3, 0.5, 0.7), description="Where else PPV and NPV are told [1]."
    )
    decision_range: tuple[float, float] = Field(
        default=(0.1, 0.9), description="Risks at which somebody would act: the decision curve [1]."
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
    minimum_per_class: int = Field(default=10, ge=2, description="Below it: not estimable.")
    seed: int = Field(default=0, ge=0)
    alpha: float = Field(default=0.05, gt=0, lt=1, description="1 - confidence level [1].")

    @field_validator("name")
    @classmethod
    def _slug(cls, name: str) -> str:
        if not SLUG.fullmatch(name):
            raise ValueError("a name holds a-z, 0-9, - and _ only")
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
        return self


def _disagreements(study: StudyConfig) -> list[str]:
    problems = []
    for model, blocks in study.models.items():
        problems += [f"model {model} has no blocks"] if not blocks else []
        problems += [f"model {model} names a block twice"] if len(set(blocks)) < len(blocks) else []
        unknown = [block for block in blocks if block not in study.blocks]
        problems += [f"model {model} uses unknown blocks: {', '.join(unknown)}"] if unknown else []
        problems += [f"model {model} is named like a control"] if model.startswith(CONTROL) else []
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
