"""The maximal correlation coefficient: an eigenvalue, without solving for all of them in general.

``Q = D^-1 P D^-1 P`` with ``D`` the margins is similar to the square of the symmetric matrix
``S = D^-1/2 P D^-1/2``, whose largest eigenvalue is 1 with a known vector. That one is taken out;
the largest of the rest is found by Lanczos's method. Upstream adds a small number to the divisor;
what it moves is taken in by one Rayleigh quotient with its own matrix, and told if that may be too
little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.features.kernels.pairs import EPSILON

ENOUGH = 1e-9  # of a vector's residual: that of the eigenvalue is its square


@kernel
def _eigenvalues(d: NDArray[np.float64], e: NDArray[np.float64]) -> NDArray[np.float64]:
    """All eigenvalues of a tridiagonal matrix, by QL steps with Wilkinson's shift."""
    n = d.size
    for i in range(1, n):
        e[i - 1] = e[i]
    e[n - 1] = 0.0
    for k in range(n):
        for _ in range(60):
            m = k
            while m < n - 1:
                if abs(e[m]) <= EPSILON * (abs(d[m]) + abs(d[m + 1])):
                    break
                m += 1
            if m == k:
                break
            g = (d[k + 1] - d[k]) / (2 * e[k])
            r = np.sqrt(g * g + 1.0)
            g = d[m] - d[k] + e[k] / (g + (r if g >= 0 else -r))
            s = c = 1.0
            shift = 0.0
            i = m - 1
            split = False
            while i >= k:
                f, b = s * e[i], c * e[i]
                r = np.sqrt(f * f + g * g)
                e[i + 1] = r
                if r == 0:
                    d[i + 1] -= shift
                    e[m] = 0.0
                    split = True
                    break
                s, c = f / r, g / r
                g = d[i + 1] - shift
                r = (d[i] - g) * s + 2 * c * b
                shift = s * r
                d[i + 1] = g + shift
                g = c * r - b
                i -= 1
            if split:
                continue
            d[k] -= shift
            e[k] = g
            e[m] = 0.0
    return d


@kernel
def _vector(
    diagonal: NDArray[np.float64], beside: NDArray[np.float64], value: float
) -> NDArray[np.float64]:
    """Inverse iteration: Gaussian elimination with row exchange, three times."""
    n = diagonal.size
    x = np.empty(n)
    for i in range(n):
        x[i] = 1.0 + 0.1 * (i % 3)
    tiny = EPSILON * max(abs(value), 1e-3)
    for _ in range(3):
        a, b, c = diagonal - value, np.zeros(n), np.zeros(n)
        for i in range(n - 1):
            b[i] = beside[i + 1]
        for i in range(n - 1):
            under = beside[i + 1]
            if abs(a[i]) < abs(under):
                a[i], under = under, a[i]
                a[i + 1], b[i] = b[i], a[i + 1]
                c[i], b[i + 1] = b[i + 1], 0.0
                x[i], x[i + 1] = x[i + 1], x[i]
            if abs(a[i]) < tiny:
                a[i] = tiny
            factor = under / a[i]
            a[i + 1] -= factor * b[i]
            b[i + 1] -= factor * c[i]
            x[i + 1] -= factor * x[i]
        if abs(a[n - 1]) < tiny:
            a[n - 1] = tiny
        x[n - 1] /= a[n - 1]
        for i in range(n - 2, -1, -1):
            further = c[i] * x[i + 2] if i + 2 < n else 0.0
            x[i] = (x[i] - b[i] * x[i + 1] - further) / a[i]
        x /= np.sqrt((x * x).sum())
    return x


@kernel
def _lanczos(
    a: NDArray[np.float64],
    first: int,
    steps: int,
    basis: NDArray[np.float64],
    turned: NDArray[np.float64],
    d: NDArray[np.float64],
    e: NDArray[np.float64],
) -> int:
    """Further steps of Lanczos's method, each new vector held orthogonal to all before.

    Everything goes row by row in vectors; a sum along a row would wait for itself.

    Args:
        a: Symmetric, shape ``(n, n)``.
        first: Steps taken before; 0 to begin.
        steps: How many to have taken.
        basis: The vectors as rows.
        turned: The vectors as columns.
        d: Diagonal of the tridiagonal matrix.
        e: Beside it; ``e[k]`` couples ``k - 1`` and ``k``.

    Returns:
        The steps taken; fewer if the vectors already span all that the first one reaches.
    """
    n = a.shape[0]
    new, shares = np.empty(n), np.empty(n)
    if first == 0:
        length = 0.0
        for i in range(n):
            new[i] = np.sin(12.9898 * (i + 1)) + 0.5
            length += new[i] * new[i]
        for i in range(n):
            basis[0, i] = turned[i, 0] = new[i] / np.sqrt(length)
    for k in range(first, steps):
        new[:] = 0
        for j in range(n):
            part = basis[k, j]
            for i in range(n):
                new[i] += a[j, i] * part
        for again in range(2):
            shares[: k + 1] = 0
            for i in range(n):
                part = new[i]
                for j in range(k + 1):
                    shares[j] += turned[i, j] * part
            if again == 0:
                d[k] = shares[k]
            for j in range(k + 1):
                part = shares[j]
                for i in range(n):
                    new[i] -= part * basis[j, i]
        length = 0.0
        for i in range(n):
            length += new[i] * new[i]
        length = np.sqrt(length)
        if k + 1 == n or length < 1e-13:
            return k + 1
        e[k + 1] = length
        for i in range(n):
            basis[k + 1, i] = turned[i, k + 1] = new[i] / length
    return steps


@kernel
def _largest(
    a: NDArray[np.float64],
) -> tuple[float, float, NDArray[np.float64]]:
    """The eigenvalue of largest magnitude, the next, and the first one's vector."""
    n = a.shape[0]
    basis, turned = np.zeros((n + 1, n)), np.zeros((n, n + 1))
    d, e = np.zeros(n + 1), np.zeros(n + 1)
    done = 0
    while True:
        wanted = max(16, done + done // 2)
        if wanted > n - 8:
            wanted = n
        taken = _lanczos(a, done, wanted, basis, turned, d, e)
        found = _eigenvalues(d[:taken].copy(), e[:taken].copy())
        largest = second = 0.0
        for value in found:
            if abs(value) > abs(largest):
                largest, second = value, largest
            elif abs(value) > abs(second):
                second = value
        short = _vector(d[:taken], e[:taken], largest)
        left = abs(short[taken - 1]) * e[taken]
        if taken < wanted or taken == n or left < ENOUGH * abs(largest):
            vector = np.zeros(n)
            for k in range(taken):
                vector += short[k] * basis[k]
            return largest, second, vector
        done = taken


@kernel
def _refine(
    p: NDArray[np.float64],
    share: NDArray[np.float64],
    root: NDArray[np.float64],
    vector: NDArray[np.float64],
    gap: float,
) -> tuple[float, float]:
    n = share.size
    inner, image = np.zeros(n), np.zeros(n)
    for j in range(n):
        part = vector[j] / root[j]
        for i in range(n):
            inner[i] += p[j, i] * part
    for j in range(n):
        for i in range(n):
            image[i] += p[j, i] / (share[i] * share[j] + EPSILON) * inner[j]
    image *= root
    quotient = (image * vector).sum() / (vector * vector).sum()
    residual = image - quotient * vector
    left = np.sqrt((residual * residual).sum())
    return quotient, left * left / max(gap, left) if left > 0 else 0.0


@kernel
def second_eigenvalue(p: NDArray[np.float64], share: NDArray[np.float64]) -> tuple[float, float]:
    """The second largest eigenvalue of upstream's ``Q``, and a bound of its error.

    Args:
        p: Shares of pairs, symmetric, shape ``(rank, rank)``.
        share: Its margins, all above 0.
    """
    n = share.size
    root = np.sqrt(share)
    reduced = np.empty((n, n))
    over = 1 / root
    for i in range(n):
        for j in range(n):
            reduced[i, j] = p[i, j] * (over[i] * over[j]) - root[i] * root[j]
    largest, second, vector = _largest(reduced)
    if largest == 0:
        return 0.0, 0.0
    return _refine(p, share, root, vector, largest * largest - second * second)


@kernel
def second_eigenvalues(
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The second largest eigenvalue of upstream's ``Q`` for each matrix, and bounds of the errors.

    Args:
        shares: Of pairs, each matrix symmetric, shape ``(matrix, rank, rank)``.
    """
    n = shares.shape[1]
    values, errors = np.zeros(shares.shape[0]), np.zeros(shares.shape[0])
    for k in range(shares.shape[0]):
        margin = np.zeros(n)
        for i in range(n):
            margin += shares[k, i]
        present = np.flatnonzero(margin)
        if present.size < 2:
            continue
        p = np.empty((present.size, present.size))
        for i in range(present.size):
            for j in range(present.size):
                p[i, j] = shares[k, present[i], present[j]]
        values[k], errors[k] = second_eigenvalue(p, margin[present])
    return values, errors
