"""The protocol of a study, read from YAML: outcome, models, splits, selection, threshold."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from radlas.config import Config

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
MISSING = "missing"  # how an outcome declares what to do with an empty value


class Outcome(Config):
    """Which recorded values count as positive, as negative, or leave the study.

    Values compare without regard to case or outer spaces; ``missing`` stands for an empty value.
    """

    column: str = Field(default="grade", description="Column of the clinical table.")
    positive: tuple[str, ...] = Field(min_length=1, description="Values of class 1.")
    negative: tuple[str, ...] = Field(min_length=1, description="Values of class 0.")
    excluded: tuple[str, ...] = Field(default=(), description="Values that leave the study.")
    positive_name: str = Field(default="positive", description="Class 1 in words: high grade.")
    negative_name: str = Field(default="negative", description="Class 0 in words: low grade.")

    @field_validator("positive", "negative", "excluded", mode="after")
    @classmethod
    def _fold_case(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.strip().lower() for value in values)

    @model_validator(mode="after")
    def _declared_once(self) -> Self:
        values = (*self.positive, *self.negative, *self.excluded)
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"outcome values declared more than once: {', '.join(twice)}")
        return self


class Block(Config):
    """A group of feature columns: one ROI's radiomics, or the network's features."""

    roi: str | None = Field(default=None, description="tumour, edema, ring_0_10; deep: whole.")
    deep: bool = Field(default=False, description="True for deep features.")
    image_types: tuple[str, ...] | None = Field(
        default=None, description="Image types, or layers of a deep block; all if not given."
    )
    families: tuple[str, ...] | None = Field(
        default=None, description="firstorder, glcm, shape, ...; all if not given."
    )
    feature_set: str | None = Field(default=None, description="Recipe; the snapshot's if absent.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if not self.deep and self.roi is None:
            raise ValueError("a block names its `roi`, or says `deep: true`")
        if self.deep and self.families is not None:
            raise ValueError("deep features have no `families`; choose layers by `image_types`")
        return self


class Splits(Config):
    """How training subjects are divided, for estimation (outer) and tuning (inner)."""

    folds: int = Field(default=5, ge=2, description="Outer folds.")
    repeats: int = Field(default=1, ge=1, description="Repeats of the outer folds.")
    inner_folds: int = Field(default=3, ge=2, description="Folds that choose k and C.")


class Selection(Config):
    """How features are selected inside a fold, and the grid that is searched there."""

    near_constant: float = Field(
        default=0.95, gt=0, le=1, description="Drop a column if one value fills this share of rows."
    )
    correlation: float = Field(
        default=0.9, gt=0, le=1, description="|Spearman| from which two columns are one [1]."
    )
    rfe_features: tuple[int, ...] = Field(default=(10, 20), min_length=1, description="Grid of k.")
    rfe_step: float = Field(default=0.2, gt=0, lt=1, description="Share removed in each round.")
    rfe_c: float = Field(default=0.1, gt=0, description="C of the ranking's L2 logistic model.")
    c: tuple[float, ...] = Field(
        default=(0.05, 0.1, 0.2, 0.5), min_length=1, description="Grid of the L1 model's C."
    )
    one_standard_error: bool = Field(
        default=True, description="Take the sparsest model within one standard error of the best."
    )

    @field_validator("rfe_features", "c", mode="after")
    @classmethod
    def _increasing(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in grid) or list(grid) != sorted(set(grid)):
            raise ValueError("a grid holds positive values in increasing order, each once")
        return grid


class Threshold(Config):
    """How the decision threshold is chosen from out-of-fold training predictions."""

    rule: Literal["youden", "sensitivity"] = "youden"
    value: float | None = Field(default=None, gt=0, le=1, description="Sensitivity to reach [1].")

    @model_validator(mode="after")
    def _value_belongs_to_sensitivity(self) -> Self:
        if (self.rule == "sensitivity") != (self.value is not None):
            raise ValueError("`value` belongs to the rule `sensitivity`, and only to it")
        return self


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
    selection: Selection = Selection()
    threshold: Threshold = Threshold()
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
    if study.primary not in study.models:
        problems.append(
            f"primary model {study.primary} is not among the models {', '.join(study.models)}"
        )
    if study.external_centre in study.training_centres:
        problems.append(f"centre {study.external_centre} is both training and external")
    if len(set(study.training_centres)) < len(study.training_centres):
        problems.append("a training centre is named twice")
    return problems
