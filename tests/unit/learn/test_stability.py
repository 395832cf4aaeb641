from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from radlas.errors import StudyError
from radlas.learn.fit import fit_model, fit_part
from radlas.learn.parts import DRAWS, Part, assemble, parts
from radlas.learn.stability import bootstrap_samples, nogueira, resampled_risks, stability


def rows_as(text: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in text.split()])


def test_the_index_of_published_and_of_plain_sets():
    assert nogueira(rows_as("11000 10100 11000 10010"))["index"] == pytest.approx(0.30556, abs=1e-5)
    same = nogueira(rows_as("1100 1100 1100"))
    assert (same["index"], same["interval"]) == (1.0, [1.0, 1.0])
    assert nogueira(rows_as("1111 1111"))["index"] is None


def test_random_sets_have_an_index_around_0():
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.permutation(100) < 10 for _ in range(300)])
    found = nogueira(drawn)
    assert abs(found["index"]) < 0.01
    assert found["interval"][0] < 0 < found["interval"][1] + 0.005


@pytest.mark.parametrize("samples", [2, 3, 8])
def test_of_sets_of_one_size_the_index_is_the_mean_of_kunchevas_over_pairs(samples):
    """Kuncheva 2007: what two sets share beyond chance, of what they could."""
    rng = np.random.default_rng(samples)
    drawn = np.stack([rng.permutation(20) < 6 for _ in range(samples)])
    rng = 6 * 6 / 20
    pairs = [((a & b).sum() - rng) / (6 - rng) for a, b in combinations(drawn, 2)]
    assert nogueira(drawn)["index"] == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_of_the_index_is_as_wide_as_the_jackknife_makes_it(alpha):
    """Sets of unequal sizes, some features favoured."""
    rng = np.random.default_rng(0)
    drawn = rng.random((400, 30)) < rng.beta(0.5, 1.0, 30) * rng.uniform(0.5, 1, (400, 1))
    found = nogueira(drawn, alpha=alpha)
    left = [nogueira(np.delete(drawn, one, axis=0))["index"] for one in range(400)]
    reach = norm.isf(alpha / 2) * np.sqrt(399 / 400 * np.sum((left - np.mean(left)) ** 2))
    low, high = found["interval"]
    assert (found["index"] - low, high - found["index"]) == pytest.approx((reach,) * 2, rel=0.01)


def test_subjects_are_drawn_whole_inside_their_class_and_by_number():
    subjects, labels = np.repeat([f"s{i}" for i in range(10)], 2), np.repeat([0, 1], 10)
    first, second, again = (
        next(bootstrap_samples(subjects, labels, draws=range(n, n + 1), seed=1))[1]
        for n in (0, 1, 0)
    )
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(second)
    assert labels[first].sum() == 10
    _, counts = np.unique(subjects[first], return_counts=True)
    assert (counts % 2 == 0).all()


def test_a_sample_to_be_harmonised_holds_three_patients_of_every_centre():
    """Only samples that do not are others than without that wish; the small are no part of two."""
    subjects, labels = np.array([f"s{i:02d}" for i in range(40)]), np.arange(40) % 2
    centres = np.where(np.arange(40) < 5, "small", np.where(np.arange(40) < 22, "large", "other"))
    free, bound = (
        [
            rows
            for _, rows in bootstrap_samples(
                subjects, labels, draws=range(60), seed=1, centres=wish
            )
        ]
        for wish in (None, centres)
    )
    held = [len(set(rows[rows < 5])) >= 3 for rows in free]
    assert 0 < sum(held) < 60
    assert all(len(set(rows[rows < 5])) >= 3 for rows in bound)
    for kept, one, other in zip(held, free, bound, strict=True):
        assert np.array_equal(one, other) == kept


def test_a_centre_of_two_cannot_be_resampled():
    subjects, labels = np.array([f"s{i}" for i in range(8)]), np.arange(8) % 2
    centres = np.array(list("aabbbbbb"))
    with pytest.raises(StudyError, match="fewer than 3 patients of a centre"):
        next(bootstrap_samples(subjects, labels, draws=range(1), seed=1, centres=centres))


def test_a_signature_is_held_against_the_fits():
    fits = [
        {"tumour__original__glcm_A": 1.0, "whole__layer4__001": 0.5},
        {"tumour__original__glcm_B": -1.0},
        {"tumour__original__glcm_A": -2.0},
        {},
    ]
    blocks = dict.fromkeys(("tumour__original__glcm_A", "tumour__original__glcm_B"), "tumour")
    blocks |= {"whole__layer4__001": "deep", "whole__layer4__002": "deep"}
    cluster = dict.fromkeys(list(blocks)[:2], "tumour__original__glcm_A")
    found = stability(fits, {"tumour__original__glcm_A": 0.7}, cluster, blocks)
    (row,) = found["features"]
    assert (row["selected"], row["cluster_selected"], row["agrees"]) == (0.5, 0.75, 0.5)
    assert row["size"] == 2
    assert found["blocks"]["tumour"] + found["blocks"]["deep"] == pytest.approx(1)
    assert found["families"]["glcm"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_fits_that_select_nothing_have_no_shares_and_no_index():
    blocks = {"tumour__original__glcm_A": "tumour", "whole__layer4__001": "deep"}
    found = stability([{}, {}], {}, {}, blocks)
    assert found["blocks"] == {"tumour": 0.0, "deep": 0.0}
    assert found["families"] == {"glcm": 0.0, "deep": 0.0}
    assert found["nogueira"]["index"] is None


def test_parts_may_be_done_in_any_order(cohort, study):
    asked = study.stability.model_copy(update={"bootstraps": 4})
    study = study.model_copy(update={"stability": asked})
    rows = cohort.rows(study)
    every = (Part(repeats=(0,)), Part(repeats=(1,)), Part(draws=(0, 4)), Part(final=True))
    done = [fit_part(rows, part, study) for part in every]
    whole = assemble(study, "dlr", [fit_part(rows, part, study) for part in parts(study, "dlr")])
    back = assemble(study, "dlr", done[::-1])
    assert whole.digest() == back.digest()
    assert whole.oof.equals(back.oof)
    assert whole.stability == back.stability
    assert whole.resamples.equals(back.resamples)
    assert whole.stability["samples"] == 4


def test_every_draw_is_in_one_part(study):
    asked = study.stability.model_copy(update={"bootstraps": 2 * DRAWS + 1})
    study = study.model_copy(update={"stability": asked})
    drawn = [n for part in parts(study, "dlr") for n in range(*part.draws)]
    assert drawn == list(range(2 * DRAWS + 1))
    assert not any(part.draws[1] for part in parts(study, "intratumoral"))
    assert sum(part.final for part in parts(study, "intratumoral")) == 1


def test_resampled_risks_are_those_of_the_resampled_pipelines(cohort, study):
    asked = study.stability.model_copy(update={"bootstraps": 3})
    study = study.model_copy(update={"stability": asked})
    model = fit_model(cohort.X, cohort.y, cohort.subjects, cohort.centres, study, "dlr")
    risks = resampled_risks(model.resamples, cohort.X)
    assert risks.shape == (72, 3)
    assert risks.to_numpy().min() > 0
    assert np.corrcoef(risks.mean(axis=1), model.risk(cohort.X))[0, 1] > 0.8
