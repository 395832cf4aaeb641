"""The digital phantom: every consensus value of these families, within its tolerance.

Values: reference table of the Image Biomarker Standardisation Initiative. ``TAGS`` says which
column answers to which of them; the texture matrices but GLDZM have tests of their own.
"""

from __future__ import annotations

import numpy as np
import pytest

from radlas.catalogue import BY_NAME
from radlas.features.ibsi.distance_zone import distance_zone_features
from radlas.features.ibsi.histogram import histogram
from radlas.features.ibsi.ivh import ivh
from radlas.features.ibsi.local_intensity import local_intensity
from radlas.features.ibsi.morphology import morphology
from radlas.features.ibsi.statistics import statistics

SHAPE = {
    "volume": "MeshVolume",
    "vol_approx": "VoxelVolume",
    "area_mesh": "SurfaceArea",
    "av": "SurfaceVolumeRatio",
    "comp_1": "Compactness1",
    "comp_2": "Compactness2",
    "sph_dispr": "SphericalDisproportion",
    "sphericity": "Sphericity",
    "asphericity": "Asphericity",
    "com": "CentreOfMassShift",
    "diam": "Maximum3DDiameter",
    "pca_maj_axis": "MajorAxisLength",
    "pca_min_axis": "MinorAxisLength",
    "pca_least_axis": "LeastAxisLength",
    "pca_elongation": "Elongation",
    "pca_flatness": "Flatness",
    "vol_dens_aabb": "VolumeDensityBoundingBox",
    "area_dens_aabb": "AreaDensityBoundingBox",
    "vol_dens_aee": "VolumeDensityEllipsoid",
    "area_dens_aee": "AreaDensityEllipsoid",
    "vol_dens_conv_hull": "VolumeDensityConvexHull",
    "area_dens_conv_hull": "AreaDensityConvexHull",
    "integ_int": "IntegratedIntensity",
    "moran_i": "MoranI",
    "geary_c": "GearyC",
}
SUMMARY = {
    "mean": "Mean",
    "var": "Variance",
    "skew": "Skewness",
    "kurt": "Kurtosis",
    "median": "Median",
    "min": "Minimum",
    "p10": "10Percentile",
    "p90": "90Percentile",
    "max": "Maximum",
    "iqr": "InterquartileRange",
    "range": "Range",
    "mad": "MeanAbsoluteDeviation",
    "rmad": "RobustMeanAbsoluteDeviation",
    "medad": "MedianAbsoluteDeviation",
    "cov": "CoefficientOfVariation",
    "qcod": "QuartileCoefficientOfDispersion",
}
ZONES = {
    "sde": "SmallDistanceEmphasis",
    "lde": "LargeDistanceEmphasis",
    "lgze": "LowGrayLevelZoneEmphasis",
    "hgze": "HighGrayLevelZoneEmphasis",
    "sdlge": "SmallDistanceLowGrayLevelEmphasis",
    "sdhge": "SmallDistanceHighGrayLevelEmphasis",
    "ldlge": "LargeDistanceLowGrayLevelEmphasis",
    "ldhge": "LargeDistanceHighGrayLevelEmphasis",
    "glnu": "GrayLevelNonUniformity",
    "glnu_norm": "GrayLevelNonUniformityNormalized",
    "zdnu": "ZoneDistanceNonUniformity",
    "zdnu_norm": "ZoneDistanceNonUniformityNormalized",
    "z_perc": "ZonePercentage",
    "gl_var": "GrayLevelVariance",
    "zd_var": "ZoneDistanceVariance",
    "zd_entr": "ZoneDistanceEntropy",
}
FORMS = {"2D": "2d", "2_5D": "2.5d", "3D": "3d"}

TAGS: dict[str, str] = {
    **{f"morph_{tag}": f"shape_{name}" for tag, name in SHAPE.items()},
    "loc_peak_loc": "localintensity_LocalPeak",
    "loc_peak_glob": "localintensity_GlobalPeak",
    **{f"stat_{tag}": f"firstorder_{name}" for tag, name in SUMMARY.items()},
    "stat_energy": "firstorder_Energy",
    "stat_rms": "firstorder_RootMeanSquared",
    **{f"ih_{tag}": f"histogram_{name}" for tag, name in SUMMARY.items()},
    "ih_mode": "histogram_Mode",
    "ih_entropy": "firstorder_Entropy",
    "ih_uniformity": "firstorder_Uniformity",
    "ih_max_grad": "histogram_MaximumGradient",
    "ih_max_grad_g": "histogram_MaximumGradientLevel",
    "ih_min_grad": "histogram_MinimumGradient",
    "ih_min_grad_g": "histogram_MinimumGradientLevel",
    "ivh_v10": "ivh_VolumeAtIntensityFraction10",
    "ivh_v90": "ivh_VolumeAtIntensityFraction90",
    "ivh_i10": "ivh_IntensityAtVolumeFraction10",
    "ivh_i90": "ivh_IntensityAtVolumeFraction90",
    "ivh_diff_v10_v90": "ivh_VolumeAtIntensityFractionDifference",
    "ivh_diff_i10_i90": "ivh_IntensityAtVolumeFractionDifference",
    **{f"dzm_{tag}_{form}": f"gldzm_{name}" for tag, name in ZONES.items() for form in FORMS},
}


@pytest.fixture(scope="module")
def found(phantom):
    """Values of the phantom: by column, of GLDZM by form of aggregation and column."""
    volume, rois = phantom
    voxels, inside = volume.voxels, rois["tumour"].mask
    spacing, levels = volume.geometry.spacing_zyx, np.where(inside, voxels, 0)
    plain = {
        **morphology(inside, voxels, spacing_zyx=spacing),
        **local_intensity(inside, voxels, spacing_zyx=spacing),
        **statistics(voxels[inside]),
        **histogram(voxels[inside]),
        **ivh(voxels[inside], kind="discrete"),
    }
    zones = {form: distance_zone_features(levels, aggregation=name) for form, name in FORMS.items()}
    return plain, zones


@pytest.mark.parametrize("tag", TAGS)
def test_the_phantom_has_its_consensus_value(tag, found, reference):
    """Within the tolerance if the table gives one, else to the digits printed there."""
    plain, zones = found
    form = next((one for one in ("2_5D", "2D", "3D") if tag.endswith(f"_{one}")), None)
    of = zones[form] if form else plain
    value, (expected, tolerance) = of[TAGS[tag]], reference[tag]
    if tolerance:
        assert value == pytest.approx(expected, abs=tolerance)
    else:
        assert float(f"{value:.3g}") == pytest.approx(expected, rel=1e-9)


def test_no_consensus_value_of_these_families_is_left_out(reference):
    families = ("morph_", "loc_", "stat_", "ih_", "ivh_", "dzm_")
    assert {tag for tag in reference if tag.startswith(families)} == set(TAGS)


def test_every_column_is_in_the_catalogue_and_made_once(found):
    plain, zones = found
    assert set(plain) | set(zones["3D"]) == set(TAGS.values()) <= set(BY_NAME)
