"""L1 logistic regression, solved to the last digits: an active set with Newton's method on it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from radlas.compiled import kernel
from radlas.errors import StudyError
from radlas.words import counted

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
        refit: Inverse strength of an L2 penalty with which the features that have a coefficient
            are fitted once more, free of the shrinkage that chose them; None to keep it.
        max_iter: Newton steps before a ``ConvergenceWarning``.
    """

    def __init__(self, C: float = 1.0, refit: float | None = None, max_iter: int = 2_000) -> None:
        self.C = C
        self.refit = refit
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit. ``X`` has shape ``(row, feature)``, standardised; ``y`` holds two classes.

        Raises:
            StudyError: There are not two classes.
        """
        values, label = self._checked(X, y)
        self._take(values, label, self._solve(values, label, None))
        return self

    def path(self, X: ArrayLike, y: ArrayLike, Cs: Sequence[float]) -> Iterator[Self]:
        """The fitted model of every C, increasing: each starts where the one before ended.

        The optimum is unique, so the start changes the time it takes and not the model.
        """
        values, label = self._checked(X, y)
        beta = None
        for C in Cs:
            model = clone(self).set_params(C=C)
            beta = model._solve(values, label, beta)
            model.n_features_in_, model.classes_ = self.n_features_in_, self.classes_
            model._take(values, label, beta)
            yield model

    def decision_function(self, X: ArrayLike) -> Floats:
        """Logits, shape ``(row,)``: of equal rows the same to the last bit, in any company.

        A matrix product sums a row by its place in the matrix, and ties of an AUC would break.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        terms = np.multiply(values, self.coef_[0], order="C")
        logits: Floats = terms.sum(axis=1) + self.intercept_[0]
        return logits

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities of the two classes, shape ``(row, 2)``."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1 - risk, risk])

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        values, label = validate_data(self, X, y, dtype=np.float64, order="F")
        self.classes_ = np.unique(label)
        if len(self.classes_) != 2:
            raise StudyError(f"{len(self.classes_)} classes, not 2", hint="map the outcome first")
        return values, (label == self.classes_[1]).astype(np.float64)

    def _solve(self, values: Floats, label: Floats, start: Floats | None) -> Floats:
        """Intercept and coefficients, shape ``(1 + feature,)``."""
        beta, self.n_iter_ = minimise(values, label, self.C, self.max_iter, start)
        if self.n_iter_ >= self.max_iter:
            message = (
                f"L1 logistic, C = {self.C:g}: not converged after {counted(self.max_iter, 'step')}"
            )
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return beta

    def _take(self, values: Floats, label: Floats, beta: Floats) -> None:
        if self.refit is not None:
            beta = refitted(values, label, beta[1:] != 0, self.refit)
        self.intercept_, self.coef_ = beta[:1].copy(), beta[None, 1:].copy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class LinearLasso(L1Logistic):
    """Features chosen by the LASSO of least squares on 0 and 1, then a logistic model of them.

    What many papers call LASSO. The penalty is on the scale of ``L1Logistic``: with
    ``lambda = 1 / (n * C)`` both let the first feature in at the same C.

    Args:
        C: Inverse strength of the penalty, above 0.
        refit: Inverse strength of the logistic model's L2 penalty.
        max_iter: Rounds of coordinate descent before a ``ConvergenceWarning``.
    """

    def __init__(self, C: float = 1.0, refit: float = 1.0, max_iter: int = 100_000) -> None:
        super().__init__(C, refit, max_iter)

    def _solve(self, values: Floats, label: Floats, start: Floats | None) -> Floats:
        model = Lasso(1 / (len(label) * self.C), tol=1e-10, max_iter=self.max_iter)
        model.fit(values, label)
        self.n_iter_ = int(model.n_iter_)
        return np.concatenate([[model.intercept_], model.coef_])


def refitted(values: Floats, label: Floats, kept: NDArray[np.bool_], C: float) -> Floats:
    """An L2 logistic model of the kept columns; zeros elsewhere. Shape ``(1 + feature,)``."""
    beta = np.zeros(values.shape[1] + 1)
    beta[0] = logit(label.mean())
    if kept.any():
        model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(values[:, kept], label)
        near = np.concatenate([model.intercept_, model.coef_[0]])
        beta[np.append(True, kept)] = _polished(values[:, kept], label, C, near)
    return beta


def _polished(X: Floats, y: Floats, C: float, beta: Floats) -> Floats:
    """Newton's last steps: lbfgs ends at the seventh digit or before, where chance is seen."""
    design = np.column_stack([np.ones(len(X)), X])
    penalty = np.append(0.0, np.full(X.shape[1], 1 / C))
    for _ in range(5):
        risk = expit(design @ beta)
        slope = design.T @ (risk - y) + penalty * beta
        hessian = design.T @ (design * (risk * (1 - risk))[:, None]) + np.diag(penalty)
        beta = beta - np.linalg.solve(hessian, slope)
    return beta


def minimise(
    X: Floats, y: Floats, C: float, max_iter: int, start: Floats | None = None
) -> tuple[Floats, int]:
    """The optimum, intercept first, shape ``(1 + feature,)``, and the number of steps.

    From the start, or the intercept alone, the column that would gain most enters; Newton's
    method settles the active ones, and a coefficient that reaches zero on its way leaves. The
    objective never rises, so no active set comes back.
    """
    beta = np.zeros(X.shape[1] + 1) if start is None else start.copy()
    if start is None:
        beta[0] = logit(y.mean())
    design = np.ones((len(X), beta.size), order="F")  # one layout: sums depend on it
    design[:, 1:] = X
    return beta, int(_minimise(design, y, C, max_iter, beta))


@kernel
def _minimise(design: Floats, y: Floats, C: float, max_iter: int, beta: Floats) -> int:
    """Moves ``beta`` to the optimum. ``design`` has shape ``(row, 1 + feature)``, ones first."""
    size = np.maximum(np.abs(design).sum(axis=0), 1e-300)
    sign = np.sign(beta)
    sign[0] = 0.0  # the intercept has no sign: it is not penalised
    for step in range(max_iter):
        fitted = 1 / (1 + np.exp(-np.dot(design, beta)))
        slope = np.dot(design.T, fitted - y)
        unsettled, best, excess = 0.0, -1, WANTED
        for j in range(beta.size):
            if j == 0 or sign[j] != 0:
                unsettled = max(unsettled, abs(slope[j] + sign[j] / C) / size[j])
            elif (abs(slope[j]) - 1 / C) / size[j] > excess:
                best, excess = j, (abs(slope[j]) - 1 / C) / size[j]
        if unsettled > SETTLED:
            _newton(design, y, C, beta, sign, slope, fitted * (1 - fitted))
        elif best < 0:
            return step
        else:
            sign[best] = -np.sign(slope[best])
    return max_iter


@kernel
def _newton(
    design: Floats,
    y: Floats,
    C: float,
    beta: Floats,
    sign: Floats,
    slope: Floats,
    curvature: Floats,
) -> None:
    """One damped step on the active columns, at most until the first coefficient reaches zero."""
    active = np.array([j for j in range(beta.size) if j == 0 or sign[j] != 0])
    part = design[:, active]
    weighted = part * np.expand_dims(curvature, 1)
    hessian = np.dot(part.T, weighted)
    ridge = 1e-12 * np.trace(hessian)  # columns may be related
    for i in range(active.size):
        hessian[i, i] += ridge
    move = np.linalg.solve(hessian, -(slope[active] + sign[active] / C))
    longest, first = 1.0, -1
    for i in range(active.size):
        j = active[i]
        if sign[j] * (beta[j] + move[i]) < 0 and -beta[j] / move[i] < longest:
            longest, first = -beta[j] / move[i], i
    before, share, old = _objective(design, y, C, beta), longest, beta[active]
    beta[active] = old + share * move
    while _objective(design, y, C, beta) > before * (1 + 1e-13) and share > 1e-9:
        share /= 2
        beta[active] = old + share * move
    if first >= 0 and share == longest:
        beta[active[first]] = 0.0
        sign[active[first]] = 0.0


@kernel
def _objective(design: Floats, y: Floats, C: float, beta: Floats) -> float:
    score = np.dot(design, beta)
    loss = np.maximum(score, 0.0) + np.log1p(np.exp(-np.abs(score))) - y * score
    return float(loss.sum() + np.abs(beta[1:]).sum() / C)
