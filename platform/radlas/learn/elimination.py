"""Recursive feature elimination, solved to convergence after every single feature.

With a loose tolerance the order of elimination is an accident of the solver: of 600 features 13 %
get the rank that the converged solution gives them. Solving anew for each feature is dear with
thousands of columns, so while columns outnumber rows it is done in the space of the rows: with
``w = X' a`` an L2 logistic model is a problem of ``n`` unknowns, whose kernel ``X X'`` changes by
one outer product when a feature leaves. Once rows outnumber columns the same steps are found in
the space of those: ``(S + X X')^-1`` follows from ``(1 + X' S^-1 X)^-1`` (Woodbury 1950), from
which a feature leaves as a row and a column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.errors import StudyError

Floats = NDArray[np.float64]
# Residuals of the optimality conditions, in units of C:
SETTLED = 1e-11  # a fit has converged
CLEAR = 1e-8  # it mostly is clear already which feature leaves
ROUNDING = 1e-9  # if steps no longer lower it, that is rounding
EQUAL = 1e-9  # weights that differ by less are equal: of those the last column leaves
ROUNDS = 200
STALE = 7  # Newton steps of one fit from which on a new curvature pays for itself


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
        StudyError: The model did not converge.

    Source:
        Guyon et al. 2002, Mach Learn 46:389; the dual as in Jaakkola & Haussler 1999, AISTATS.
    """
    order, settled = _leave(np.array(X.T, order="C"), y, C, batch)
    if not settled:
        raise StudyError(
            f"RFE, C = {C:g}: not converged after {ROUNDS} steps",
            hint="lower `rfe_c`, or look for features with extreme values",
        )
    return order


@kernel
def _leave(rows: Floats, y: Floats, C: float, batch: int) -> tuple[NDArray[np.int64], bool]:
    """Rows are features here, so that one that leaves is overwritten by the last, in place."""
    count, n = rows.shape
    left, order = np.arange(count), np.empty(count, np.int64)
    dual, state = np.zeros(n), np.empty(2)
    share = y.mean()
    state[0] = np.log(share / (1 - share))  # intercept
    weight, doubt, length = np.zeros(count), np.full(count, np.inf), 0.0
    for i in range(count):
        length = max(length, np.sqrt((rows[i] ** 2).sum()))
    wide, anew, done = count > n, count + 1, 0
    table, inverse, stiff = rows, np.empty((0, 0)), np.empty(n)
    while count:
        if wide and count <= n:
            wide, anew = False, count + 1
        if count < anew:  # rounding of the downdates must not grow beyond what is left
            table = np.dot(rows[:count].T, rows[:count]) if wide else rows[:count]
            inverse, anew = np.empty((len(table), len(table))), count // 2
            fitted = _fitted(_scores(table, dual, wide), state[0])
            _refresh(table, fitted, C, inverse, stiff, wide)
        goal = CLEAR if batch == 1 else SETTLED
        while True:
            before = dual.copy()
            size = _settle(table, y, C, goal, dual, state, inverse, stiff, wide)
            if size < 0:
                return order, False
            doubt += length * np.sqrt(((dual - before) ** 2).sum())
            worst, gap = _worst(rows[:count], dual, left, weight, doubt)
            # What is left of the residual moves no weight by more than this.
            if goal == SETTLED or gap > 2 * length * np.sqrt(n) * size:
                break
            goal = SETTLED
        for _ in range(min(batch, count)):
            worst, gap = _worst(rows[:count], dual, left, weight, doubt)
            order[done] = left[worst]
            done += 1
            count -= 1
            gone = rows[worst].copy()
            rows[worst], left[worst] = rows[count], left[count]
            weight[worst], doubt[worst] = weight[count], doubt[count]
            if wide:
                _downdate(table, inverse, gone)
            else:
                table, inverse = rows[:count], _without(inverse, worst)
    return order, True


@kernel
def _worst(
    rows: Floats, dual: Floats, left: NDArray[np.int64], weight: Floats, doubt: Floats
) -> tuple[int, float]:
    """Position of the smallest weight, and how far the next is; of equal ones the last to come.

    A weight moves by no more than the longest row times the way the solution went, so most that
    were once seen to be large need not be looked at again: ``doubt`` says by how much each may be
    off.
    """
    smallest = np.inf
    for i in range(len(rows)):
        if weight[i] - doubt[i] <= smallest * (1 + EQUAL):
            weight[i], doubt[i] = abs(np.dot(rows[i], dual)), 0.0
            smallest = min(smallest, weight[i])
    worst = -1
    for i in range(len(rows)):
        equal = doubt[i] == 0 and weight[i] <= smallest * (1 + EQUAL)
        if equal and (worst < 0 or left[i] > left[worst]):
            worst = i
    gap = np.inf
    for i in range(len(rows)):
        if i != worst:
            gap = min(gap, weight[i] - doubt[i] - smallest)
    return worst, gap


@kernel
def _scores(table: Floats, dual: Floats, wide: bool) -> Floats:
    """``X X' dual``; the table is that kernel where it is wide, else ``X'``."""
    pulled: Floats = np.dot(table, dual)
    return pulled if wide else np.dot(pulled, table)


@kernel
def _fitted(score: Floats, intercept: float) -> Floats:
    risk: Floats = 1 / (1 + np.exp(-(score + intercept)))
    return risk


@kernel
def _refresh(
    table: Floats, fitted: Floats, C: float, inverse: Floats, stiff: Floats, wide: bool
) -> None:
    """Inverse, with ``S = diag(1 / (C p (1 - p)))``, of ``S + X X'`` or of ``1 + X' S^-1 X``."""
    stiff[:] = 1 / (C * np.maximum(fitted * (1 - fitted), 1e-12))
    if wide:
        matrix = table.copy()
        for i in range(len(table)):
            matrix[i, i] += stiff[i]
    else:
        matrix = np.dot(table / stiff, table.T)
        for i in range(len(table)):
            matrix[i, i] += 1
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
def _without(inverse: Floats, gone: int) -> Floats:
    """Inverse of the matrix without one row and column, whose place the last ones take."""
    last = len(inverse) - 1
    smaller, pulled = np.empty((last, last)), inverse[gone]
    for i in range(last):
        source = inverse[last if i == gone else i]
        share = source[gone] / pulled[gone]
        for j in range(last):
            smaller[i, j] = source[j] - share * pulled[j]
        if gone < last:
            smaller[i, gone] = source[last] - share * pulled[last]
    return smaller


@kernel
def _settle(
    table: Floats,
    y: Floats,
    C: float,
    goal: float,
    dual: Floats,
    state: Floats,
    inverse: Floats,
    stiff: Floats,
    wide: bool,
) -> float:
    """Newton's method with a curvature that is renewed only when it has become too old.

    Ends at a residual of ``goal`` times C or less, and returns it; -1 if it was not reached.

    Solves ``dual = C (y - p)`` with ``sum(dual) = 0``, where ``p`` is the risk at ``X X' dual``
    plus the intercept.
    """
    before, fresh, share = np.inf, False, 1.0
    step, moved, lift = np.zeros_like(dual), np.zeros_like(dual), 0.0
    score = _scores(table, dual, wide)
    border = np.ones_like(dual) if wide else np.dot(table, 1 / stiff)
    level = np.dot(inverse, border)
    for used in range(ROUNDS):
        fitted = _fitted(score, state[0])
        residual = dual - C * (y - fitted)
        total = dual.sum()
        size = max(np.abs(residual).max(), abs(total) / dual.size)
        if size <= goal * C:
            if used > STALE:
                _refresh(table, fitted, C, inverse, stiff, wide)
            return float(size)
        if size >= before and fresh:
            if size <= ROUNDING * C:
                return float(size)
            share /= 2  # a full step of Newton's was too long
            dual -= share * step
            score -= share * moved
            state[0] -= share * lift
            continue
        if size > 0.3 * before or not np.isfinite(size):
            _refresh(table, fitted, C, inverse, stiff, wide)
            fresh = True
            if not wide:
                border = np.dot(table, 1 / stiff)
            level = np.dot(inverse, border)
        before, share = size, 1.0
        if wide:
            wanted = np.dot(inverse, -stiff * residual)
            lift = (wanted.sum() + total) / level.sum()
            step = wanted - lift * level
            moved = np.dot(table, step)
        else:
            wanted = np.dot(inverse, np.dot(table, -residual))
            own = (1 / stiff).sum() - np.dot(border, level)
            lift = (total - residual.sum() - np.dot(border, wanted)) / own
            moved = np.dot(wanted - lift * level, table)
            step = -residual - (moved + lift) / stiff
        dual += step
        score += moved
        state[0] += lift
    return -1.0
