from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from radlas.errors import StudyError
from radlas.learn.combat import combat, spread_within
from radlas.learn.harmonise import Harmoniser, with_centres

NAMES = [f"tumour__original__glcm_F{i}" for i in range(8)]
EXTRA = ["tumour__original__shape_MeshVolume", "clinical__sex__F"]


def rows(seed: int = 0, n: int = 90, centres: str = "abc") -> pd.DataFrame:
    """Centres that differ in location and scale; two columns that no scanner touches."""
    rng = np.random.default_rng(seed)
    where = np.array([centres[i % len(centres)] for i in range(n)])
    values = rng.normal(size=(n, 8)) * (1 + (where == "b"))[:, None] + 3.0 * (where == "c")[:, None]
    values[where == "new"[0]] = values[where == "new"[0]] * 2 - 5
    frame = pd.DataFrame(values, columns=NAMES, index=[f"case{i:03d}" for i in range(n)])
    frame[EXTRA[0]] = rng.random(n) * 100
    frame[EXTRA[1]] = rng.integers(0, 2, n).astype(float)
    return with_centres(frame, where)


def fitted(**settings) -> Harmoniser:
    return Harmoniser(**settings).set_output(transform="pandas").fit(rows())


def test_training_rows_are_those_of_combat():
    X = rows()
    where = X.index.get_level_values("centre")
    found = fitted().transform(X)
    np.testing.assert_allclose(found[NAMES], combat(X[NAMES], where), atol=1e-9)
    assert found.index.equals(X.index)


def test_form_and_record_are_left_alone():
    X = rows()
    for method in ("combat", "per_centre_z"):
        pd.testing.assert_frame_equal(fitted(method=method).transform(X)[EXTRA], X[EXTRA])


def test_new_rows_of_a_known_centre_move_as_those_did_that_were_fitted():
    """One by one or together: what is known of a centre does not depend on the company."""
    step, X = fitted(), rows(1)
    alone = pd.concat([step.transform(X.iloc[[i]]) for i in range(len(X))])
    pd.testing.assert_frame_equal(alone, step.transform(X))


def test_z_scores_have_mean_0_and_deviation_1_inside_each_centre():
    found = fitted(method="per_centre_z").transform(rows())[NAMES]
    by_centre = found.groupby(level="centre")
    np.testing.assert_allclose(by_centre.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(by_centre.std(ddof=0), 1, atol=1e-12)


@pytest.mark.parametrize("method", ["combat", "per_centre_z"])
def test_a_column_that_is_one_value_in_a_centre_is_not_stretched_there(method):
    X = rows(n=91)
    X.loc[X.index.get_level_values("centre") == "a", NAMES[0]] = 0.1
    step = Harmoniser(method).fit(X)
    factor, offset = step.centre_transforms(X)["a"]
    where = X.index.get_level_values("centre").to_numpy().astype(str)
    size = spread_within(X[NAMES].to_numpy(), where)[0]  # as it is in the other centres
    assert factor[0] == (1 if method == "combat" else 1 / size)
    assert abs(offset[0]) < 10


@pytest.mark.parametrize("method", ["combat", "per_centre_z"])
@pytest.mark.parametrize("seed", range(5))
def test_a_column_that_tells_the_centre_alone_tells_nothing_afterwards(method, seed):
    """What rounding leaves of the centres is tiny, but a z-score would make it large again."""
    X = rows(seed)
    where = X.index.get_level_values("centre")
    place = np.unique(where, return_inverse=True)[1]
    X[NAMES[3]] = np.random.default_rng(seed).normal(size=3)[place]
    step = Harmoniser(method=method, on_unseen="raw").set_output(transform="pandas").fit(X)
    assert np.ptp(step.transform(X)[NAMES[3]]) == 0
    others = [name for name in NAMES if name != NAMES[3]]
    assert (np.ptp(step.transform(X)[others], axis=0) > 1).all()


@pytest.mark.parametrize("method", ["combat", "per_centre_z"])
def test_a_new_centre_is_refused_unless_the_study_says_what_it_means(method):
    with pytest.raises(StudyError, match="centre n was not among those harmonised: a, b, c"):
        fitted(method=method).transform(rows(2, centres="n"))


def test_raw_takes_a_new_centre_as_it_is():
    X = rows(2, centres="n")
    pd.testing.assert_frame_equal(fitted(on_unseen="raw").transform(X), X)


def test_raw_z_scores_of_a_new_centre_are_those_of_all_training_rows_taken_as_one():
    X = rows()
    step = fitted(method="per_centre_z", on_unseen="raw")
    found = step.transform(with_centres(X.droplevel("centre"), np.full(len(X), "n")))
    np.testing.assert_allclose(found[NAMES].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(found[NAMES].std(ddof=0), 1, atol=1e-12)
    np.testing.assert_array_equal(found[EXTRA], X[EXTRA])


def test_adapting_is_combat_towards_the_harmonised_training_rows():
    X, new = rows(), rows(2, centres="n")
    step = fitted(on_unseen="adapt")
    pool = step.transform(X)[NAMES]
    together = np.vstack([pool, new[NAMES]])
    where = np.repeat(["pool", "new"], [len(pool), len(new)])
    expected = combat(together, where, reference="pool")[len(pool) :]
    np.testing.assert_allclose(step.transform(new)[NAMES], expected, atol=1e-9)


def test_adapting_brings_a_new_scanner_to_the_training_rows():
    X, new = rows(), rows(2, centres="n")
    step = fitted(on_unseen="adapt")
    gap = step.transform(new)[NAMES].mean() - step.transform(X)[NAMES].mean()
    before = new[NAMES].mean() - step.transform(X)[NAMES].mean()
    assert gap.abs().max() < 0.2 * before.abs().min()


@pytest.mark.parametrize("method", ["combat", "per_centre_z"])
def test_another_share_of_positives_is_taken_for_the_scanner(method):
    """What the verdict says of a centre that is adapted to. Positives are higher everywhere."""
    rng = np.random.default_rng(5)

    def centre(name: str, share: float) -> tuple[pd.DataFrame, np.ndarray]:
        label = np.arange(200) < 200 * share
        values = pd.DataFrame(rng.normal(size=(200, 8)) + label[:, None], columns=NAMES)
        return with_centres(values, np.full(200, name)), label

    (one, here), (other, there) = centre("a", 0.5), centre("b", 0.5)
    step = Harmoniser(method=method, on_unseen="adapt").set_output(transform="pandas")
    pool, label = step.fit_transform(pd.concat([one, other])), np.concatenate([here, there])
    for share, too_high in ((0.1, True), (0.9, False)):
        X, new = centre("new", share)
        moved = step.transform(X)
        for kind in (True, False):
            gap = moved[new == kind].to_numpy().mean() - pool[label == kind].to_numpy().mean()
            assert (gap > 0.2) if too_high else (gap < -0.2)


def test_too_few_rows_cannot_be_adapted_to():
    with pytest.raises(StudyError, match="5 rows of the new centre n, 20 are needed"):
        fitted(on_unseen="adapt").transform(rows(2, n=5, centres="n"))


def test_rows_must_tell_their_centre():
    with pytest.raises(StudyError, match="the rows do not tell their centre"):
        Harmoniser().fit(rows().reset_index("centre", drop=True))


def test_missing_values_stay_missing():
    X = rows()
    X.iloc[4, 1] = np.nan
    found = Harmoniser().set_output(transform="pandas").fit_transform(X)
    assert found.isna().to_numpy().sum() == 1


@pytest.mark.parametrize("method", ["combat", "per_centre_z"])
def test_a_training_centre_of_two_rows_is_no_centre_to_learn(method):
    X = pd.concat([rows(), rows(1, n=2, centres="d")])
    with pytest.raises(StudyError, match="2 rows of the training centre d, 3 are needed"):
        Harmoniser(method).fit(X)


@pytest.mark.parametrize("known", [0, 1, 4])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_z_scores_of_later_rows_know_no_unit_though_a_centre_had_no_value_or_one(known, unit):
    """Nobody of the centre had a ring: a later patient's energy of 1e6 was a z-score of 1e6."""
    rng = np.random.default_rng(4)
    values = 5 + rng.normal(size=(30, 2))
    values[known:10, 0] = np.nan
    values[:known, 0] = 6.0
    where = np.repeat(["a", "b", "c"], 10)
    names = ["ring_0_10__original__firstorder_Energy", "ring_0_10__original__firstorder_Mean"]

    def of(rows, centres):
        return with_centres(pd.DataFrame(rows * unit, columns=names), centres)

    step = Harmoniser("per_centre_z").fit(of(values, where))
    seen = step.transform(of(values, where))
    assert np.nanstd(seen[:10, 0]) == pytest.approx(0) if known else np.isnan(seen[:10, 0]).all()
    later = step.transform(of(np.array([[6.0, 5.0], [8.0, 5.0]]), ["a", "a"]))[:, 0]
    others = values[10:, 0].reshape(2, 10)
    spread = np.sqrt(np.concatenate([(others - others.mean(1, keepdims=True)).ravel()]).var())
    if known:  # those of the centre had 6
        weights = 20 / (20 + known)
        np.testing.assert_allclose(later, [0, 2 / (spread * np.sqrt(weights))], atol=1e-9)
    else:
        np.testing.assert_allclose(later, (np.array([6.0, 8.0]) - others.mean()) / spread)
