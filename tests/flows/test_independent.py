"""What is told of patients of whom a cohort holds several cases."""

from __future__ import annotations

import pandas as pd
import pytest

from radlas.errors import StudyError
from radlas.flows.study.dataset import _check_independent


def test_several_cases_of_a_subject_are_told_with_both_ways_to_choose_one():
    """A round of retraining freezes its own cohort: to make a snapshot by hand is no help there."""
    header = pd.DataFrame({"subject_id": ["a", "a", "b"]})
    with pytest.raises(StudyError, match="several cases of 1 subject") as caught:
        _check_independent(header, "snapshot retrain@1")
    assert "radlas snapshot create NAME --cohort" in caught.value.hint
    assert "`cohort` in its file" in caught.value.hint
