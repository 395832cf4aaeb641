"""A model as it will be used: frozen, with a digest over all that it learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from radlas.digests import digest_of
from radlas.errors import StudyError
from radlas.learn.harmonise import with_centres
from radlas.learn.pipeline import pipeline_parameters, rounded
from radlas.learn.training import finite_frame


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A model as it will be used, and how it did on training rows it had not seen.

    Attributes:
        study: Name of the study; ``study_digest`` names its content.
        model: Name of the model in the study.
        blocks: Input column to block, in the order the pipeline takes them.
        pipeline: Fitted on all training rows.
        threshold: Locked: chosen from out-of-fold risks; risk >= threshold is called positive.
        signature: As ``pipeline.signature_table`` makes it.
        harmonised: As ``pipeline.centre_table`` makes it.
        oof: One row per repeat and case: ``repeat fold case subject centre label probability``.
        folds: One row per repeat and fold: ``repeat fold auc k c features digest``.
        frequency: ``feature block selected positive``: share of outer folds in which a feature
            had a coefficient, and share of those in which it was positive.
        centres: Each training centre judged by a model of the others: ``centre n positives auc
            note``.
        resamples: ``draw`` and signatures of resampled fits; without a row if there are none.
        stability: As ``stability.stability`` returns it; None if nothing was resampled.
    """

    study: str
    study_digest: str
    model: str
    blocks: dict[str, str]
    pipeline: Pipeline
    threshold: float
    signature: pd.DataFrame
    harmonised: pd.DataFrame
    oof: pd.DataFrame
    folds: pd.DataFrame
    frequency: pd.DataFrame
    centres: list[dict[str, Any]]
    resamples: pd.DataFrame
    stability: dict[str, Any] | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the raw features the pipeline takes, in its order."""
        return tuple(self.blocks)

    @property
    def parameters(self) -> dict[str, float]:
        """The chosen ``k`` and ``c``."""
        return {
            "k": int(self.pipeline["eliminate"].n_features),
            "c": float(self.pipeline["lasso"].C),
        }

    @property
    def harmonises(self) -> bool:
        """Whether the model must be told the centre of a row."""
        return "harmonise" in self.pipeline.named_steps

    def inputs(self, X: pd.DataFrame, centres: ArrayLike | None = None) -> pd.DataFrame:
        """Rows of raw features as the pipeline takes them.

        Args:
            X: Raw features; the index names the cases.
            centres: Centre of every row; needed if the model harmonises.

        Raises:
            StudyError: A column is absent or holds an infinite value, or centres are needed.
        """
        frame = finite_frame(X, self.columns)
        if not self.harmonises:
            return frame
        if centres is None:
            raise StudyError(
                "the model harmonises centres, and those of the rows are not told",
                f"model {self.model}",
                "pass `centres` beside the features",
            )
        return with_centres(frame, centres)

    def risk(self, X: pd.DataFrame, centres: ArrayLike | None = None) -> pd.Series:
        """Probability of the positive class for every row. Arguments as for ``inputs``.

        Raises:
            StudyError: As for ``inputs``; or a centre is new to a harmonised model.
        """
        frame = self.inputs(X, centres)
        return pd.Series(self.pipeline.predict_proba(frame)[:, 1], X.index, name="risk")

    def centre_transforms(self, X: pd.DataFrame, centres: ArrayLike) -> dict[str, pd.DataFrame]:
        """What harmonising does to raw values of every centre of these rows.

        Returns:
            Per centre ``factor`` and ``offset`` of every column that arrives at the harmoniser:
            ``value * factor + offset``. Empty if the model does not harmonise.

        Raises:
            StudyError: A centre is new to the model and cannot be harmonised.
        """
        if not self.harmonises:
            return {}
        arriving = self._arriving(self.inputs(X, centres))
        return {
            centre: pd.DataFrame({"factor": factor, "offset": offset}, index=arriving.columns)
            for centre, (factor, offset) in self.pipeline["harmonise"]
            .centre_transforms(arriving)
            .items()
        }

    def harmonised_rows(self, X: pd.DataFrame, centres: ArrayLike) -> pd.DataFrame:
        """Raw features, those that are harmonised as they are then; arguments as for ``inputs``."""
        frame = self.inputs(X, centres)
        found = frame.set_axis(X.index, axis=0)
        if self.harmonises:
            arriving = self._arriving(frame)
            moved = self.pipeline["harmonise"].transform(arriving)
            found[arriving.columns] = np.asarray(moved)  # by place: its index tells centres too
        return found

    def _arriving(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows as they arrive at the harmoniser: steps before it leave columns out."""
        step = self.pipeline["harmonise"]
        return frame[list(step.feature_names_in_)]

    def out_of_fold(self) -> pd.DataFrame:
        """``case subject centre label probability``: risks averaged over repeats, by case."""
        keys = ["subject", "case", "centre", "label"]
        return self.oof.groupby(keys, as_index=False, sort=True)["probability"].mean()

    def digest(self) -> str:
        """SHA-256 over the canonical JSON of all that was learned; see ``pipeline_parameters``."""
        content = {
            "study": self.study_digest,
            "model": self.model,
            "blocks": self.blocks,
            "pipeline": pipeline_parameters(self.pipeline, self.columns),
            "threshold": rounded(self.threshold),
            "folds": [str(digest) for digest in self.folds["digest"]],
        }
        return digest_of(content)
