"""Deep features through the flows: bundles, weights of one's own, and their maps."""

from __future__ import annotations

import errno
import gzip
import io
import itertools
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from radlas import open as open_store_for_reading
from radlas.cli.weights import _Watch
from radlas.digests import canonical_json
from radlas.engine.base import Bundle, Done, SerialEngine, measure
from radlas.errors import ConfigError, DataError, StoreError, StudyError, WorkerError
from radlas.features.resnet import checkpoint as files
from radlas.features.resnet import contrast, extractor
from radlas.features.resnet.checkpoint import read_weights
from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.weights import random_network
from radlas.flows import explain as explaining
from radlas.flows import pretrain as pretraining
from radlas.flows.base import bundles
from radlas.flows.cases import extract_case
from radlas.flows.cases.extract_case import work, work_many
from radlas.flows.cases.pretraining import PretrainConfig
from radlas.flows.extract import ExtractConfig, extract, plan
from radlas.flows.maps import activation
from radlas.flows.maps.activation import case_map, compare, model_extractor
from radlas.flows.maps.slices import of_slice
from radlas.flows.pretrain import pretrain
from radlas.learn.explain import deep_head
from radlas.learn.persist import load
from radlas.places.folder import Folder
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.store.models import model_folder, read_card
from radlas.store.pretraining import note_pretraining
from radlas.store.recipes import list_recipes
from radlas.volumes.zarr import read_rois, read_volume, volume_name

from .conftest import radlas

DEEP = {"deep": {"size": [16, 32, 32], "box_size": [16, 16, 16], "regions": ["whole", "roi_box"]}}


def extraction(store):
    return ExtractConfig.parse({"store": str(store), "extractors": DEEP})


def test_a_bundle_says_of_each_case_what_the_case_says_alone(study_store):
    tasks = plan(extraction(study_store)).gpu_tasks[:5]
    together = work_many(Bundle(tasks))
    assert [done.task for done in together] == list(tasks)
    for done in together:
        assert done.result == work(done.task)
        assert {row["roi"] for row in done.result["deep"]} == {"whole", "roi_box"}
        assert {row["device"] for row in done.result["deep"]} == {"cpu float32"}
        assert done.seconds > 0


def test_a_case_that_cannot_be_read_costs_its_bundle_nothing(study_store):
    good = plan(extraction(study_store)).gpu_tasks[:4]
    lost = replace(good[1], case_id="0" * 32)
    found = work_many(Bundle((good[0], lost, *good[2:])))
    assert [done.error is None for done in found] == [True, False, True, True]
    assert "no volume of this case" in str(found[1].error)


def test_a_worker_that_finds_no_store_says_so_and_not_that_the_volume_is_lost(
    study_store, tmp_path
):
    """As where it is not mounted: the remedy was to restore the case from a backup."""
    (task, *_) = plan(extraction(study_store)).gpu_tasks
    with pytest.raises(WorkerError, match="finds no store") as caught:
        work(replace(task, place=Folder(tmp_path / "nothing")))
    assert (caught.value.reason, "mount the store" in caught.value.hint) == ("other_store", True)
    with pytest.raises(StoreError, match="no volume of this case is here"):
        work(replace(task, case_id="0" * 32))


def test_a_case_the_device_fails_on_costs_its_neighbours_nothing(study_store, monkeypatch):
    """Described together they all fail; so each is tried alone before anybody is blamed."""
    tasks = plan(extraction(study_store)).gpu_tasks[:4]
    describe, calls = DeepExtractor.describe_prepared, []

    def fragile(self, cases):
        calls.append(len(cases))
        if any(case.inputs["whole"].voxels[0, 0, 0] == 1e9 for case in cases):
            raise MemoryError
        return describe(self, cases)

    prepare = DeepExtractor.prepare

    def spoilt(self, volume, rois):
        made = prepare(self, volume, rois)
        if volume.voxels.sum() == third:
            made.inputs["whole"].voxels[0, 0, 0] = 1e9
        return made

    place = open_store(str(study_store)).place
    third = read_volume(place, tasks[2].case_id).voxels.sum()
    monkeypatch.setattr(DeepExtractor, "describe_prepared", fragile)
    monkeypatch.setattr(DeepExtractor, "prepare", spoilt)
    found = work_many(Bundle(tasks))
    assert [done.error is None for done in found] == [True, True, False, True]
    assert found[2].error.reason == "memory"
    assert calls == [4, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda found: [found[0], *found], "2 descriptions of 1 case"),
        (lambda found: found[1:], "0 descriptions of 1 case"),
        (iter, "list_iterator, not list"),
    ],
)
def test_no_case_gets_the_rows_of_another_when_their_number_is_wrong(
    study_store, monkeypatch, broken, told
):
    tasks = plan(extraction(study_store)).gpu_tasks[:3]
    describe = DeepExtractor.describe_prepared

    def miscounted(self, cases):
        return broken(describe(self, cases))

    monkeypatch.setattr(DeepExtractor, "describe_prepared", miscounted)
    found = work_many(Bundle(tasks))
    assert [done.result for done in found] == [None, None, None]
    for done in found:
        assert done.error.what == f"`describe_prepared` returned {told}"
        assert done.error.hint.startswith("a defect of the extractor")


class CrashingEngine(SerialEngine):
    """Loses every call with several tasks, as a GPU does that falls off its bus."""

    def bundle(self, tasks):
        return 3

    def map(self, work, tasks, *, gpu=False):
        for task in tasks:
            if isinstance(task, Bundle):
                yield Done(task, error=WorkerError("the process died", reason="crashed"))
            else:
                yield from super().map(work, [task])


def test_cases_of_a_lost_bundle_are_done_one_by_one(own_store):
    report = extract(extraction(own_store), engine=CrashingEngine())
    assert report.data["ok"] == report.data["inputs"] == 18
    again = extract(extraction(own_store), engine=SerialEngine())
    assert again.data["settled_before"] == 18


class BrokenEngine(SerialEngine):
    """Its device fails whoever asks, and a process that asks takes its time to start."""

    def __init__(self):
        self.asked = 0

    def bundle(self, tasks):
        return 3

    def map(self, work, tasks, *, gpu=False):
        for task in tasks:
            self.asked += 1
            yield Done(task, error=WorkerError("the GPU cannot be used", reason="device"))


def test_a_device_that_works_for_nobody_is_not_asked_case_by_case(own_store):
    config = extraction(own_store)
    broken = config.model_copy(update={"extractors": {"deep": {"size": [16, 32, 32], "seed": 77}}})
    engine = BrokenEngine()
    report = extract(broken, engine=engine)
    assert report.data["failed"] == report.data["inputs"] == 18
    assert report.data["reasons"] == {"device": 18}
    assert engine.asked == 6


def test_bundles_hold_every_task_once_in_order():
    assert [one.tasks for one in bundles("abcdefg", 3)] == [tuple("abc"), tuple("def"), ("g",)]


def test_maps_of_a_model_lie_in_patient_space_and_add_up(study_store):
    """A NIfTI reader that knows nothing of us finds the map's mass where the numbers say it is."""
    store = open_store(str(study_store))
    folder = model_folder(store, "tiny", 1)
    explained = json.loads((folder / "explanation.json").read_text())["cam"]
    maps = sorted((folder / "cam").glob("*.nii.gz"))
    assert len(maps) == len(explained["cases"]) == 2
    for case in explained["cases"]:
        image = nibabel.load(folder / "cam" / f"{case['case_id']}.nii.gz")
        values = np.asarray(image.dataobj)
        assert values.shape == (48, 48, 16)
        assert values.min() >= 0
        volume = read_volume(store.place, case["case_id"])
        ends = np.array([[0, 0, 0, 1], [*(np.array(volume.geometry.shape[::-1]) - 1), 1]])
        corners = ends @ volume.geometry.affine.T @ np.diag([-1, -1, 1, 1])
        centre = image.affine @ np.array([23.5, 23.5, 7.5, 1])
        low, high = np.sort(corners[:, :3], axis=0)
        assert (low - 1 <= centre[:3]).all()
        assert (centre[:3] <= high + 1).all()
        shares = {one["region"]: one for one in case["mass"]}
        told = [shares[name]["share"] for name in ("tumour", "ring_0_20", "rest")]
        if None not in told:
            assert sum(told) == pytest.approx(1, abs=1e-6)
        for name, one in shares.items():  # how likely so much is at another place of the body
            placed = one["share"] is not None and name != "rest"
            assert 0 < one["p"] <= 1 if placed else one["p"] is None
        for name in ("ring_0_5", "ring_5_10"):  # a cell is wider: nothing is said
            assert shares[name]["share"] is shares[name]["p"] is None
        assert "ring_0_5" in case["note"] or "all zero" in case["note"]
    assert [one["stage"] for one in explained["sanity"]][:2] == ["head", "layer4"]
    assert explained["region"] == "whole"


def test_a_second_map_of_a_case_is_the_same(study_store):
    store = open_store(str(study_store))
    card = read_card(store, "tiny", 1)
    model = load(model_folder(store, "tiny", 1) / "dlr")
    case = json.loads((model_folder(store, "tiny", 1) / "explanation.json").read_text())
    case_id = case["cam"]["cases"][0]["case_id"]
    arguments = {"region": "whole", "layer": "layer4", "sided": True, "sanity": False}
    head = deep_head(model, region="whole")
    made = case_map(store, case_id, head, model_extractor(store, card, None, "whole"), **arguments)
    kept = model_folder(store, "tiny", 1) / "cam" / f"{case_id}.nii.gz"
    assert made["nifti"] == kept.read_bytes()


@pytest.mark.parametrize(("sided", "sides"), [(True, ("R", "A")), (False, ())])
def test_the_slice_of_a_map_names_sides_where_the_file_said_how_the_patient_lay(
    sided, sides, study_store
):
    store = open_store(str(study_store))
    case_id = plan(extraction(study_store)).gpu_tasks[0].case_id
    made = DeepExtractor(DeepExtractor.Settings.parse({"size": (16, 32, 32)}))
    options = {"region": "whole", "layer": "layer4", "sided": sided, "sanity": False}
    found = case_map(store, case_id, (np.ones(512), 0.0), made, **options)
    assert of_slice(io.BytesIO(found["slice"]))["sides"] == sides


def test_how_patients_lay_is_read_once_for_all_maps(study_store, monkeypatch):
    """A map that reads the list of all cases takes the longer, the more a store holds."""
    words = {"store": str(study_store), "model": "tiny", "layer": "layer3", "maps": 2}
    config = explaining.ExplainConfig.parse(words)
    turned, other = sorted(task.case_id for task in explaining.plan(config).gpu_tasks)
    flags = {turned: "no_orientation,padded", other: "padded"}
    rows = pa.Table.from_pylist(
        [{"case_id": c, "centre": "c", "flags": f} for c, f in flags.items()]
    )
    asked = []
    monkeypatch.setattr(delta, "read", lambda store, name, *_: asked.append(name) or rows)
    tasks = explaining.plan(config).gpu_tasks
    made = {task.case_id: io.BytesIO(explaining.work(task)["slice"]) for task in tasks}
    assert {case: of_slice(file)["sides"] for case, file in made.items()} == {
        turned: (),
        other: ("R", "A"),
    }
    assert asked == ["cases"]


def test_a_map_is_held_against_the_outline_of_the_recipes_reader(study_store, monkeypatch):
    """The last reader's would be another tumour; and without a name it is nobody's."""
    store = open_store(str(study_store))
    case_id = plan(extraction(study_store)).gpu_tasks[0].case_id
    (drawn,) = [roi for roi in read_rois(store.place, case_id) if roi.name == "tumour"]
    other = replace(drawn, mask=np.roll(drawn.mask, 9, axis=2), reader="r2")

    def shares(rois, reader):
        monkeypatch.setattr(activation, "read_rois", lambda place, case: rois)
        settings = {"size": (16, 32, 32), "reader": reader}
        made = DeepExtractor(DeepExtractor.Settings.parse(settings))
        options = {"region": "whole", "layer": "layer4", "sided": True, "sanity": False}
        return case_map(store, case_id, (np.ones(512), 0.0), made, **options)["mass"]

    first = replace(drawn, reader="r1")
    assert shares((first, other), "r1") == shares((drawn,), "")
    assert shares((first, other), "r2") != shares((drawn,), "")
    with pytest.raises(DataError, match="several readers drew the same ROI"):
        shares((first, other), "")


def test_no_map_is_made_of_images_prepared_otherwise_than_the_features_saw(
    study_store, monkeypatch
):
    store = open_store(str(study_store))
    card = read_card(store, "tiny", 1)
    monkeypatch.setattr(extractor, "METHODS", "99")
    with pytest.raises(StudyError, match="this radlas has methods 99"):
        model_extractor(store, card, None, "whole")


def test_high_grade_against_low_is_compared_region_by_region():
    """Planted: maps of high grade lie on the ring; Holm pays for every region that was asked."""
    rng = np.random.default_rng(0)
    cases = [
        {
            "label": label,
            "mass": [
                {"region": "tumour", "enrichment": rng.normal(1, 0.2)},
                {"region": "ring_0_20", "enrichment": rng.normal(1 + label, 0.2)},
                {"region": "ring_0_5", "enrichment": None},
            ],
        }
        for label in [0, 1] * 15
    ] + [{"label": None, "mass": [{"region": "tumour", "enrichment": 99.0}]}]
    tumour, ring, fine = compare(cases)
    assert (ring["positives"], ring["negatives"]) == (15, 15)
    assert ring["superiority"] > 0.95
    assert ring["p"] < ring["p_holm"] == pytest.approx(2 * ring["p"])
    assert tumour["p_holm"] > 0.05
    assert fine["p"] is fine["p_holm"] is None


def test_who_asked_for_no_map_at_first_may_ask_for_some_later(own_store):
    folder = own_store / "models" / "tiny" / "1"
    (folder / "explanation.json").unlink()
    words = ("explain", "tiny", "--store", own_store, "--maps")
    assert radlas(*words, 0, "--json").data["cam"] is None
    assert "explained already" in radlas(*words, 0).out
    assert len(radlas(*words, 1, "--json").data["cam"]["cases"]) == 1
    assert json.loads((folder / "explanation.json").read_text())["shap"]["features"]
    assert "explained already" in radlas(*words, 1).out
    assert len(radlas(*words, 2, "--json").data["cam"]["cases"]) == 2
    assert "explained already" in radlas(*words, 1).out, "fewer are there"


@pytest.fixture(scope="module")
def wanted(study_store):
    return {
        "store": str(study_store),
        "centres": ["centre-a", "centre-b"],
        "input": {"size": [16, 32, 32]},
        "crop": [16, 16, 16],
        "batch": 3,
        "steps": 4,
        "checkpoint_every": 2,
    }


@pytest.fixture(scope="module")
def own_weights(wanted, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights") / "own.safetensors"
    pretrain(PretrainConfig.parse({**wanted, "out": str(out)}))
    return out


def test_weights_of_ones_own_tell_what_they_have_seen(own_weights, study_store):
    note = read_weights(own_weights).note
    people = open_store_for_reading(study_store).query("select * from cases")
    training = people[people["centre"].isin(["centre-a", "centre-b"])]
    assert note["subjects"] == sorted(training["subject_id"])
    assert (note["steps"], note["centres"]) == (4, ["centre-a", "centre-b"])
    assert note["chance"] == pytest.approx(1 / 5, abs=1e-6)
    assert len(note["images"]) == len(note["subjects"])
    assert note["synthetic"]
    assert not own_weights.with_suffix(".unfinished").exists()


def test_a_few_steps_are_taken_for_training_in_no_file(own_weights, tmp_path):
    """With their own note they are a null model; without it they are refused."""
    settings = {"size": (16, 32, 32), "weights": str(own_weights)}
    made = DeepExtractor(DeepExtractor.Settings.parse(settings))
    assert "taught the network next to nothing" in made.banner
    assert "-untrained-" in made.label
    state = read_weights(own_weights).state
    tensors = {name: torch.from_numpy(values) for name, values in state.items()}
    torch.save(tensors, tmp_path / "stripped.pth")
    with pytest.raises(ConfigError, match="never trained, or hardly"):
        read_weights(tmp_path / "stripped.pth")


def test_a_run_that_was_interrupted_ends_with_the_same_bytes(own_weights, wanted, tmp_path):
    """Killed between two checkpoints: what came after the last one is done again, alike."""
    out = tmp_path / "again.safetensors"
    config = PretrainConfig.parse({**wanted, "out": str(out)})

    def pull_the_plug(step, loss, share):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(config, watch=pull_the_plug)
    assert not out.exists()
    other = config.model_copy(update={"seed": 1})
    with pytest.raises(ConfigError, match="unfinished run with other settings"):
        pretrain(other)
    report = pretrain(config)
    assert report.data["resumed"]
    assert out.read_bytes() == own_weights.read_bytes()
    with pytest.raises(ConfigError, match="there is a file already"):
        pretrain(config)


def test_a_device_too_small_for_a_step_of_training_says_so(wanted, tmp_path, monkeypatch):
    def no_room(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(contrast.Trainer, "_one_step", no_room)
    config = PretrainConfig.parse({**wanted, "out": str(tmp_path / "own.safetensors")})
    with pytest.raises(WorkerError, match="does not hold a step") as caught:
        pretrain(config)
    assert (caught.value.reason, "`batch`" in caught.value.hint) == ("memory", True)


def test_a_kill_before_the_weights_are_written_costs_their_note_nothing(
    own_store, wanted, tmp_path, monkeypatch
):
    """The other way round there would be weights of which no store ever hears."""
    out = tmp_path / "own.safetensors"
    values = {**wanted, "store": str(own_store), "out": str(out), "steps": 1}

    def killed(path, state, note):
        raise KeyboardInterrupt

    before = set((own_store / "pretraining").glob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(files, "save_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(PretrainConfig.parse(values))
    (noted,) = set((own_store / "pretraining").iterdir()) - before
    assert not out.exists()
    pretrain(PretrainConfig.parse(values))
    assert noted.stem.startswith(read_weights(out).digest)
    assert set((own_store / "pretraining").iterdir()) == before | {noted}


def test_a_kill_once_the_weights_are_written_leaves_nothing_after_the_next_run(
    own_store, wanted, tmp_path, monkeypatch
):
    """What lies in the folder is as large as all images; of a run that can go on it stays."""
    out, left = tmp_path / "own.safetensors", tmp_path / "own.unfinished"
    values = {**wanted, "store": str(own_store), "out": str(out), "steps": 1}

    def killed(*_, **__):
        raise KeyboardInterrupt

    for step in ((files, "save_weights"), (shutil, "rmtree")):
        with monkeypatch.context() as patch:
            patch.setattr(*step, killed)
            with pytest.raises(KeyboardInterrupt):
                pretrain(PretrainConfig.parse(values))
        assert (left / "images.npy").exists()
    with pytest.raises(ConfigError, match="there is a file already"):
        pretrain(PretrainConfig.parse(values))
    assert (out.exists(), left.exists()) == (True, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centres": ["elsewhere"]}, "no case is of elsewhere"),
        ({"batch": 99}, "a step takes 99 patients"),
        ({"crop": [16, 64, 64]}, "is larger than images"),
        ({"input": {"weights": "x.pth"}}, "`input` may not name weights"),
        ({"out": "weights.pth"}, "must end in .safetensors"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_read(wanted, tmp_path, change, message):
    values = {**wanted, "out": str(tmp_path / "own.safetensors"), **change}
    with pytest.raises(ConfigError, match=message):
        pretrain(PretrainConfig.parse(values))
    assert not any(tmp_path.iterdir())  # else the next try would be of other settings


def test_what_a_run_left_damaged_is_told(wanted, tmp_path, full_disk):
    config = PretrainConfig.parse({**wanted, "out": str(tmp_path / "own.safetensors")})
    work = tmp_path / "own.unfinished"
    work.mkdir()
    with full_disk("images.npy"), pytest.raises(OSError, match="No space left"):
        pretrain(config)
    other = io.BytesIO()
    np.save(other, np.zeros((1, 2, 3, 4), np.float16))  # a whole file, of other images
    for name, left in (("images.npy", other.getvalue()), ("images.npy", b"{"), ("run.json", b"{")):
        (work / name).write_bytes(left)
        with pytest.raises(ConfigError, match="what an unfinished run left is damaged"):
            pretrain(config)


def test_who_comes_as_another_run_ends_does_not_begin_anew(wanted, tmp_path, monkeypatch):
    out = tmp_path / "own.safetensors"

    @contextmanager
    def ended(work):
        out.touch()
        yield

    monkeypatch.setattr(pretraining, "_alone", ended)
    with pytest.raises(ConfigError, match="there is a file already"):
        pretrain(PretrainConfig.parse({**wanted, "out": str(out)}))


def with_own_weights(store, weights, tmp_path):
    """The study's recipe again, the network with weights of one's own; frozen."""
    deep = {"size": [16, 32, 32], "weights": str(weights)}
    extract(ExtractConfig.parse({"store": str(store), "extractors": {"deep": deep}}))
    sets = radlas("features", "list", "--store", store, "--json").data["feature_sets"]
    mine = next(name for name in sets if "-untrained-" in name)
    radiomics = next(name for name in sets if name.startswith("pyradiomics"))
    chosen = [word for name in (mine, radiomics) for word in ("--feature-set", name)]
    assert radlas("snapshot", "create", "own", "--store", store, *chosen).code == 0
    return mine


def moved_weights():
    """Weights that pass for any trained ones."""
    network = random_network("medicalnet", 0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.weight.data.copy_(torch.linspace(0.5, 1.5, len(module.weight)))
            module.running_mean.fill_(0.1)
    return network.state_dict()


@pytest.fixture
def nameless(own_store, tmp_path):
    """Such weights in a file without a note; the store knows better."""
    path = tmp_path / "resnet_18.pth"
    torch.save(moved_weights(), path)
    note = {"subjects": ["s1", "s2"], "centres": ["centre-a"], "untrained": True, "synthetic": True}
    note_pretraining(open_store(str(own_store)), read_weights(path).digest, note)
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("gone", "not on this worker: no such weights file"),
        ("damaged", "not on this worker: not a checkpoint"),
        ("others", "this worker would make different features: it has weights "),
    ],
)
def test_no_worker_takes_other_weights_than_the_recipe_tells_of(
    own_store, nameless, tmp_path, change, told
):
    """On another machine another file may lie at that path; under this name it would be a lie."""
    deep = {"size": [16, 32, 32], "weights": str(nameless)}
    config = ExtractConfig.parse({"store": str(own_store), "extractors": {"deep": deep}})
    tasks = plan(config).gpu_tasks
    extract_case._extractor.cache_clear()  # as in another process
    nameless.unlink()
    if change == "damaged":
        nameless.write_bytes(b"x" * 99)
    elif change == "others":
        torch.save({k: v * 0.5 for k, v in moved_weights().items()}, nameless)
    for done in (measure(work, tasks[0]), measure(work_many, Bundle(tasks[:2]))):
        assert done.error.reason == "other_software"
        assert str(done.error).startswith(told)
        assert str(tmp_path) not in str(done.error), "the ledger keeps it, and travels"
        assert "the same file of weights" in done.error.hint


def test_no_worker_of_other_libraries_describes_a_case(study_store):
    (task, *_) = plan(extraction(study_store)).gpu_tasks
    known = json.loads(task.versions)
    elsewhere = {**known, "numpy": "1.26.4", "cupy": "14"}
    done = measure(work, replace(task, versions=canonical_json(elsewhere)))
    assert done.error.reason == "other_software"
    told = f"it has cupy none instead of 14, numpy {known['numpy']} instead of 1.26.4"
    assert done.error.what == f"this worker would make different features: {told}"


def test_what_the_store_knows_of_a_file_without_a_note_is_announced(own_store, nameless):
    deep = {"size": [16, 32, 32], "weights": str(nameless)}
    notes = plan(ExtractConfig.parse({"store": str(own_store), "extractors": {"deep": deep}})).notes
    told = [note for note in notes if note.startswith("  !!")]
    assert len(told) == 3
    assert "pre-trained on images of 2 subjects of centre-a" in told[0]
    assert "taught it next to nothing" in told[1]
    assert "a null model" in told[1]
    assert "synthetic images" in told[2]


def test_a_map_of_such_a_network_says_so_in_its_file(own_store, nameless):
    store = open_store(str(own_store))
    case_id = plan(extraction(own_store)).gpu_tasks[0].case_id
    made = DeepExtractor(
        DeepExtractor.Settings.parse({"size": (16, 32, 32), "weights": str(nameless)})
    )
    head = (np.ones(512), 0.0)
    options = {"region": "whole", "layer": "layer4", "sided": True, "sanity": False}
    nifti = case_map(store, case_id, head, made, **options)["nifti"]
    header = nibabel.Nifti1Image.from_bytes(gzip.decompress(nifti)).header
    assert header["descrip"].item().startswith(b"Null model: a network whose pre-training taught")


def test_a_network_that_saw_the_external_centre_is_refused(
    own_store, study_file, tmp_path, own_weights
):
    """And one that saw the training centres alone is not, but it is told."""
    with_own_weights(own_store, own_weights, tmp_path)
    train = ("train", study_file, "--store", own_store, "--snapshot", "own")
    said = radlas(*train, "--dry-run")
    assert said.code == 0
    assert "without labels, on images of 12 of the training subjects" in said.out
    assert "come from a network whose pre-training taught it next to nothing" in said.out
    assert "was trained on synthetic images" in said.out
    store, weights = open_store(str(own_store)), read_weights(own_weights)
    people = open_store_for_reading(own_store).query("select * from cases")
    strangers = sorted(people[people["centre"] == "centre-c"]["subject_id"])
    note_pretraining(store, weights.digest, {**weights.note, "subjects": strangers, "images": []})
    said = radlas(*train)
    assert said.code == 2
    assert "images of the external centre centre-c (subjects of the study: 6)" in said.err


def test_a_network_that_only_a_variant_takes_is_told_too(own_store, study_file, tmp_path):
    weights, study = tmp_path / "resnet_18.pth", tmp_path / "study.yaml"
    torch.save(moved_weights(), weights)
    store = open_store(str(own_store))
    note = {"subjects": [], "centres": [], "synthetic": True}
    note_pretraining(store, read_weights(weights).digest, note)
    deep = {"size": [16, 32, 32], "weights": str(weights)}
    extract(ExtractConfig.parse({"store": str(own_store), "extractors": {"deep": deep}}))
    assert radlas("snapshot", "create", "both", "--store", own_store).code == 0
    text = study_file.read_text().replace("  dlr: [tumour, ring, deep]\n", "")
    text = text.replace("primary: dlr", "primary: intratumoral")
    text = text.replace("{dlr: [tumour, ring]}", "{intratumoral: [tumour, deep]}")
    study.write_text(text)
    said = radlas("train", study, "--store", own_store, "--snapshot", "both", "--dry-run")
    assert said.code == 0, said.err
    assert "was trained on synthetic images" in said.out


def test_random_weights_are_told_by_every_verb_and_in_every_file(study_store, study_file, tmp_path):
    (deep,) = [one for one in list_recipes(open_store(str(study_store))) if "-rand" in one]
    for words in (
        ("train", study_file, "--store", study_store, "--snapshot", "first"),
        ("validate", "tiny", "--store", study_store),
        ("explain", "tiny", "--store", study_store),
        ("report", "tiny", "--store", study_store, "--out", tmp_path / "page.html"),
        ("features", "list", "--store", study_store),
        ("features", "show", deep, "--store", study_store),
    ):
        said, data = radlas(*words), radlas(*words, "--json").data
        assert said.code == 0
        assert "!! the deep features of" in said.out
        assert "random weights: a null model" in said.out
        (warning,) = data["warnings"]
        assert "random weights: a null model" in warning
    folder = study_store / "models" / "tiny" / "1"
    for name in ("version.json", "explanation.json"):
        assert (
            "random weights: a null model" in json.loads((folder / name).read_text())["warnings"][0]
        )
    a_map = nibabel.load(next((folder / "cam").glob("*.nii.gz")))
    assert b"weights are random" in a_map.header["descrip"].item()
    assert a_map.header.get_xyzt_units()[0] == "mm"


def test_maps_of_another_layer_are_added_and_the_first_ones_stay(own_store):
    words = ("explain", "tiny", "--store", own_store, "--layer", "layer3", "--maps", 1)
    folder = own_store / "models" / "tiny" / "1"
    before = (folder / "explanation.json").read_bytes()
    said = radlas(*words)
    assert said.code == 0, said.err
    assert "maps of whole at layer3" in said.out
    assert "maps as NIfTI in models/tiny/1/cam-whole-layer3" in said.out
    assert len(list((folder / "cam-whole-layer3").glob("*.nii.gz"))) == 1
    more = json.loads((folder / "explanation-whole-layer3.json").read_text())
    assert more["cam"]["layer"] == "layer3"
    assert "shap" not in more
    assert (folder / "explanation.json").read_bytes() == before
    assert "explained already, see explanation-whole-layer3.json" in radlas(*words).out
    assert "explained already, see explanation.json" in radlas(*words[:-1], 0).out
    said = radlas("explain", "tiny", "--store", own_store, "--region", "roi_box")
    assert said.code == 2
    assert "takes no deep features of roi_box" in said.err
    assert "name one of: whole at layer4" in said.err


def test_a_region_that_no_part_of_the_score_comes_from_is_not_mapped(own_store, monkeypatch):
    """Its maps would all be zero, and be told as if nothing in the image spoke for the score."""
    monkeypatch.setattr(explaining, "scored_parts", lambda model: [("ring_box", "layer4")])
    words = ("explain", "tiny", "--store", own_store, "--layer", "layer3")
    said = radlas(*words, "--region", "whole")
    assert said.code == 2
    assert "the signature holds no feature of whole" in said.err
    assert "name one of: ring_box" in said.err


def test_a_file_of_other_weights_is_told_in_words_that_fit_every_verb(
    own_store, own_weights, tmp_path
):
    words = ("--store", own_store, "--weights", own_weights)
    said = radlas("explain", "tiny", "--layer", "layer3", *words)
    other = read_weights(own_weights).digest[:12]
    told = f"the deep features were made with random weights, not with weights {other}"
    assert told in said.err
    assert "try: leave --weights out" in said.err
    (case,) = radlas("query", "from cases limit 1", "--store", own_store, "--json").data
    radlas("predict", "tiny", case["case_id"], *words, "--out", tmp_path / "pages")
    (page,) = (tmp_path / "pages").glob("*.html")
    assert f"There is no map: {told}; to try: leave --weights out." in page.read_text()


def test_where_a_file_is_wanted_no_other_verb_is_named(study_store, monkeypatch):
    """Predict wants it too, and shows the same words on a page."""
    store = open_store(str(study_store))
    card = read_card(store, "tiny", 1)
    read = activation.load_recipe

    def of_a_file(store, name):
        recipe = read(store, name)
        return recipe | {"versions": {**recipe["versions"], "weights": "3f" * 32}}

    monkeypatch.setattr(activation, "load_recipe", of_a_file)
    with pytest.raises(ConfigError, match="with weights 3f3f3f3f3f3f, not with random") as caught:
        model_extractor(store, card, None, "whole")
    assert caught.value.hint == "name their file by --weights"


def test_a_case_that_cannot_be_mapped_takes_nothing_from_the_others(own_store):
    folder = own_store / "models" / "tiny" / "1"
    (folder / "explanation.json").unlink()
    shutil.rmtree(folder / "cam")
    validation = json.loads((folder / "validation.json").read_text())
    cases = [row["case"] for row in validation["models"]["dlr"]["predictions"]]
    shutil.rmtree(own_store / volume_name(cases[0]))
    said = radlas("explain", "tiny", "--store", own_store)
    assert said.code == 0, said.err
    assert "no map of 1 external cases (1: " in said.out
    told = json.loads((folder / "explanation.json").read_text())
    assert told["shap"]["values"]["cases"]
    assert {case["case_id"] for case in told["cam"]["cases"]} == set(cases[1:])
    page = own_store / "page.html"
    assert radlas("report", "tiny", "--store", own_store, "--out", page).code == 0
    assert "no map of 1 external cases" in page.read_text()


def test_a_mount_that_is_away_for_a_while_leaves_no_case_without_a_map_for_good(
    own_store, monkeypatch
):
    """What is explained is not explained again: the same command is to go on."""
    folder = own_store / "models" / "tiny" / "1"
    (folder / "explanation.json").unlink()
    validation = json.loads((folder / "validation.json").read_text())
    cases = [row["case"] for row in validation["models"]["dlr"]["predictions"]]
    read, away = Path.read_bytes, f"{volume_name(cases[0])}/image/"

    def stale(path):
        if away in str(path):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return read(path)

    words = ("explain", "tiny", "--store", own_store, "--engine", "serial")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stale)
        said = radlas(*words)
    assert said.code == 2
    assert "cannot be read: Stale file handle" in said.err
    assert "mount it again" in said.err
    assert len(radlas(*words, "--json").data["cam"]["cases"]) == len(cases)


def test_weights_are_looked_at_and_converted_on_the_command_line(tmp_path, own_weights):
    said = radlas("weights", "show", own_weights)
    assert said.code == 0
    assert "medicalnet or monai" in said.out
    assert "made by radlas pretrain" in said.out
    state = {f"module.{name}": value for name, value in moved_weights().items()}
    state["module.fc.weight"] = torch.zeros(2, 512)
    checkpoint, converted = tmp_path / "resnet_18.pth", tmp_path / "resnet_18.safetensors"
    torch.save({"state_dict": state}, checkpoint)
    said = radlas("weights", "import", checkpoint, converted)
    assert said.code == 0
    assert "left out, as no part of the backbone: fc.weight" in said.out
    one, other = (radlas("weights", "show", p, "--json").data for p in (checkpoint, converted))
    assert one == other
    assert one["note"]["source"] == "resnet_18.pth"
    said = radlas("weights", "import", checkpoint, converted)
    assert said.code == 2
    assert "there is a file already" in said.err
    said = radlas("weights", "import", checkpoint, tmp_path / "other.pth")
    assert (said.code, "must end in .safetensors" in said.err) == (2, True)
    assert not (tmp_path / "other.pth").exists()


def test_pretraining_runs_from_a_file(tmp_path, wanted):
    path = tmp_path / "pretrain.yaml"
    path.write_text(yaml.safe_dump({**wanted, "steps": 2, "out": str(tmp_path / "o.safetensors")}))
    said = radlas("pretrain", path, "--steps", 1, "--json")
    assert said.code == 0
    assert said.data["steps"] == 1


def test_progress_of_training_tells_no_time_before_it_knows_any(capsys, monkeypatch):
    """After the first step it told that no second was left."""
    ticks = itertools.count(0, 20)
    monkeypatch.setattr("radlas.cli.weights.time.monotonic", lambda: next(ticks))
    watch = _Watch(30)
    for step in (1, 2):
        watch(step, 1.5, 0.25)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "pretrain 1/30, loss 1.500, found 25%"
    assert second == "pretrain 2/30, loss 1.500, found 25%, 560 s left"
