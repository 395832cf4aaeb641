"""What is counted is said as a person would."""

import pytest

from radlas.words import counted, tallied


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("case",), "0 cases"),
        (1, ("case",), "1 case"),
        (1200, ("row",), "1200 rows"),
        (1, ("series", "series"), "1 series"),
        (2, ("series", "series"), "2 series"),
    ],
)
def test_one_is_one_and_all_others_are_many(number, words, said):
    assert counted(number, *words) == said


def test_of_nothing_nothing_is_said():
    told = tallied({"hidden, passed over": 1, "no DICOM, ignored": 0, "sent twice": 2}, "file")
    assert told == ("1 file: hidden, passed over", "2 files: sent twice")
