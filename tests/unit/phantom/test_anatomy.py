"""What the simulated scanners see."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from radlas.phantom.anatomy import Exam, make_exam, site_centre
from radlas.phantom.noise import sampling_of, smooth_noise
from radlas.phantom.scanners import SCANNER_OF, SCANNERS, T1, exam_grid, field_of_view
from radlas.phantom.subjects import STRENGTHS, Subject, make_subject, plan_subjects

COARSE = (2, 3, 3)


@cache
def exams() -> list[tuple[Subject, Exam]]:
    """About 40 subjects on a coarse grid."""
    return [
        (one, make_exam(one, SCANNER_OF[one.centre], every=COARSE))
        for one in plan_subjects(39, seed=12)
    ]


def body_of(exam: Exam) -> NDArray[np.bool_]:
    """Inside of the largest bright thing, bone holes and all, a few millimetres generous."""
    smooth = ndimage.uniform_filter(exam.volume.voxels.astype(float), (1, 5, 5))
    muscle = np.median(smooth[(exam.tumour < -14) & (exam.tumour > -26)])
    filled = [ndimage.binary_fill_holes(plane) for plane in smooth > 0.3 * muscle]
    return np.stack(filled)


def measured(exam: Exam) -> tuple[float, float, float]:
    """Plain statistics of the mass, of the 10 mm around it, and of muscle far away."""
    voxels = exam.volume.voxels.astype(float)
    outside, mass = -exam.tumour, exam.tumour > 0
    smooth = ndimage.uniform_filter(voxels, (1, 3, 3))
    muscle = np.median(voxels[(outside > 14) & (outside < 26) & (smooth > smooth[mass].mean() / 9)])
    lower, middle, upper = np.percentile(voxels[mass], [25, 50, 75])
    ring = (outside > 0) & (outside < 10) & (smooth > 0.5 * muscle)
    body = ndimage.binary_erosion(smooth > 0.5 * muscle, np.ones((1, 3, 3)), iterations=4)
    far = body & (outside > 20) & (smooth < 1.6 * muscle)
    streaks = np.median(np.abs((voxels - smooth)[far])) / np.median(voxels[far])
    return (
        float(np.log((upper - lower) / middle)),
        float(np.log(np.median(voxels[ring]) / muscle)),
        float(np.log(streaks)),
    )


@cache
def statistics() -> NDArray[np.float64]:
    """Measured statistics by subject, shape ``(subject, 3)``, scaled within each centre."""
    values = np.array([measured(exam) for _, exam in exams()])
    centres = np.array([subject.centre for subject, _ in exams()])
    for centre in set(centres):
        own = values[centres == centre]
        values[centres == centre] = (own - own.mean(axis=0)) / own.std(axis=0)
    return values


def auc(scores: NDArray[np.float64]) -> float:
    high = np.array([subject.grade == "high" for subject, _ in exams()])
    wins = scores[high][:, None] - scores[~high][None, :]
    return float((wins > 0).mean())


@pytest.mark.parametrize(("column", "signal"), list(enumerate(STRENGTHS)))
def test_each_planted_signal_can_be_measured_from_voxels(column: int, signal: str):
    planted = [getattr(subject, signal) for subject, _ in exams()]
    assert stats.spearmanr(statistics()[:, column], planted).statistic > 0.65


def test_grade_shows_better_with_every_signal_added():
    """A sum weighted by the stated strengths: nothing is fitted, so nothing is optimistic."""
    weighted = statistics() * list(STRENGTHS.values())
    intra, both, everything = (auc(weighted[:, :count].sum(axis=1)) for count in (1, 2, 3))
    assert 0.6 < intra < both < everything


def test_the_mass_lies_inside_the_body():
    for subject, exam in exams():
        assert (body_of(exam) | ~(exam.tumour > 0)).all(), subject.name


def test_the_mass_has_a_plausible_size():
    for subject, exam in exams():
        litres = (exam.tumour > 0).sum() * exam.volume.geometry.voxel_volume / 1e6
        assert 0.004 < litres < 0.130, subject.name


def test_edema_contains_the_mass_and_more():
    drawn = [exam for _, exam in exams() if exam.edema is not None]
    for exam in drawn:
        mass, edema = exam.tumour > 0, exam.edema > 0
        assert not (mass & ~edema).any()
        assert edema.sum() > 1.2 * mass.sum()


def test_edema_is_drawn_in_most_subjects_but_not_in_all():
    drawn = [exam.edema is not None for _, exam in exams()]
    assert 0.5 < np.mean(drawn) < 1


def test_the_mass_is_brighter_than_muscle_on_fat_suppressed_images():
    for subject, exam in exams():
        voxels, outside = exam.volume.voxels, -exam.tumour
        muscle = np.median(voxels[body_of(exam) & (outside > 14) & (outside < 26)])
        assert np.median(voxels[exam.tumour > 0]) > 2 * muscle, subject.name


SUBJECT, SCANNER = make_subject(SCANNERS[1], 3, seed=8), SCANNERS[1]


def test_the_deep_signal_changes_nothing_near_the_mass():
    here = make_exam(SUBJECT, SCANNER, every=COARSE)
    there = make_exam(dataclasses.replace(SUBJECT, deep=3.0), SCANNER, every=COARSE)
    near = here.tumour > -12
    moved = here.volume.voxels != there.volume.voxels
    assert not moved[near].any()
    assert moved[~near].mean() > 0.1


def test_the_ring_signal_changes_nothing_inside_the_mass_or_far_from_it():
    here = make_exam(SUBJECT, SCANNER, every=COARSE)
    there = make_exam(dataclasses.replace(SUBJECT, ring=3.0), SCANNER, every=COARSE)
    moved = here.volume.voxels != there.volume.voxels
    assert not moved[here.tumour > 1.0].any()
    assert not moved[here.tumour < -20].any()
    assert moved[(here.tumour < -1) & (here.tumour > -6)].mean() > 0.5


def test_the_intratumoral_signal_changes_nothing_outside_the_mass():
    here = make_exam(SUBJECT, SCANNER, every=COARSE)
    there = make_exam(dataclasses.replace(SUBJECT, intratumoral=3.0), SCANNER, every=COARSE)
    moved = here.volume.voxels != there.volume.voxels
    assert not moved[here.tumour < -1.0].any()
    assert moved[here.tumour > 1.0].mean() > 0.5


def test_a_coarser_companion_shows_the_same_patient():
    """Every second pixel of the outline, and T1 contrast makes fat the brightest tissue."""
    fine = make_exam(SUBJECT, SCANNER)
    coarse = make_exam(SUBJECT, SCANNER, contrast=T1, every=(1, 2, 2))
    np.testing.assert_allclose(coarse.tumour, fine.tumour[:, ::2, ::2], atol=2e-3)
    np.testing.assert_allclose(
        coarse.volume.geometry.affine[:3, 3], fine.volume.geometry.affine[:3, 3]
    )
    voxels = coarse.volume.voxels
    assert np.percentile(voxels, 99) > 1.5 * np.median(voxels[coarse.tumour > 0])


def test_only_the_third_centre_is_truly_oblique():
    for scanner in SCANNERS:
        for number in range(1, 9):
            subject = make_subject(scanner, number, seed=0)
            grid = exam_grid(scanner, subject.stream(4), centre=site_centre(subject))
            low, high = scanner.tilt_deg
            assert low - 1e-3 <= grid.obliquity <= high + 1e-3
            np.testing.assert_allclose(
                grid.affine @ [*(np.array(grid.shape[::-1]) - 1) / 2, 1],
                [*site_centre(subject), 1],
                atol=1e-9,
            )


def test_smooth_noise_is_standard_and_as_smooth_as_asked():
    """Two points a distance d apart correlate as exp(-d^2 / 4 sigma^2)."""
    scanner = SCANNERS[1]
    grid = exam_grid(scanner, np.random.default_rng(0), centre=(0, 0, 0), every=(4, 1, 1))
    sampling = sampling_of(grid, centre=(0, 0, 0), half=field_of_view(scanner))
    field = smooth_noise(np.random.default_rng(1), sampling, (2.0, 1.5, 1.5))
    assert field.mean() == pytest.approx(0, abs=0.05)
    assert field.std() == pytest.approx(1, abs=0.05)
    apart = np.corrcoef(field[:, :, :-4].ravel(), field[:, :, 4:].ravel())[0, 1]
    assert apart == pytest.approx(np.exp(-((4 * 0.5) ** 2) / (4 * 1.5**2)), abs=0.05)


def test_the_same_field_is_seen_through_a_window():
    scanner = SCANNERS[0]
    grid = exam_grid(scanner, np.random.default_rng(0), centre=(0, 0, 0))
    sampling = sampling_of(grid, centre=(0, 0, 0), half=field_of_view(scanner))
    window = (slice(40, 90), slice(100, 130))
    whole = smooth_noise(np.random.default_rng(2), sampling, (6, 3, 3))
    part = smooth_noise(np.random.default_rng(2), sampling, (6, 3, 3), window)
    np.testing.assert_allclose(part, whole[(slice(None), *window)], atol=1e-5)
