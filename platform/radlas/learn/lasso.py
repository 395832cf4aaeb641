"""L1 logistic regression, solved to the last digits: an active set with Newton's method on it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils.validation import validate_data

from radlas.errors import StudyError

Floats = NDArray[np.float64]
SETTLED = 1e-12  # gradient per unit of a column's size at which a coefficient is final
WANTED = 1e-10  # excess over 1/C, in the same measure, from which a column enters


class L1Logistic(LinearClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """Minimises ``sum(log loss) + |coefficients|_1 / C``; the intercept is not penalised.

    glmnet's optimum with ``C = 1 / (n * lambda)``. Neither solver of scikit-learn reaches it
    safely: liblinear penalises the intercept; saga looks at coefficients only, so where all are
    zero it stops after one round with an intercept that may be anything.

    Args:
        C: Inverse strength of the penalty, above 0.
        max_iter: Newton steps before a ``ConvergenceWarning``.
    """

    def __init__(self, C: float = 1.0, max_iter: int = 2_000) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit. ``X`` has shape ``(row, feature)``, standardised; ``y`` holds two classes.

        Raises:
            StudyError: There are not two classes.
        """
        values, label = validate_data(self, X, y, dtype=np.float64)
        self.classes_ = np.unique(label)
        if len(self.classes_) != 2:
            raise StudyError(f"{len(self.classes_)} classes, not 2", hint="map the outcome first")
        positive = (label == self.classes_[1]).astype(np.float64)
        beta, self.n_iter_ = minimise(values, positive, self.C, self.max_iter)
        if self.n_iter_ >= self.max_iter:
            message = f"L1 logistic, C = {self.C:g}: {self.max_iter} steps were not enough"
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        self.intercept_, self.coef_ = beta[:1].copy(), beta[None, 1:].copy()
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities of the two classes, shape ``(row, 2)``."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1 - risk, risk])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def minimise(X: Floats, y: Floats, C: float, max_iter: int) -> tuple[Floats, int]:
    """The optimum, intercept first, shape ``(1 + feature,)``, and the number of steps.

    From the intercept alone, the column that would gain most enters; Newton's method settles the
    active ones, and a coefficient that reaches zero on its way leaves. The objective never
    rises, so no active set comes back.
    """
    problem = _Problem(np.column_stack([np.ones(len(X)), X]), y, C)
    size = np.maximum(np.abs(problem.design).sum(axis=0), 1e-300)
    beta, sign = np.zeros(X.shape[1] + 1), np.zeros(X.shape[1] + 1)
    beta[0] = logit(y.mean())
    for step in range(max_iter):
        active = _active(sign)
        fitted = expit(problem.design @ beta)
        slope = problem.design.T @ (fitted - y)
        pull = np.where(active, slope + sign / C, 0.0)
        if (np.abs(pull) / size).max() > SETTLED:
            beta, sign = _newton(problem, beta, sign, pull, fitted * (1 - fitted))
            continue
        excess = np.where(active, 0.0, (np.abs(slope) - 1 / C) / size)
        best = int(np.argmax(excess))
        if excess[best] <= WANTED:
            return beta, step
        sign[best] = -np.sign(slope[best])
    return beta, max_iter


class _Problem(NamedTuple):
    design: Floats  # (row, 1 + feature), ones first
    y: Floats
    C: float

    def objective(self, beta: Floats) -> float:
        score = self.design @ beta
        loss = (np.logaddexp(0, score) - self.y * score).sum()
        return float(loss + np.abs(beta[1:]).sum() / self.C)


def _active(sign: Floats) -> NDArray[np.bool_]:
    active: NDArray[np.bool_] = sign != 0
    active[0] = True  # the intercept has no sign: it is not penalised
    return active


def _newton(
    problem: _Problem, beta: Floats, sign: Floats, pull: Floats, curvature: Floats
) -> tuple[Floats, Floats]:
    """One damped step on the active columns, at most until the first coefficient reaches zero."""
    active = _active(sign)
    part = problem.design[:, active]
    hessian = part.T @ (part * curvature[:, None])
    hessian.flat[:: len(hessian) + 1] += 1e-12 * hessian.trace()  # columns may be related
    move = np.zeros_like(beta)
    move[active] = -np.linalg.solve(hessian, pull[active])
    turning = sign * (beta + move) < 0
    reach = np.where(turning, -beta / np.where(turning, move, 1.0), 1.0)
    share = longest = min(1.0, float(reach.min()))
    before = problem.objective(beta)
    while problem.objective(beta + share * move) > before * (1 + 1e-13) and share > 1e-9:
        share /= 2
    beta = beta + share * move
    gone = turning & (reach == share) if share == longest < 1 else np.zeros_like(turning)
    return np.where(gone, 0.0, beta), np.where(gone, 0.0, sign)
