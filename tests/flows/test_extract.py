"""Extract: a recipe has a name, a rerun is free, a new extractor is one file and one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import ClassVar

import pytest

import radlas as package
from radlas.config import Config
from radlas.features import EXTRACTORS
from radlas.flows.retry import plan_retry
from radlas.model import Description, FeatureRow
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.store.recipes import list_recipes, load_recipe
from radlas.volumes.zarr import volume_name

from .conftest import radlas


def test_every_case_has_every_row_and_no_value_is_nan(study_store):
    table = delta.read(open_store(study_store), "radiomics")
    assert table.num_rows == 18 * 2  # tumour and ring
    for name in table.column_names:
        if name.startswith(("shape_", "firstorder_", "glcm_")):
            values = [value for value in table.column(name).to_pylist() if value is not None]
            assert len(values) == table.num_rows
            assert all(math.isfinite(value) for value in values)
    assert delta.read(open_store(study_store), "deep").num_rows == 18


def test_rings_are_told_with_what_was_kept_of_them(study_store):
    rows = package.open(study_store).query("select * from rois where roi = 'ring_0_10'")
    assert len(rows) == 18
    assert (rows["requested_width_mm"] == 10).all()
    assert rows["kept_fraction"].between(0.5, 1).all()
    # Edges are moved by up to half a pixel, so that the ring has the volume of the one in space.
    assert rows["achieved_width_mm"].between(9, 10.5).all()


def test_the_arrays_that_were_described_can_be_had_again(study_store):
    """Scaled image, square pixels and the ring: what the rows say is true of them."""
    frozen = package.open(study_store).snapshot("first")
    (described,) = (name for name in frozen.pinned.feature_sets if name.startswith("pyradiomics"))
    X = frozen.matrix(feature_sets=described)
    case_id = X.index[0]
    volume, masks = frozen.as_described(case_id, described)
    assert list(masks) == ["tumour", "ring_0_10"]
    assert volume.geometry.spacing[:2] == pytest.approx((1.5, 1.5))
    for roi, mask in masks.items():
        inside = volume.voxels[mask]
        row = X.loc[case_id, [f"{roi}__original__firstorder_{n}" for n in ("Minimum", "Maximum")]]
        assert row.to_list() == [inside.min(), inside.max()]


def test_arrays_that_were_never_described_are_not_shown(study_store, monkeypatch):
    frozen = package.open(study_store).snapshot("first")
    case_id = frozen.query("select min(case_id) from cases").iloc[0, 0]
    described, deep = frozen.pinned.feature_sets
    with pytest.raises(package.RadlasError, match="'deep' does not show what it describes"):
        frozen.as_described(case_id, deep)
    with pytest.raises(package.RadlasError, match="no feature set 'p-9'"):
        frozen.as_described(case_id, "p-9")
    monkeypatch.setattr("radlas.flows.cases.described.mask_digest", lambda mask: "other")
    with pytest.raises(package.RadlasError, match="makes another mask of ring_0_10, tumour than"):
        frozen.as_described(case_id, described)


def test_random_weights_are_announced_and_named(study_store, recipe):
    said = radlas("extract", "--store", study_store, "--config", recipe, "--engine", "serial")
    assert "!! The network's weights are random (seed 0)" in said.out
    names = radlas("status", "--store", study_store, "--json").data["feature_sets"]
    assert any("-rand0-" in name for name in names)


def test_a_second_identical_run_computes_nothing_and_writes_nothing(study_store, recipe):
    before = {p: p.stat().st_mtime_ns for p in (study_store / "lake").rglob("*")}
    said = radlas(
        "extract", "--store", study_store, "--config", recipe, "--engine", "serial", "--json"
    )
    assert said.data["settled_before"] == said.data["ok"] == 36
    assert before == {p: p.stat().st_mtime_ns for p in (study_store / "lake").rglob("*")}


def test_a_roi_that_nobody_drew_is_told_and_alone_refused(study_store, recipe, tmp_path):
    """A slip of the pen would leave out the tumour, and every input would be ok."""
    slip = tmp_path / "slip.yaml"
    slip.write_text(recipe.read_text().replace("rois: [tumour]", "rois: [tumor]"))
    here = ("--store", study_store, "--config", slip, "--engine", "serial", "--dry-run")
    said = radlas("extract", *here)
    assert said.code == 2
    assert "no case has a ROI tumor" in said.err
    assert "there are: " in said.err
    slip.write_text(recipe.read_text().replace("rois: [tumour]", "rois: [tumour, edma]"))
    said = radlas("extract", *here)
    assert said.code == 0
    assert "!! no case has a ROI edma; there are: " in said.out


def test_other_settings_are_another_feature_set_beside_the_old_one(study_store, recipe, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(recipe.read_text().replace("in_plane_spacing: 1.5", "in_plane_spacing: 2.0"))
    here = ("--store", study_store, "--config", other, "--engine", "serial", "--dry-run", "--json")
    said = radlas("extract", *here)
    assert said.data["tasks"] == 18
    assert said.data["settled"] == {"ok": 18}  # the deep features are the same recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extractors: {radiomics: {bin_widht: 3}}", "unknown key `bin_widht`"),
        ("extractors: {radiomcis: {}}", "no extractor is named 'radiomcis'"),
        ("extractors: {}", "extractors"),
        ("extractor: {}", "unknown key `extractor`"),
        ("extractors: {deep: {weights: nowhere.pth}}", "no such weights file"),
    ],
)
def test_a_wrong_recipe_is_named_before_anything_runs(study_store, tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    said = radlas("extract", "--store", study_store, "--config", path)
    assert said.code == 2
    assert message in said.err
    assert "try:" in said.err


def test_extracting_from_an_empty_store_says_what_is_missing(tmp_path, recipe):
    radlas("init", tmp_path / "store")
    said = radlas("extract", "--store", tmp_path / "store", "--config", recipe)
    assert said.code == 2
    assert "radlas ingest first" in said.err


class ToySettings(Config):
    power: float = 1.0


class Toy:
    """The mean of the tumour, to a power."""

    Settings: ClassVar[type[Config]] = ToySettings
    table: ClassVar[str] = "radiomics"
    columns: ClassVar[tuple[str, ...]] = ("toy_Mean",)
    gpu: ClassVar[bool] = False
    label = "toy"
    versions: ClassVar[Mapping[str, str]] = {"toy": "1"}

    def __init__(self, settings):
        self.settings = settings

    def describe(self, volume, rois):
        mean = float(volume.voxels[rois["tumour"].mask].mean()) ** self.settings.power
        return Description((FeatureRow("tumour", "original", {"toy_Mean": mean}),))


def test_a_case_that_was_damaged_is_described_once_it_is_mended(own_store, tmp_path):
    """By the next run of its recipe; or by the reason, whatever recipe it was."""
    recipe, here = tmp_path / "small.yaml", ("--store", own_store, "--engine", "serial", "--json")
    recipe.write_text("extractors: {radiomics: {feature_classes: [firstorder], rois: [tumour]}}")
    case_id = sorted(path.stem for path in own_store.glob("volumes/*/*.zarr"))[0]
    (chunk,) = (own_store / volume_name(case_id) / "image").rglob("c/*/*/*")
    chunk.rename(tmp_path / "aside")
    first = radlas("extract", "--config", recipe, *here)
    assert (first.code, first.data["ok"], first.data["failed"]) == (1, 17, 1)
    (row,) = first.data["cases"]
    assert (row["case_id"], row["reason"]) == (case_id, "damaged")
    (tmp_path / "aside").rename(chunk)
    words = ("retry", *here, "--reason", "damaged")
    (redo,) = radlas(*words, "--dry-run").data["redo"]
    assert (redo["stage"], redo["tasks"], redo["runs"]) == ("extract", 1, 1)
    plain = radlas("retry", "--store", own_store, "--reason", "damaged", "--dry-run").out
    assert plain == f"1 task of extract {redo['feature_set']}: 1 run\n"
    done = radlas(*words)
    assert (done.code, done.data["released"]) == (0, 1)
    assert (done.data["reports"][0]["ok"], done.data["reports"][0]["settled_before"]) == (18, 17)
    again = radlas("extract", "--config", recipe, *here)
    assert (again.code, again.data["settled_before"]) == (0, 18)


def test_features_of_a_file_of_weights_are_done_again_by_hand(own_store, tmp_path, monkeypatch):
    """A recipe keeps no path: where the file lies now, only a person knows."""
    store = open_store(str(own_store))
    sets = [name for name in list_recipes(store) if name.startswith("resnet18")]
    told = load_recipe(store, sets[0])
    told["versions"] |= {"weights": "f" * 64}
    monkeypatch.setattr("radlas.flows.retry.load_recipe", lambda *_: told)
    failed = SimpleNamespace(reason="x", stage="extract", feature_set="named", centre="")
    monkeypatch.setattr("radlas.flows.retry.in_trouble", lambda _: [failed] * 3)
    (redo,) = plan_retry(store, "x")
    assert (redo.feature_set, redo.tasks, redo.runs) == ("named", 3, ())
    assert redo.command == f"radlas extract --config RECIPE.yaml --store {own_store}"


def test_a_toy_extractor_is_one_class_and_one_line(own_store, tmp_path, monkeypatch):
    """Its column appears in SQL and in the matrix; older rows hold NULL there."""
    monkeypatch.setitem(EXTRACTORS._places, "toy", f"{__name__}:Toy")
    path = tmp_path / "toy.yaml"
    path.write_text("extractors: {toy: {power: 2}}")
    said = radlas("extract", "--store", own_store, "--config", path, "--engine", "serial")
    assert said.code == 0, said.err
    opened = package.open(own_store)
    rows = opened.query("select feature_set, count(toy_Mean) n from radiomics group by 1")
    counts = dict(zip(rows["feature_set"], rows["n"], strict=True))
    assert {name.partition("-")[0]: n for name, n in counts.items()} == {
        "toy": 18,
        "pyradiomics": 0,
    }
    (toy,) = [name for name in counts if name.startswith("toy-")]
    X = opened.matrix(feature_sets=[toy])
    assert list(X.columns) == ["tumour__original__toy_Mean"]
    assert X.notna().all().all()


class Talkative(Toy):
    """One that tells what it does."""

    label = "talkative"

    def __init__(self, settings):
        super().__init__(settings)
        print("made")

    def describe(self, volume, rois):
        print("described")
        return super().describe(volume, rois)


def test_what_an_extractor_prints_is_no_part_of_the_report(own_store, tmp_path, monkeypatch):
    """Whoever reads the report as JSON would else find something before it."""
    monkeypatch.setitem(EXTRACTORS._places, "toy", f"{__name__}:Talkative")
    path = tmp_path / "toy.yaml"
    path.write_text("extractors: {toy: {}}")
    words = ("extract", "--store", own_store, "--config", path, "--engine", "serial", "--json")
    planned = radlas(*words, "--dry-run")
    assert (planned.data["tasks"], planned.err.count("made\n")) == (18, 1)
    said = radlas(*words)
    assert (said.data["ok"], said.err.count("described\n")) == (18, 18)


def test_the_matrix_of_a_snapshot_can_be_narrowed(study_store):
    frozen = package.open(study_store).snapshot("first")
    X = frozen.matrix(roi="ring_0_10", image_type="original")
    assert X.shape[0] == 18
    assert all(name.startswith("ring_0_10__original__") for name in X.columns)
    assert frozen.matrix(roi="whole").shape == (18, 512)


def test_a_live_matrix_asks_which_recipe(study_store):
    with pytest.raises(package.RadlasError, match="several recipes"):
        package.open(study_store).matrix()
