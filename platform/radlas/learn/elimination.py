"""Recursive feature elimination, solved to convergence after every single feature.

With a loose tolerance the order of elimination is an accident of the solver: of 600 features 13 %
get the rank that the converged solution gives them. Solving anew for each feature is dear with
thousands of columns, so it is done in the space of the rows: with ``w = X' a`` an L2 logistic
model is a problem of ``n`` unknowns, whose kernel ``X X'`` changes by one outer product when a
feature leaves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.errors import StudyError

Floats = NDArray[np.float64]
SETTLED = 1e-12  # residual of the optimality conditions, in units of C
ROUNDING = 1e-9  # one below which no progress is rounding, in units of C
EQUAL = 1e-9  # squared weights that differ by less are equal: of those the last column leaves
ROUNDS = 200


def elimination_order(X: Floats, y: Floats, *, C: float, batch: int = 1) -> NDArray[np.int64]:
    """Columns in the order in which they leave, the worst first.

    In each round the ``batch`` columns with the smallest coefficients leave, as in scikit-learn's
    ``RFE`` around a ``LogisticRegression(C=C)`` that has converged.

    Args:
        X: Standardised features, shape ``(row, feature)``.
        y: Labels 0.0 or 1.0, both present, shape ``(row,)``.
        C: Inverse strength of the L2 penalty; the intercept is not penalised.
        batch: Columns that leave in a round, at least 1.

    Returns:
        Column numbers, shape ``(feature,)``.

    Raises:
        StudyError: The model did not settle.

    Source:
        Guyon et al. 2002, Mach Learn 46:389; the dual as in Jaakkola & Haussler 1999, AISTATS.
    """
    order, settled = _leave(np.ascontiguousarray(X.T), y, C, batch)
    if not settled:
        raise StudyError(
            f"RFE, C = {C:g}: {ROUNDS} steps were not enough",
            hint="lower `rfe_c`, or look for features with extreme values",
        )
    return order


@kernel
def _leave(rows: Floats, y: Floats, C: float, batch: int) -> tuple[NDArray[np.int64], bool]:
    """Rows are features here, so that one that leaves is overwritten by the last."""
    count, n = rows.shape
    rows, left = rows.copy(), np.arange(count)
    order = np.empty(count, np.int64)
    gram = np.dot(rows.T, rows)
    anew = count // 2  # rounding of the downdates must not grow beyond the kernel that is left
    dual, state = np.zeros(n), np.empty(2)
    share = y.mean()
    state[0] = np.log(share / (1 - share))  # intercept
    inverse, stiff = np.empty((n, n)), np.empty(n)
    _refresh(gram, dual, state[0], C, inverse, stiff)
    done = 0
    while count:
        if not _settle(gram, y, C, dual, state, inverse, stiff):
            return order, False
        weight = np.dot(rows[:count], dual) ** 2
        for _ in range(min(batch, count)):
            worst = _worst(weight[:count], left)
            order[done] = left[worst]
            done += 1
            count -= 1
            gone = rows[worst].copy()
            rows[worst], left[worst], weight[worst] = rows[count], left[count], weight[count]
            _downdate(gram, inverse, gone)
        if count < anew:
            gram[:] = np.dot(rows[:count].T, rows[:count])
            anew = count // 2
            _refresh(gram, dual, state[0], C, inverse, stiff)
    return order, True


@kernel
def _worst(weight: Floats, left: NDArray[np.int64]) -> int:
    """Position of the smallest weight; of equal ones, of the column that came last."""
    limit = weight.min() * (1 + EQUAL)
    worst = -1
    for i in range(weight.size):
        if weight[i] <= limit and (worst < 0 or left[i] > left[worst]):
            worst = i
    return worst


@kernel
def _refresh(
    gram: Floats, dual: Floats, intercept: float, C: float, inverse: Floats, stiff: Floats
) -> None:
    """Inverse of ``gram + diag(1 / (C p (1 - p)))`` at the present solution."""
    fitted = 1 / (1 + np.exp(-(np.dot(gram, dual) + intercept)))
    stiff[:] = 1 / (C * np.maximum(fitted * (1 - fitted), 1e-12))
    matrix = gram.copy()
    for i in range(stiff.size):
        matrix[i, i] += stiff[i]
    inverse[:] = np.linalg.inv(matrix)


@kernel
def _downdate(gram: Floats, inverse: Floats, gone: Floats) -> None:
    """Take one feature out of the kernel, and out of the inverse (Sherman & Morrison 1950)."""
    pulled = np.dot(inverse, gone)
    scale = 1 / (1 - np.dot(gone, pulled))
    for i in range(gone.size):
        for j in range(gone.size):
            gram[i, j] -= gone[i] * gone[j]
            inverse[i, j] += scale * pulled[i] * pulled[j]


@kernel
def _settle(
    gram: Floats,
    y: Floats,
    C: float,
    dual: Floats,
    state: Floats,
    inverse: Floats,
    stiff: Floats,
) -> bool:
    """Newton's method with a curvature that is renewed only when it has become too old.

    Solves ``dual = C (y - p)`` with ``sum(dual) = 0``, where ``p`` is the risk at ``gram @ dual``
    plus the intercept.
    """
    before, fresh, share = np.inf, False, 1.0
    step, lift = np.zeros_like(dual), 0.0
    ones = np.ones_like(dual)
    for _ in range(ROUNDS):
        fitted = 1 / (1 + np.exp(-(np.dot(gram, dual) + state[0])))
        residual = dual - C * (y - fitted)
        total = dual.sum()
        size = max(np.abs(residual).max(), abs(total) / dual.size)
        if size <= SETTLED * C:
            return True
        if size >= before and fresh:
            if size <= ROUNDING * C:
                return True
            share /= 2  # a full step of Newton's was too long
            dual -= share * step
            state[0] -= share * lift
            continue
        if size > 0.1 * before or not np.isfinite(size):
            _refresh(gram, dual, state[0], C, inverse, stiff)
            fresh = True
        before, share = size, 1.0
        wanted = np.dot(inverse, -stiff * residual)
        level = np.dot(inverse, ones)
        lift = (wanted.sum() + total) / level.sum()
        step = wanted - lift * level
        dual += step
        state[0] += lift
    return False
