"""Loops of ``backend: fast``, compiled by numba: arrays in, counts or sums out.

Indices are unsigned wherever a loop is hot: with signed ones numba adds a test for negative places.
"""
