"""Two spellings of one patient are seen, two patients are not taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from radlas.ingest.namesakes import namesakes

NAMES = st.sets(st.text("ab12", min_size=1, max_size=4), min_size=1, max_size=6)


@given(NAMES)
def test_names_of_other_letters_are_others(names):
    assert namesakes(names) == ()


@given(NAMES, st.sampled_from(["-", "_", " ", ".", "  "]))
def test_a_name_in_capitals_or_with_another_separator_is_found_beside_itself(names, mark):
    plain = {f"{name}-x" for name in names}
    other = {f"{name}{mark}X" for name in names}
    assert sorted(map(set, namesakes(plain | other)), key=min) == sorted(
        ({f"{name}-x", f"{name}{mark}X"} for name in names), key=min
    )


@given(st.sets(st.integers(1, 99), min_size=1, max_size=4))
def test_zeros_that_lead_any_number_of_a_name_make_no_other_patient(numbers):
    plain, filled = ({f"{form.format(one)}-x" for one in numbers} for form in ("A-{}", "A-{:04}"))
    assert {frozenset(group) for group in namesakes(plain | filled)} == {
        frozenset({f"A-{one}-x", f"A-{one:04}-x"}) for one in numbers
    }
