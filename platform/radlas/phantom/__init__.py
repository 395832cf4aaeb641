"""Synthetic multicentre cohorts with a planted, known answer."""

from radlas.phantom.cohort import CohortSummary, PhantomConfig, write_cohort

__all__ = ["CohortSummary", "PhantomConfig", "write_cohort"]
