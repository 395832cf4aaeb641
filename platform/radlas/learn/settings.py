"""The parts of a study's protocol: outcome, blocks, splits, selection, harmonising, threshold."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from radlas.config import Config

MISSING = "missing"  # how an outcome declares what to do with an empty value
CLINICAL = "clinical"  # what stands for a ROI in the names of clinical columns


class OutcomeMapping(Config):
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

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = {" ".join(name.split()) for name in (self.positive_name, self.negative_name)}
        if len(names - {""}) < 2:
            raise ValueError("`positive_name` and `negative_name` are words, and differ")
        return self


class Block(Config):
    """A group of columns: one ROI's radiomics, the network's features, or clinical records."""

    roi: str | None = Field(default=None, description="tumour, edema, ring_0_10; deep: whole.")
    deep: bool = Field(default=False, description="True for deep features.")
    clinical: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Clinical columns: age_years, sex, site_group."
    )
    image_types: tuple[str, ...] | None = Field(
        default=None, description="Image types, or layers of a deep block; all if not given."
    )
    families: tuple[str, ...] | None = Field(
        default=None, description="firstorder, glcm, shape, ...; all if not given."
    )
    features: tuple[str, ...] | None = Field(
        default=None, description="Names as shape_MeshVolume; all if not given."
    )
    feature_set: str | None = Field(
        default=None,
        description="Feature set by name; if absent the snapshot's only one, of networks the only"
        " trained one.",
    )
    perturbation: str = Field(
        default="", description="Take the rows of the copies of this name, as `shuffled`."
    )

    @property
    def table(self) -> str | None:
        """Table of the lake that the columns come from; ``None`` for clinical records."""
        return None if self.clinical else "deep" if self.deep else "radiomics"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        narrowed = [self.roi, self.image_types, self.families, self.features, self.feature_set]
        narrowed.append(self.perturbation or None)
        if self.clinical and (self.deep or any(narrowed)):
            raise ValueError("a clinical block has columns of the clinical table and nothing else")
        if not self.deep and self.roi is None and not self.clinical:
            raise ValueError("a block names its `roi`, or says `deep: true`, or lists `clinical`")
        if self.deep and (self.families is not None or self.features is not None):
            raise ValueError("deep features have no `families`; choose layers by `image_types`")
        if self.deep and self.perturbation:
            raise ValueError("deep features are of the image itself: no `perturbation`")
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
    rfe_step: float = Field(
        default=1,
        gt=0,
        description="Columns removed in each round; below 1, that share of the arriving ones.",
    )
    rfe_c: float = Field(default=0.1, gt=0, description="C of the ranking's L2 logistic model.")
    lasso: Literal["logistic", "linear"] = Field(
        default="logistic",
        description="logistic: L1 logistic model; linear: least-squares LASSO, then logistic.",
    )
    c: tuple[float, ...] = Field(
        default=(0.05, 0.1, 0.2, 0.5), min_length=1, description="Grid of the L1 model's C."
    )
    refit: float | None = Field(
        default=None,
        gt=0,
        description="C of an L2 logistic model of the chosen features; none keeps the shrinkage.",
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

    @model_validator(mode="after")
    def _a_linear_score_is_no_risk(self) -> Self:
        if self.lasso == "linear" and self.refit is None:
            raise ValueError("`lasso: linear` gives no probabilities: set `refit`, as 1.0")
        if self.rfe_step >= 1 and self.rfe_step != int(self.rfe_step):
            raise ValueError("`rfe_step` is a whole number of columns, or a share below 1")
        return self


class Harmonise(Config):
    """Whether and how features of different centres are brought together."""

    method: Literal["none", "per_centre_z", "combat"] = Field(
        default="none",
        description="combat: location and scale, shrunk over features; per_centre_z: plain z.",
    )
    on_unseen: Literal["error", "raw", "adapt"] = Field(
        default="error",
        description="A new centre: refused, taken as it is, or adapted to by its unlabelled cases.",
    )
    minimum: int = Field(default=20, ge=3, description="Cases that `adapt` needs.")


class Stability(Config):
    """How it is found out whether other patients would have given the same signature."""

    bootstraps: int = Field(default=200, ge=0, description="Resampled fits of the primary model.")
    mask: str | None = Field(
        default=None,
        description="Digest of a mask of stable features, made by `radlas stability`; none: all.",
    )


class Threshold(Config):
    """How the decision threshold is chosen from out-of-fold training predictions."""

    rule: Literal["youden", "sensitivity"] = Field(
        default="youden",
        description="Largest sensitivity + specificity, or the threshold of a given sensitivity.",
    )
    value: float | None = Field(default=None, gt=0, le=1, description="Sensitivity to reach [1].")

    @model_validator(mode="after")
    def _value_belongs_to_sensitivity(self) -> Self:
        if (self.rule == "sensitivity") != (self.value is not None):
            raise ValueError("`value` belongs to the rule `sensitivity`, and only to it")
        return self
