"""The page of quality control, from a store to a browser."""

from __future__ import annotations

import re
import shutil
from importlib.resources import files

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from radlas.flows import qc
from radlas.report.figures import ground as figures
from radlas.report.pages import style_sheet
from radlas.volumes.zarr import volume_name

from ..browser import visit
from .conftest import radlas


def test_the_page_shows_every_case_of_the_store(study_store, tmp_path):
    said = radlas("qc", "--store", study_store, "--out", tmp_path / "qc.html", "--engine", "serial")
    assert said.code == 0, said.err
    page = (tmp_path / "qc.html").read_text()
    assert len(set(re.findall(r'id="case-(\w{8})"', page))) == 18
    assert page.count("data:image/jpeg") == 18
    assert "Synthetic cases" in page
    assert "Every case that was found is stored" in page


def test_of_many_cases_the_worst_are_drawn_and_all_are_told(study_store, tmp_path, monkeypatch):
    """No image is read but of those that are drawn."""
    words = ("qc", "--store", study_store, "--engine", "serial", "--json")
    radlas(*words, "--out", tmp_path / "all.html")
    order = re.findall(r'id="case-(\w{8})"', (tmp_path / "all.html").read_text())
    read, drawn = list[str](), qc.case_thumbnail

    def thumbnail(place, case_id, pixels, **seen):
        read.append(case_id[:8])
        return drawn(place, case_id, pixels, **seen)

    monkeypatch.setattr(qc, "case_thumbnail", thumbnail)
    said = radlas(*words, "--out", tmp_path / "few.html", "--pictures", 5)
    assert (said.data["cases"], said.data["pictures"]) == (18, 5)
    page = (tmp_path / "few.html").read_text()
    assert read == re.findall(r'id="case-(\w{8})"', page) == order[:5]
    assert re.findall(r'<tr><td class="id">(\w{8})</td>', page) == order[5:]
    assert page.count("data:image/jpeg") == 5


def test_one_centre_can_be_asked_for_and_a_wrong_one_is_told(study_store, tmp_path):
    out = tmp_path / "b.html"
    words = ("--store", study_store, "--out", out, "--engine", "serial", "--json")
    said = radlas("qc", *words, "--centre", "centre-b")
    assert 0 < said.data["cases"] < 18
    assert radlas("qc", *words, "--centre", "nowhere").code == 2
    assert radlas("qc", "--store", study_store, "--out", tmp_path / "no" / "x.html").code == 2


def test_a_damaged_volume_stands_first_and_the_others_are_shown(own_store, tmp_path):
    case = sorted(path.stem for path in own_store.glob("volumes/*/*.zarr"))[7]
    shutil.rmtree(own_store / volume_name(case) / "image")
    said = radlas("qc", "--store", own_store, "--out", tmp_path / "qc.html", "--engine", "serial")
    assert said.code == 1
    assert "1 damaged" in said.out
    page = (tmp_path / "qc.html").read_text()
    assert re.findall(r'id="case-(\w{8})"', page)[0] == case[:8]
    assert page.count("data:image/jpeg") == 17


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPI", "PSR", "SLP"])
def test_a_patient_is_seen_alike_however_the_file_runs_and_the_sides_are_named(
    orientation, tmp_path
):
    """The picture of a file that runs to the right and the front lay on its head, and mirrored."""
    pages = []
    for turn in ("LPS", orientation):
        store, source = tmp_path / f"{turn}-store", tmp_path / turn
        source.mkdir()
        for what, array in zip(("image", "mask"), lopsided(), strict=True):
            image = SimpleITK.GetImageFromArray(array)
            image.SetSpacing((1, 1, 4))
            SimpleITK.WriteImage(
                SimpleITK.DICOMOrient(image, turn), str(source / f"P1_{what}.nii.gz")
            )
        pages.append(page_of(source, store))
    alike = r'href="data:[^"]+"|<path d="[^"]+"|<text [^>]*>\w|the patient[^"]+top"'
    upright, turned = (re.findall(alike, page) for page in pages)
    assert upright == turned
    assert "the patient's right side is at the left, the front at the top\"" in upright[0]
    assert [one[-1] for one in upright if one.startswith("<text")] == ["R", "A"]


def test_no_side_is_named_where_the_file_does_not_say_how_the_patient_lay(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for what, array in zip(("image", "mask"), lopsided(), strict=True):
        path = source / f"P1_{what}.mha"
        kind = {"int16": "MET_SHORT", "uint8": "MET_UCHAR"}[str(array.dtype)]
        header = "ObjectType = Image\nNDims = 3\nDimSize = 24 20 6\nElementSpacing = 1 1 4\n"
        path.write_bytes(f"{header}ElementType = {kind}\nElementDataFile = LOCAL\n".encode())
        with path.open("ab") as file:
            file.write(array.tobytes())
    page = page_of(source, tmp_path / "store")
    assert "does not say where the image lies" in page
    assert "<text" not in page
    assert "at the left" not in page


def lopsided() -> tuple[np.ndarray, np.ndarray]:
    """An image and a mask of shape (z, y, x) that no turn or mirror maps onto themselves."""
    z, y, x = np.indices((6, 20, 24))
    mask = (z == 2) & (y > 3) & (x > 2) & (2 * y + x < 30)
    image = 20 * y + 3 * x + 100 * mask
    return image.astype("int16"), mask.astype("uint8")


def page_of(source, store) -> str:
    assert radlas("init", store).code == 0
    words = ("--store", store, "--engine", "serial")
    said = radlas("ingest", source, *words, "--centre", "a", "--importer", "nifti")
    assert said.code == 0, said.out
    out = store.with_suffix(".html")
    assert radlas("qc", *words, "--out", out).code == 0
    return out.read_text()


def test_a_browser_shows_the_page_and_fetches_nothing(study_store, tmp_path):
    out = tmp_path / "qc.html"
    radlas("qc", "--store", study_store, "--out", out, "--engine", "serial")
    seen = visit(out, tmp_path)
    assert seen.asked == ()
    assert seen.dom.count("<figure") == 18
    picture = np.asarray(Image.open(seen.picture).convert("L"))
    assert picture.shape == (1600, 1200)
    assert picture.std() > 20, "a page of one colour shows nothing"


def test_the_browser_would_tell_what_a_page_fetches(tmp_path):
    """The witness itself: a page with a foreign picture is found out."""
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><img alt="" src="http://127.0.0.1:9/x.png">')
    assert visit(page, tmp_path).asked == ("http://127.0.0.1:9/x.png",)


def test_a_figure_wider_than_the_screen_is_shaded_where_it_goes_on(tmp_path):
    page, blank = tmp_path / "page.html", figures.svg("x", (7.4, 3), lambda figure: None, "blank")
    styled = f"<!doctype html><style>{style_sheet()}</style><div class=picture>{blank}</div>"
    page.write_text(styled)
    seen = np.asarray(Image.open(visit(page, tmp_path, width=500, height=500).picture).convert("L"))
    assert seen[100, 250] == 255 > seen[100, 497] + 10


@pytest.mark.parametrize("style", ["style.css", "qc.css"])
def test_a_name_without_a_space_stays_on_the_page(style, tmp_path):
    """In sentences and in tables: the numbers beside it are not pushed out of sight."""
    css = files("radlas.report").joinpath(style).read_text()
    name, page = "W" * 120, tmp_path / "page.html"
    numbers = '<td style="background: #000">7</td>'
    page.write_text(
        f"<!doctype html><style>{css}</style><div class=page><main><p>{name}</p><div class=scroll>"
        f"<table style='min-width: 0'><tr><th>{name}</th>{numbers}</tr></table></div></main></div>"
    )
    seen = np.asarray(Image.open(visit(page, tmp_path, width=700, height=700).picture).convert("L"))
    assert seen[:, 695:].min() == 255
    assert (seen[:, :695] == 0).sum(axis=1).max() > 15
