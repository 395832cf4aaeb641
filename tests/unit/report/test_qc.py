"""The page of quality control: outlines where the masks are, the worst first, nothing fetched."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path as OutlinePath
from PIL import Image

from radlas.report.qc import Card, Trouble, render_qc
from radlas.report.qc_concerns import FLAGS, concerns_of
from radlas.report.thumbnail import busiest_slice, make_thumbnail

from .reader import parse

INGEST = Path(__file__).parents[3] / "platform" / "radlas" / "ingest"
CASE = {
    "case_id": "ab" * 16,
    "centre": "a",
    "sequence": "T2FS",
    "columns": 40,
    "rows": 30,
    "slices": 12,
    "spacing_x_mm": 0.8,
    "spacing_y_mm": 0.8,
    "spacing_z_mm": 4.0,
    "manufacturer": "ACME",
    "scanner_model": None,
    "field_strength_t": 1.5,
    "flags": "",
    "synthetic": False,
}
ROI = {
    "roi": "tumour",
    "reader": "",
    "flags": "",
    "touches_border": False,
    "misalignment_voxels": 0.0,
    "misalignment_mm": 0.0,
    "components": 1,
    "slices": 5,
    "voxels": 900,
    "volume_mm3": 2304.0,
}


def a_thumbnail(mask=None, spacing=(0.8, 0.8)):
    voxels = np.add.outer(np.arange(30), np.arange(40))
    mask = np.zeros((30, 40), bool) if mask is None else mask
    return make_thumbnail(voxels, {"tumour": mask}, spacing=spacing, number=3, slices=12)


def a_card(number: int = 0, roi=ROI, damage: str = "", **case) -> Card:
    row = CASE | {"case_id": f"{number:032x}"} | case
    view = None if damage else a_thumbnail()
    return Card(row, [roi], concerns_of(row, [roi]), view, damage)


def area_of(path: str) -> float:
    """Signed area inside all outlines of an SVG path: holes run the other way round."""
    total = 0.0
    for part in filter(None, path.split("Z")):
        points = np.array([[float(n) for n in one.split()] for one in part[1:].split(" L")])
        x, y = points[:, 0], points[:, 1]
        total += (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return abs(total)


def filled(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres the outlines enclose, by matplotlib: an outside witness."""
    y, x = np.indices(shape)
    centres = np.column_stack([x.ravel() + 0.5, y.ravel() + 0.5])
    inside = np.zeros(len(centres), bool)
    for part in filter(None, path.split("Z")):
        points = [[float(n) for n in one.split()] for one in part[1:].split(" L")]
        inside ^= OutlinePath(points).contains_points(centres)
    return inside.reshape(shape)


@given(hnp.arrays(bool, (9, 11)))
def test_outlines_enclose_the_mask_however_it_lies(mask):
    view = make_thumbnail(np.zeros(mask.shape), {"m": mask}, spacing=(1.0, 1.0), number=1, slices=1)
    np.testing.assert_array_equal(filled(view.outlines["m"], mask.shape), mask)


def test_pixels_that_are_not_square_are_drawn_in_their_shape():
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:30] = True
    view = a_thumbnail(mask, spacing=(0.5, 1.0))
    assert (view.width, view.height) == (40.0, 60.0)
    image = Image.open(io.BytesIO(base64.b64decode(view.picture.partition(",")[2])))
    assert image.size == (40, 60)
    assert area_of(view.outlines["tumour"]) == pytest.approx(2 * 200 - 2 * 0.5, abs=2)


def test_the_slice_with_most_tumour_is_shown():
    mask = np.zeros((4, 5, 5), bool)
    mask[1, 0], mask[2, :2] = True, True
    assert busiest_slice(mask) == 2


def test_every_flag_that_ingest_sets_is_explained():
    """The words stand in the sources; one without a sentence would be told as it is."""
    text = "".join(path.read_text() for path in INGEST.rglob("*.py"))
    raised = set(re.findall(r'flags \|= \{"(\w+)"\}', text)) | set(
        re.findall(r'\("(\w+)",\)(?: \* | if )', text)
    )
    raised |= set(re.findall(r'flags\.add\("(\w+)"\)', text)) | {"no_orientation", "resampled"}
    assert len(raised) > 9
    assert raised - set(FLAGS) == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"touches_border": True}, "touches the border"),
        ({"misalignment_voxels": 0.05, "misalignment_mm": 0.04}, "0.05 voxels (0.04 mm)"),
        ({"components": 3}, "3 pieces"),
        ({"slices": 1}, "1 slice only"),
        ({"voxels": 12}, "12 voxels only"),
        ({"voxels": 1}, "of 1 voxel only"),
        ({"flags": "resampled,undrawn_slices"}, "not drawn"),
    ],
)
def test_what_is_odd_is_told_with_its_numbers(change, said):
    assert any(said in one.text for one in concerns_of(CASE, [ROI | change]))
    assert not concerns_of(CASE, [ROI])


def test_of_several_readers_each_remark_says_whose_mask_it_is_about():
    first, second = (ROI | {"reader": name, "touches_border": True} for name in ("r1", "r2"))
    assert [one.text for one in concerns_of(CASE, [first, second])] == [
        "tumour of reader r1 touches the border of the image",
        "tumour of reader r2 touches the border of the image",
    ]


@pytest.mark.parametrize(("apart", "told"), [(5.0, False), (5.1, True)])
def test_slices_ten_pixels_apart_are_thick(apart, told):
    row = CASE | {"spacing_x_mm": 0.5, "spacing_y_mm": 0.6, "spacing_z_mm": apart}
    said = [one.text for one in concerns_of(row, [ROI])]
    assert said == ["slices 5.1 mm apart, pixels of 0.50 mm"] * told


@given(st.floats(0.5, 1e6))
def test_a_mask_that_was_drawn_has_a_volume(mm3):
    page = render_qc([a_card(roi=ROI | {"volume_mm3": mm3})], [], synthetic=False)
    (told,) = re.findall(r"tumour ([\d.]+) ml", page)
    assert 0 < float(told) == pytest.approx(mm3 / 1000, abs=0.0501)


def test_a_picture_names_the_outlines_that_are_drawn_on_it():
    lower, mask = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    mask[10:20, 10:20] = True
    for drawn, words in ((mask, "of tumour"), (lower, "of no ROI")):
        card = replace(a_card(), thumbnail=a_thumbnail(drawn))
        picture = parse(render_qc([card], [], synthetic=False)).all("figure")[0].all("svg")[0]
        assert picture.attributes["aria-label"].endswith(f"with the outlines {words}")
        assert len(picture.all("path")) == drawn.any()


def test_the_worst_come_first_and_damage_before_all():
    cards = [
        a_card(1),
        a_card(2, ROI | {"components": 2}),
        a_card(3, ROI | {"flags": "covers_most"}),
        a_card(4, damage="no such case"),
    ]
    page = render_qc(cards, [], synthetic=False)
    order = re.findall(r'id="case-(\w+)"', page)
    assert order == [f"{number:032x}"[:8] for number in (4, 3, 2, 1)] or len(set(order)) == 1
    figures = parse(page).all("figure")
    assert "no such case" in figures[0].words()
    assert "covers more than half" in figures[1].words()


def test_cases_that_are_not_stored_are_grouped_with_what_to_do():
    trouble = [
        Trouble("a", "ab" * 16, "quarantined", "slice_gap", "1 of 6 missing\n  in: case abab"),
        Trouble("b", "cd" * 16, "quarantined", "slice_gap", "2 of 6 missing"),
        Trouble("b", "ef" * 16, "failed", "crashed", "the process died"),
    ]
    page = render_qc([], trouble, synthetic=False)
    assert page.index("2 cases: <code>slice_gap") < page.index("1 case: <code>crashed")
    assert "export the series again, with every slice" in page
    assert "1 of 6 missing" in page
    assert page.count('<div class="scroll" role="region" tabindex="0" aria-label="Cases not') == 2


def test_what_a_reason_means_keeps_its_abbreviations():
    """RAS taken for LPS is what its reader looks for, not ras."""
    page = render_qc([], [Trouble("a", "", "quarantined", "mask_flipped", "")], synthetic=False)
    assert "The mask lies on the image only if" in page
    assert "RAS taken for LPS." in page


def test_who_has_no_picture_has_a_row_with_his_remarks_and_nothing_else():
    """A page of 4,400 pictures was 80 MB: those that want a look least are told in words."""
    listed = [replace(a_card(n, ROI | {"components": n}), thumbnail=None) for n in (1, 2)]
    page = parse(render_qc([a_card(3), *listed], [], synthetic=False))
    assert len(page.all("figure")) == len(page.all("image")) == 1
    rows = [[cell.words() for cell in row.all("td")] for row in page.all("tbody")[0].all("tr")]
    assert [row[-1] for row in rows] == ["tumour in 2 pieces", ""]
    assert "--pictures 3" in page.words()
    assert "<b>3</b> cases stored" in render_qc([a_card(3), *listed], [], synthetic=False)


def test_no_scanner_or_message_turns_its_line_around():
    """Both come from a hospital's files."""
    trouble = Trouble("b", "cd" * 16, "quarantined", "no_tumour", "found GTV\u202ederf")
    page = render_qc([a_card(1, scanner_model="Avanto\u202efit")], [trouble], synthetic=False)
    assert "\u202e" not in page
    assert "Avanto\\u202efit" in page
    assert "found GTV\\u202ederf" in page


def test_on_paper_cards_are_set_no_larger_than_sentences_and_keep_their_colours():
    """What stands in cards is a share of the page's own size, not of the sentences'."""
    printed = render_qc([a_card(1)], [], synthetic=False).partition("@media print {")[2]
    assert re.search(r"html \{ font-size: 11px; \}", printed)
    assert re.search(r"body \{ font-size: 1rem;.* print-color-adjust: exact; \}", printed)


def test_one_case_is_not_cases():
    assert "<b>1</b> case stored" in render_qc([a_card(1)], [], synthetic=False)
    assert "<b>2</b> cases stored" in render_qc([a_card(1), a_card(2)], [], synthetic=False)


def test_nothing_is_fetched_nothing_runs_and_the_same_rows_give_the_same_bytes():
    cards = [a_card(1), a_card(2, ROI | {"roi": "edema<script>"})]
    page = render_qc(cards, [], synthetic=True)
    assert page == render_qc(list(reversed(cards)), [], synthetic=True)
    assert "<script" not in page
    targets = re.findall(r"(?:href|src)=\"([^\"]*)\"|url\(([^)]*)\)", page)
    assert targets
    assert all("".join(target).startswith("data:image/jpeg") for target in targets)
    assert "Synthetic cases" in page


@given(st.integers(2, 400), st.integers(2, 400))
@settings(max_examples=20)
def test_pictures_are_as_small_as_asked(rows, columns):
    voxels = np.arange(rows * columns).reshape(rows, columns)
    view = make_thumbnail(voxels, {}, spacing=(1.0, 1.0), number=1, slices=1, longest=64)
    image = Image.open(io.BytesIO(base64.b64decode(view.picture.partition(",")[2])))
    assert max(image.size) <= 64 or max(rows, columns) <= 64


def test_what_a_row_does_not_tell_is_no_remark():
    """Rows of another program, or of an older version, may lack flags and spacing."""
    row = CASE | {"flags": None, "spacing_z_mm": None}
    assert concerns_of(row, [ROI | {"flags": None, "misalignment_voxels": None}]) == ()
