"""The parts of one model's fits, which need nothing of each other, and the model they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from radlas.learn.fitted import FittedModel
from radlas.learn.metrics import choose_threshold
from radlas.learn.pipeline import centre_table, signature_table
from radlas.learn.stability import clusters, signature_of, stability, weights_of
from radlas.learn.study import StudyConfig

REPEATS, DRAWS = 5, 50  # of outer folds and of resampled fits in one part: a minute at most


@dataclass(frozen=True)
class Part:
    """A share of one model's fits.

    Attributes:
        repeats: Repeats of the outer folds.
        final: The model itself, and the fits that leave one training centre out.
        draws: Resampled fits, from the first number to before the second.
    """

    repeats: tuple[int, ...] = ()
    final: bool = False
    draws: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class PartFit:
    """What fitting one part gave; empty where the part does not ask for it.

    Attributes:
        blocks: Every column to its block.
        oof: Out-of-fold risks, a frame per outer fold, as ``FoldFit.oof``.
        folds: One row per outer fold, as ``FittedModel.folds``.
        weights: Feature to coefficient, those not zero, of each outer fold.
        pipeline: Fitted on all training rows; of the final part only.
        centres: Each training centre, judged by a model of the others; of the final part only.
        resampled: As ``stability.resampled_signature`` returns it.
        told: As ``centre.centres_told`` returns it; of the primary model's final part only.
    """

    blocks: dict[str, str]
    oof: tuple[pd.DataFrame, ...] = ()
    folds: tuple[dict[str, Any], ...] = ()
    weights: tuple[dict[str, float], ...] = ()
    pipeline: Pipeline | None = None
    centres: tuple[dict[str, Any], ...] = ()
    resampled: pd.DataFrame | None = None
    told: tuple[dict[str, Any], ...] = ()


def parts(study: StudyConfig, model: str) -> tuple[Part, ...]:
    """All parts of a model, the longest first."""
    repeats, draws = study.splits.repeats, study.stability.bootstraps
    resampled = range(0, draws if model == study.primary else 0, DRAWS)
    return (
        *(
            Part(repeats=tuple(range(first, min(first + REPEATS, repeats))))
            for first in range(0, repeats, REPEATS)
        ),
        *(Part(draws=(first, min(first + DRAWS, draws))) for first in resampled),
        Part(final=True),
    )


def assemble(study: StudyConfig, model: str, done: Sequence[PartFit]) -> FittedModel:
    """The model of its parts, which may come in any order."""
    first = done[0]
    (pipeline,) = (one.pipeline for one in done if one.pipeline is not None)
    oof = pd.concat([frame for one in done for frame in one.oof], ignore_index=True)
    oof = oof.sort_values(["repeat", "fold", "subject", "case"], ignore_index=True)
    folds = pd.DataFrame([row for one in done for row in one.folds])
    folds = folds.sort_values(["repeat", "fold"], ignore_index=True)
    means = oof.groupby("case")[["label", "probability"]].mean()
    resampled = _all_resamples(done)
    table = signature_table(pipeline, first.blocks)
    signature = signature_of(pipeline, list(first.blocks))
    return FittedModel(
        study=study.name,
        study_digest=study.digest(),
        model=model,
        blocks=first.blocks,
        pipeline=pipeline,
        threshold=choose_threshold(
            means["label"].astype(int), means["probability"], study.threshold
        ),
        signature=table,
        harmonised=centre_table(pipeline, table),
        oof=oof,
        folds=folds,
        frequency=_frequency([weights for one in done for weights in one.weights], first.blocks),
        centres=[row for one in done for row in one.centres],
        resamples=resampled,
        stability=stability(
            weights_of(resampled), signature, clusters(pipeline), first.blocks, alpha=study.alpha
        )
        if len(resampled)
        else None,
    )


def _all_resamples(done: Sequence[PartFit]) -> pd.DataFrame:
    tables = [one.resampled for one in done if one.resampled is not None]
    if not tables:
        numbers = ("median", "mean", "scale", "coefficient", "native_weight")
        types = {"draw": "int64", "feature": "str", "block": "str"} | dict.fromkeys(numbers, float)
        return pd.DataFrame(columns=list(types)).astype(types)
    whole = pd.concat(tables, ignore_index=True).sort_values("draw", kind="stable")
    return whole[["draw", *(name for name in whole if name != "draw")]].reset_index(drop=True)


def _frequency(fits: Sequence[dict[str, float]], blocks: dict[str, str]) -> pd.DataFrame:
    weights = pd.DataFrame(fits, dtype=np.float64)
    weights = weights.reindex(columns=sorted(weights.columns))
    table = pd.DataFrame(
        {
            "feature": list(weights.columns),
            "block": [blocks[name] for name in weights.columns],
            "selected": weights.notna().mean().to_numpy(),
            "positive": ((weights > 0).sum() / weights.notna().sum()).to_numpy(),
        }
    )
    return table.sort_values(["selected", "feature"], ascending=[False, True], ignore_index=True)
