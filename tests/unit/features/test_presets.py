"""The recipes in `jobs/`, and parameter files of PyRadiomics, become extractors as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor
from radlas.features.params import settings_of
from radlas.flows.extract import ExtractConfig

JOBS = Path(__file__).parents[3] / "jobs"
PRESETS = {
    "extract.yaml": ["deep", "radiomics"],
    "extract-demo.yaml": ["deep", "radiomics"],
    "ibsi.yaml": ["ibsi"],
    "quick.yaml": ["radiomics"],
}


def names(config: ExtractConfig) -> dict[str, str]:
    return {
        name: feature_set_name(name, make_extractor(EXTRACTORS, name, settings))
        for name, settings in config.extractors.items()
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_its_feature_sets(preset):
    found = names(ExtractConfig.read(JOBS / preset))
    assert sorted(found) == PRESETS[preset]
    for name, feature_set in found.items():
        assert feature_set.startswith({"radiomics": "pyradiomics-", "ibsi": "ibsi-"}.get(name, ""))


def test_no_two_presets_make_the_same_radiomics():
    made = [names(ExtractConfig.read(JOBS / preset)).get("radiomics") for preset in PRESETS]
    kept = [name for name in made if name]
    assert len(set(kept)) == len(kept) == 3


@pytest.mark.parametrize(
    ("extractor", "one", "other"),
    [
        (
            "radiomics",
            {"image_types": {"log": {"sigma": [2]}}},
            {"image_types": {"log": {"sigma": [2.0]}}},
        ),
        (
            "radiomics",
            {"image_types": {"wavelet": {"level": None}}},
            {"image_types": {"wavelet": {}}},
        ),
        ("radiomics", {"pyradiomics": {"normalize": None}}, {}),
        (
            "radiomics",
            {"pyradiomics": {"resampledPixelSpacing": [1, 1, 0]}},
            {"pyradiomics": {"resampledPixelSpacing": [1.0, 1.0, 0.0]}},
        ),
        ("ibsi", {"image_types": {"original": {}}}, {}),
        (
            "ibsi",
            {"image_types": {"log": {"sigma": 2}}},
            {"image_types": {"log": [{"sigma": 2.0, "cutoff": 4}]}},
        ),
    ],
)
def test_a_recipe_has_one_name_however_it_is_written(extractor, one, other):
    """Two centres that write 2 and 2.0 have one feature set; other numbers make another one."""
    made = [make_extractor(EXTRACTORS, extractor, settings) for settings in (one, other)]
    first, second = (feature_set_name(extractor, each) for each in made)
    assert first == second
    again = type(made[0].settings).parse(made[0].settings.model_dump(mode="json"))
    assert again == made[0].settings == made[1].settings


@pytest.mark.parametrize(
    "settings",
    [
        {"image_types": {"log": {"sigma": [2.5]}}},
        {"image_types": {"wavelet": {"level": 2}}},
        {"pyradiomics": {"resegmentRange": [0, 100]}},
        {"pyradiomics": {"voxelArrayShift": 300}},
    ],
)
def test_what_changes_a_value_changes_the_name(settings):
    names = {
        feature_set_name("radiomics", make_extractor(EXTRACTORS, "radiomics", each))
        for each in (
            {},
            {"image_types": {"log": {"sigma": [2]}}},
            {"image_types": {"wavelet": {}}},
            settings,
        )
    }
    assert len(names) == 4


def test_a_parameter_file_is_a_recipe(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("imageType: {Original: {}, LoG: {sigma: [3]}}\nsetting: {binWidth: 5}\n")
    config = ExtractConfig.read(path, {"store": tmp_path})
    (feature_set,) = names(config).values()
    assert feature_set.startswith("pyradiomics-")
    assert config.extractors["radiomics"]["bin_width"] == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"voxelSetting": {"kernelRadius": 2}}, "voxel maps are not offered"),
        ({"featureClass": {"shape2D": None}}, "shape2D"),
        ({"imageType": {"LBP2D": {}}}, "lbp2d"),
        ({"setting": {"kernelRadius": 2}}, "`pyradiomics.kernelRadius` is not passed through"),
        ({"setting": {"minimumROISize": "27"}}, "a whole number from 0, not '27'"),
        ({"setting": {"minimumROISize": float("inf")}}, "a whole number from 0, not inf"),
        ({"setting": ["binWidth"]}, "`setting` is no mapping of names"),
        ({"imageType": ["Original", "Wavelet"]}, "`imageType` is no mapping of names"),
        ({"imageType": {"LoG": [2, 4]}}, "`imageType.LoG` is no mapping of names"),
        ({"imageType": {1: {}}}, "`imageType` is no mapping of names"),
        ({"featureClass": ["firstorder"]}, "`featureClass` is no mapping of names"),
        ({"featureClass": {"glcm": "Contrast"}}, "`featureClass.glcm` is no list of features"),
        ({"imageType": {"Wavelet": {}}}, "`shape` is of the original image"),
        ({"imageType": {"Square": {}}, "featureClass": {"shape": []}}, "add `Original: {}`"),
    ],
)
def test_what_a_parameter_file_may_ask_and_is_not_offered_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        make_extractor(EXTRACTORS, "radiomics", settings_of(text, "params.yaml"))
