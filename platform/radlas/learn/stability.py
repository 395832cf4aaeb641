"""Would other patients have given the same signature? Resampled fits, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from sklearn.pipeline import Pipeline

from radlas.errors import StudyError
from radlas.learn.design import parse_column
from radlas.learn.harmonise import FEWEST, LEAVE_OUT
from radlas.learn.pipeline import fit_quickly, rad_score, signature_table, surviving

_ATTEMPTS = 1_000
Weights = Mapping[str, float]  # feature to coefficient, those not zero


def bootstrap_samples(
    subjects: NDArray[np.str_],
    labels: NDArray[np.int64],
    *,
    draws: range,
    seed: int | str,
    centres: NDArray[np.str_] | None = None,
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Numbered bootstrap samples of rows: subjects drawn with replacement, inside each class.

    Args:
        subjects: Subject of every row, sorted; all rows of one come together.
        labels: 0 or 1 per row.
        draws: Which of the endless series: number 7 is the same whoever asks for it.
        seed: Key of the series.
        centres: Centre of every row, if they are harmonised: a sample that holds too few different
            subjects of one for that is drawn again.

    Raises:
        StudyError: A centre is so small that no sample holds enough of it.
    """
    names, first = np.unique(subjects, return_index=True)
    rows_of = {name: np.flatnonzero(subjects == name) for name in names}
    classes = [names[labels[first] == label] for label in (0, 1)]
    for draw in draws:
        words = np.frombuffer(f"{seed}:{draw}".encode(), dtype=np.uint8)
        rng = np.random.default_rng(words)
        for _ in range(_ATTEMPTS):
            drawn = [one for part in classes for one in rng.choice(part, size=len(part))]
            rows = np.concatenate([rows_of[name] for name in drawn])
            if centres is None or _holds_all(np.intersect1d(rows, first), centres):
                break
        else:
            raise StudyError(
                f"{_ATTEMPTS} resamples held fewer than {FEWEST} patients of a centre",
                hint=LEAVE_OUT,
            )
        yield draw, rows


def resampled_signature(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.int64],
    blocks: dict[str, str],
    samples: Iterator[tuple[int, NDArray[np.int64]]],
) -> pd.DataFrame:
    """Signatures of the pipeline, fitted as it is set to every sample of rows.

    Args:
        pipeline: Its settings are used.
        X: Raw features.
        y: Labels.
        blocks: Every column to its block.
        samples: Numbers of the draws and their rows.

    Returns:
        ``draw`` and what ``signature_table`` returns, one table below the other.
    """
    tables = [
        signature_table(fit_quickly(pipeline, X.iloc[rows], y[rows]), blocks).assign(draw=draw)
        for draw, rows in samples
    ]
    return pd.concat(tables, ignore_index=True)


def resampled_risks(resamples: pd.DataFrame, X: pd.DataFrame) -> pd.DataFrame:
    """Risks by every resampled signature, shape ``(row, draw)``; the model's own is none of them.

    Raises:
        StudyError: A feature of a signature is not among the columns.
    """
    return pd.DataFrame(
        {
            draw: special.expit(rad_score(table, X))
            for draw, table in resamples.groupby("draw", sort=True)
        }
    )


def signature_of(pipeline: Pipeline, columns: Sequence[str]) -> dict[str, float]:
    """Feature to coefficient of a pipeline fitted on these columns, those not zero."""
    *_, selected = surviving(pipeline, columns)
    pairs = zip(selected, pipeline["lasso"].coef_[0], strict=True)
    return {name: float(weight) for name, weight in pairs if weight != 0}


def nogueira(selected: ArrayLike, *, alpha: float = 0.05) -> dict[str, Any]:
    """Stability of selection, corrected for chance: 1 for the same set always, 0 for random sets.

    Args:
        selected: Whether a feature was selected, shape ``(sample, feature)``, of all candidates.
        alpha: One minus the confidence level.

    Returns:
        ``index`` and ``interval``; ``None`` with a ``note`` where all or nothing is selected.

    Source:
        Nogueira, Sechidis, Brown 2018, J Mach Learn Res 18:174, definition 4 and theorem 7.
    """
    chosen = np.asarray(selected, dtype=np.float64)
    samples, features = chosen.shape
    sizes, shares = chosen.sum(axis=1), chosen.mean(axis=0)
    mean = float(sizes.mean()) / features
    chance = mean * (1 - mean)
    if samples < 2 or chance == 0:
        return {"index": None, "interval": None, "note": "every sample selects all or nothing"}
    spread = samples / (samples - 1) * shares * (1 - shares)
    index = 1 - float(spread.mean()) / chance
    pull = chosen @ shares / features - sizes * mean / features
    pull += index / 2 * (2 * mean * sizes / features - sizes / features - mean + 1)
    pull /= chance
    error = float(np.sqrt(4 / samples**2 * ((pull - pull.mean()) ** 2).sum()))
    half = float(stats.norm.isf(alpha / 2)) * error
    return {"index": index, "interval": [index - half, min(1.0, index + half)], "note": ""}


def clusters(pipeline: Pipeline) -> dict[str, str]:
    """Feature to the one that stands for it in a fitted pipeline's correlation filter."""
    step = pipeline["decorrelate"]
    names = [str(name) for name in step.feature_names_in_]
    return {name: names[place] for name, place in zip(names, step.cluster_, strict=True)}


def weights_of(resamples: pd.DataFrame) -> list[dict[str, float]]:
    """Feature to coefficient of every resampled signature, in order of the draws."""
    features = resamples[resamples["block"] != ""]
    every = {
        draw: dict(zip(table["feature"], table["coefficient"], strict=True))
        for draw, table in features.groupby("draw", sort=True)
    }
    return [every.get(draw, {}) for draw in sorted(set(resamples["draw"]))]


def stability(
    fits: Sequence[Weights],
    signature: Weights,
    cluster_of: Mapping[str, str],
    blocks: Mapping[str, str],
    *,
    alpha: float = 0.05,
) -> dict[str, Any]:
    """How a signature held over resampled fits.

    Args:
        fits: Coefficients of every resampled fit.
        signature: Those of the model itself.
        cluster_of: Feature to its correlation cluster.
        blocks: Every candidate to its block.
        alpha: One minus the confidence level.

    Returns:
        ``samples``; ``nogueira``; ``size`` (median number of features); ``blocks`` and
        ``families`` (name to mean share of the selected features); ``features``: list of
        ``feature cluster size selected cluster_selected agrees``, for the signature: how often the
        feature, or any of its cluster, was selected, and how often with the sign it has now.
    """
    names = list(blocks)
    place = {name: at for at, name in enumerate(names)}
    table = np.zeros((len(fits), len(names)), dtype=np.int8)
    for row, fit in zip(table, fits, strict=True):
        for name, weight in fit.items():
            row[place[name]] = np.sign(weight)
    chosen = table != 0
    families = {name: parse_column(name).family or blocks[name] for name in names}
    return {
        "samples": len(fits),
        "nogueira": nogueira(chosen, alpha=alpha),
        "size": float(np.median(chosen.sum(axis=1))),
        "blocks": _shares(chosen, [blocks[name] for name in names]),
        "families": _shares(chosen, [families[name] for name in names]),
        "features": [
            _held(name, weight, table, place, cluster_of) for name, weight in signature.items()
        ],
    }


def _holds_all(people: NDArray[np.int64], centres: NDArray[np.str_]) -> bool:
    """Whether these rows, one of each subject, can be harmonised with every centre."""
    return all((centres[people] == name).sum() >= FEWEST for name in np.unique(centres))


def _held(
    name: str,
    weight: float,
    table: NDArray[np.int8],
    place: Mapping[str, int],
    cluster_of: Mapping[str, str],
) -> dict[str, Any]:
    kin = [one for one, cluster in cluster_of.items() if cluster == cluster_of[name]]
    mine, theirs = table[:, place[name]], table[:, [place[one] for one in kin]]
    times = int((mine != 0).sum())
    return {
        "feature": name,
        "cluster": cluster_of[name],
        "size": len(kin),
        "selected": float((mine != 0).mean()),
        "cluster_selected": float((theirs != 0).any(axis=1).mean()),
        "agrees": float((mine == np.sign(weight)).sum() / times) if times else None,
    }


def _shares(chosen: NDArray[np.bool_], groups: Sequence[str]) -> dict[str, float]:
    counts = pd.DataFrame(chosen.T.astype(float)).groupby(np.asarray(groups)).sum().T
    sizes = counts.sum(axis=1)
    if not (sizes > 0).any():
        return dict.fromkeys(map(str, counts.columns), 0.0)
    shares = counts[sizes > 0].div(sizes[sizes > 0], axis=0).mean()
    return {str(name): float(share) for name, share in shares.items()}
