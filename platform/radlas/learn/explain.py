"""Which features and blocks drive a risk: Shapley values, block shares, the network's head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shap
from numpy.typing import NDArray
from scipy import stats

from radlas.errors import StudyError
from radlas.learn.design import parse_column
from radlas.learn.fitted import FittedModel
from radlas.learn.harmonise import CENTRE
from radlas.learn.statistics.intervals import resamples


@dataclass(frozen=True, eq=False)
class Explanation:
    """Additive contributions to the logit: ``base + values.sum(axis=1)`` is the model's logit.

    Attributes:
        values: Contributions, one row per case, one column per feature that reaches the last
            step; every other feature contributes 0.
        data: The z-scores they belong to, same shape.
        base: Mean logit of the background.
        logit: The model's logit per case.
        blocks: Feature to block, for the columns of ``values``.
    """

    values: pd.DataFrame
    data: pd.DataFrame
    base: float
    logit: pd.Series
    blocks: dict[str, str]


def explain(model: FittedModel, X: pd.DataFrame, background: pd.DataFrame) -> Explanation:
    """SHAP values of the last step on transformed rows.

    Args:
        model: The fitted model.
        X: Cases to explain, from ``FittedModel.inputs``.
        background: ALL training rows, from there too: what a case is compared with.

    Raises:
        StudyError: A centre is new to a model that harmonises.

    Source:
        Lundberg & Lee 2017. For a linear model and independent features the value is
        ``coefficient * (x - mean of the background)``.
    """
    prepare, lasso = model.pipeline[:-1], model.pipeline["lasso"]
    rows, reference = _by_case(prepare.transform(X)), _by_case(prepare.transform(background))
    # The masker's default silently keeps 100 rows only: values wrong by up to 0.1 logits.
    masker = shap.maskers.Independent(reference, max_samples=len(reference))
    found = shap.LinearExplainer(lasso, masker)(rows)
    return Explanation(
        values=pd.DataFrame(found.values, index=rows.index, columns=rows.columns),
        data=rows,
        base=float(np.ravel(found.base_values)[0]),
        logit=pd.Series(lasso.decision_function(rows), index=rows.index, name="logit"),
        blocks={name: model.blocks[name] for name in rows.columns},
    )


def _by_case(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.droplevel(CENTRE) if CENTRE in frame.index.names else frame


def block_shares(explanation: Explanation) -> dict[str, Any]:
    """How much each block of features contributes.

    Returns:
        ``base``; ``share``: block to mean absolute contribution, as a share that sums to 1
        (``None`` if nothing contributes); ``rows``: list of ``case logit blocks``, where
        ``blocks`` holds the signed sum per block, so ``base`` plus them is ``logit``; ``note``.
    """
    sums = explanation.values.T.groupby(pd.Series(explanation.blocks)).sum().T
    size = sums.abs().mean()
    total = float(size.sum())
    share = {str(block): float(size[block] / total) if total else None for block in sums.columns}
    rows = [
        {
            "case": str(case),
            "logit": float(explanation.logit.loc[case]),
            "blocks": {str(block): float(value) for block, value in row.items()},
        }
        for case, row in sums.iterrows()
    ]
    note = "" if total else "no feature contributes: the model predicts one risk for all"
    return {"base": explanation.base, "share": share, "rows": rows, "note": note}


def group_shares(
    explanation: Explanation,
    groups: Mapping[str, str],
    *,
    alpha: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """How much each group of features moves the score, with an interval over resampled cases.

    Args:
        explanation: Contributions.
        groups: Every feature to its group; contributions are summed inside a group first.
        alpha: One minus the confidence level.
        draws: Resamples of the cases.
        seed: Of the resampling.

    Returns:
        ``group share low high`` in order of the share; empty if nothing contributes.
    """
    sums = explanation.values.T.groupby(pd.Series(dict(groups))).sum().T
    size = np.abs(sums.to_numpy())
    if not size.any():
        return []
    share = size.mean(axis=0) / size.mean(axis=0).sum()
    drawn = np.stack([size[one].mean(axis=0) for one in resamples(len(size), draws, seed)])
    drawn /= np.maximum(drawn.sum(axis=1, keepdims=True), 1e-300)
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2], axis=0)
    found = [
        {"group": str(name), "share": float(s), "low": float(a), "high": float(b)}
        for name, s, a, b in zip(sums.columns, share, low, high, strict=True)
    ]
    return sorted(found, key=lambda row: (-row["share"], row["group"]))


def profile(training: Explanation, external: Explanation) -> float | None:
    """Whether the same features drive the score in both: rank correlation of their mean sizes.

    Returns:
        Spearman's correlation; ``None`` for fewer than three features that contribute.
    """
    sizes = [one.values.abs().mean() for one in (training, external)]
    used = (sizes[0] > 0) | (sizes[1] > 0)
    if used.sum() < 3:
        return None
    found = float(stats.spearmanr(sizes[0][used], sizes[1][used]).statistic)
    return None if np.isnan(found) else found


def families(columns: Iterable[str], blocks: Mapping[str, str]) -> dict[str, str]:
    """Feature to its family; deep and clinical ones to their block."""
    return {name: parse_column(name).family or blocks[name] for name in columns}


def deep_parts(model: FittedModel) -> list[tuple[str, str]]:
    """Region and layer of the deep features a model takes, the whole image first."""
    return _parts(model.columns)


def scored_parts(model: FittedModel) -> list[tuple[str, str]]:
    """The same of those that its signature holds: any other part's map is zero."""
    return _parts(model.signature["feature"].iloc[:-1])


def _parts(names: Iterable[str]) -> list[tuple[str, str]]:
    columns = [parse_column(name) for name in names]
    found = {(column.roi, column.image_type) for column in columns if column.deep}
    return sorted(found, key=lambda one: (one[0] != "whole", one))


def _many(number: int, region: str | None) -> str:
    if number:
        return f"deep features of {number} layers and regions"
    return f"no deep features of {region}" if region else "no deep features"


def deep_head(
    model: FittedModel,
    *,
    region: str | None = None,
    layer: str | None = None,
    width: int = 512,
    transform: pd.DataFrame | None = None,
) -> tuple[NDArray[np.float64], float]:
    """The model's deep part as a linear head on raw deep features.

    ``features @ weights + bias`` is the sum of the deep features' terms in the logit, so a class
    activation map of this head explains the model itself and no other.

    Args:
        model: A model with deep columns.
        region: Whose features, as ``whole``; needed if the model takes those of several.
        layer: Which layer; needed if the model takes several.
        width: Length of the layer's feature vector.
        transform: Of a model that harmonises: what it does to the centre, one of
            ``model.centre_transforms``.

    Returns:
        Weights, shape ``(width,)``, zero where a feature was not selected, and the bias.

    Raises:
        StudyError: The model has no deep columns, those of several, or more than ``width``; or it
            harmonises, and no ``transform`` says how.
    """
    if model.harmonises and transform is None:
        raise StudyError(
            "the model harmonises: its head is another for every centre",
            f"model {model.model}",
            "pass the centre's `transform`, one of `model.centre_transforms`",
        )
    parsed = {name: parse_column(name) for name in model.columns}
    there = deep_parts(model)
    fitting = [one for one in there if region in (None, one[0]) and layer in (None, one[1])]
    if len(fitting) != 1:
        names = ", ".join(f"{roi} at {layer}" for roi, layer in there)
        raise StudyError(
            f"the model takes {_many(len(fitting), region)}",
            f"model {model.model}",
            f"name one of: {names}" if there else "explain a model with a deep block",
        )
    (wanted,) = fitting
    weights, bias = np.zeros(width), 0.0
    for row in model.signature.iloc[:-1].itertuples():
        column = parsed[row.feature]
        if not column.deep or (column.roi, column.image_type) != wanted:
            continue
        if int(column.feature) >= width:
            raise StudyError(f"deep feature {row.feature} lies beyond the width {width}")
        factor, offset = (
            (1.0, 0.0) if transform is None else transform.loc[row.feature, ["factor", "offset"]]
        )
        weights[int(column.feature)] = row.native_weight * factor
        bias -= row.native_weight * (row.mean - offset)
    return weights, float(bias)
