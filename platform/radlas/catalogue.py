"""Every radiomic feature once: family, unit, definition, and its code in the IBSI reference manual.

``FEATURES`` are those of PyRadiomics 3.0.1, whose GLDM is IBSI's NGLDM. ``IBSI_FEATURES`` are what
the profile ``ibsi`` has beyond them. A column of one name has one definition in both profiles;
``remark`` says where it has not. Codes: IBSI reference manual (arXiv 1612.07003v11).
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """One feature.

    Attributes:
        name: Column of the table ``radiomics``: ``family_Feature``.
        unit: ``1`` if it has none; intensities count as numbers, since images are normalised.
        definition: In one sentence.
        ibsi: Code of four signs; empty where IBSI does not define it.
        remark: How a profile differs from IBSI, or what it does where IBSI says nothing; else
            empty.
    """

    name: str
    unit: str
    definition: str
    ibsi: str
    remark: str

    @property
    def family(self) -> str:
        """``shape``, ``firstorder``, ``glcm`` and so on."""
        return self.name.partition("_")[0]


_DIRECTIONS = "mean over directions, in profile ibsi as `aggregation` says"
FAMILIES: dict[str, str] = {
    "shape": "size and form of the ROI, from its mesh and its voxels",
    "firstorder": "the distribution of intensities, whatever their places",
    "glcm": f"grey levels of neighbours: co-occurrence; {_DIRECTIONS}",
    "gldm": "how many neighbours of a voxel have its grey level: dependence",
    "glrlm": f"lengths of runs of one grey level; {_DIRECTIONS}",
    "glszm": "sizes of connected zones of one grey level",
    "ngtdm": "difference of a voxel from the mean of its neighbours",
    "histogram": "the distribution of grey levels, whatever their places",
    "ivh": "how much of the ROI is at least so bright: intensity-volume histogram",
    "localintensity": "mean intensity in a ball of 1 cm3 around voxels of the ROI",
    "gldzm": "distances of connected zones of one grey level from the edge of the ROI",
}

# Family; then per line: feature | unit | IBSI | definition | remark.
_TEXT = """
shape
Elongation | 1 | Q3CK | Square root of the ratio of the second to the first principal variance.
Flatness | 1 | N17B | Square root of the ratio of the third to the first principal variance.
LeastAxisLength | mm | 7J51 | Four times the square root of the third principal variance. | covariance by N in profile pyradiomics, by N-1 in profile ibsi
MajorAxisLength | mm | TDIC | Four times the square root of the first principal variance. | covariance by N in profile pyradiomics, by N-1 in profile ibsi
Maximum2DDiameterColumn | mm | | Largest distance of mesh vertices in a plane of rows and slices.
Maximum2DDiameterRow | mm | | Largest distance of mesh vertices in a plane of columns and slices.
Maximum2DDiameterSlice | mm | | Largest distance of mesh vertices within one slice.
Maximum3DDiameter | mm | L0JK | Largest distance of two vertices of the mesh.
MeshVolume | mm3 | RNU0 | Volume inside the triangle mesh around the ROI.
MinorAxisLength | mm | P9VJ | Four times the square root of the second principal variance. | covariance by N in profile pyradiomics, by N-1 in profile ibsi
Sphericity | 1 | QCFX | Surface of a ball of the same volume over the surface of the mesh.
SurfaceArea | mm2 | C0JK | Area of the mesh.
SurfaceVolumeRatio | 1/mm | 2PR5 | Area of the mesh over its volume.
VoxelVolume | mm3 | YEKZ | Number of voxels times the volume of one.
firstorder
10Percentile | 1 | QG58 | Intensity below which a tenth of the voxels lie.
90Percentile | 1 | 8DWT | Intensity below which nine tenths of the voxels lie.
Energy | 1 | N8CA | Sum of squared intensities, after adding `voxelArrayShift`.
Entropy | 1 | TLU2 | Entropy of the histogram of grey levels [bit].
InterquartileRange | 1 | SALO | Third minus first quartile of intensities.
Kurtosis | 1 | IPH6 | Fourth central moment over the squared variance. | 3 is subtracted in profile ibsi, not in profile pyradiomics
Maximum | 1 | 84IY | Highest intensity.
Mean | 1 | Q4LE | Mean intensity.
MeanAbsoluteDeviation | 1 | 4FUA | Mean distance of intensities from their mean.
Median | 1 | Y12H | Median intensity.
Minimum | 1 | 1GSF | Lowest intensity.
Range | 1 | 2OJQ | Highest minus lowest intensity.
RobustMeanAbsoluteDeviation | 1 | 1128 | Mean distance from the mean among the middle four fifths of voxels.
RootMeanSquared | 1 | 5ZWQ | Square root of the mean squared intensity, after adding `voxelArrayShift`.
Skewness | 1 | KE2A | Third central moment over the variance to the power of 1.5.
TotalEnergy | mm3 | | Energy times the volume of a voxel.
Uniformity | 1 | BJ5W | Sum of squared shares of the grey levels.
Variance | 1 | ECT3 | Mean squared distance of intensities from their mean.
glcm
Autocorrelation | 1 | QWB0 | Mean product of the two levels of a pair.
ClusterProminence | 1 | AE86 | Fourth moment of the sum of a pair about twice the mean level.
ClusterShade | 1 | 7NFM | Third moment of the sum of a pair about twice the mean level.
ClusterTendency | 1 | DG8W | Second moment of the sum of a pair about twice the mean level.
Contrast | 1 | ACUI | Mean squared difference of a pair.
Correlation | 1 | NI2N | Correlation of the two levels of a pair.
DifferenceAverage | 1 | TF7R | Mean absolute difference of a pair.
DifferenceEntropy | 1 | NTRS | Entropy of the absolute differences [bit].
DifferenceVariance | 1 | D3YU | Variance of the absolute differences.
Id | 1 | IB1Z | Mean of one over one plus the absolute difference.
Idm | 1 | WF0Z | Mean of one over one plus the squared difference.
Idmn | 1 | 1QCO | Idm with the difference as a share of the number of levels.
Idn | 1 | NDRX | Id with the difference as a share of the number of levels.
Imc1 | 1 | R8DG | Information that one level of a pair gives on the other, first measure.
Imc2 | 1 | JN9H | Information that one level of a pair gives on the other, second measure.
InverseVariance | 1 | E8JP | Mean of one over the squared difference, over pairs that differ.
JointAverage | 1 | 60VM | Mean level over pairs.
JointEnergy | 1 | 8ZQL | Sum of squared shares of the pairs.
JointEntropy | 1 | TU9B | Entropy of the pairs [bit].
MCC | 1 | | Square root of the second eigenvalue of the pairs' transition matrix.
MaximumProbability | 1 | GYBY | Share of the most frequent pair.
SumAverage | 1 | ZGXS | Mean sum of a pair.
SumEntropy | 1 | P6QZ | Entropy of the sums [bit].
SumSquares | 1 | UR99 | Variance of the levels over pairs.
gldm
DependenceEntropy | 1 | FCBV | Entropy of level and dependence together [bit].
DependenceNonUniformity | 1 | Z87G | Sum over dependences of squared counts, over the number of voxels.
DependenceNonUniformityNormalized | 1 | OKJI | Sum over dependences of the squared share of voxels.
DependenceVariance | 1 | DNX2 | Variance of the dependences.
GrayLevelNonUniformity | 1 | FP8K | Sum over levels of squared counts, over the number of voxels.
GrayLevelVariance | 1 | 1PFV | Variance of the levels.
HighGrayLevelEmphasis | 1 | OAE7 | Mean squared level.
LargeDependenceEmphasis | 1 | IMOQ | Mean squared dependence.
LargeDependenceHighGrayLevelEmphasis | 1 | 9QMG | Mean of squared dependence times squared level.
LargeDependenceLowGrayLevelEmphasis | 1 | NBZI | Mean of squared dependence over squared level.
LowGrayLevelEmphasis | 1 | TL9H | Mean of one over the squared level.
SmallDependenceEmphasis | 1 | SODN | Mean of one over the squared dependence.
SmallDependenceHighGrayLevelEmphasis | 1 | JA6D | Mean of squared level over squared dependence.
SmallDependenceLowGrayLevelEmphasis | 1 | EQ3F | Mean of one over squared dependence and squared level.
glrlm
GrayLevelNonUniformity | 1 | R5YN | Sum over levels of squared counts of runs, over the number of runs.
GrayLevelNonUniformityNormalized | 1 | OVBL | Sum over levels of the squared share of runs.
GrayLevelVariance | 1 | 8CE5 | Variance of the levels over runs.
HighGrayLevelRunEmphasis | 1 | G3QZ | Mean squared level over runs.
LongRunEmphasis | 1 | W4KF | Mean squared length of runs.
LongRunHighGrayLevelEmphasis | 1 | 3KUM | Mean of squared length times squared level.
LongRunLowGrayLevelEmphasis | 1 | IVPO | Mean of squared length over squared level.
LowGrayLevelRunEmphasis | 1 | V3SW | Mean of one over the squared level over runs.
RunEntropy | 1 | HJ9O | Entropy of level and length together [bit].
RunLengthNonUniformity | 1 | W92Y | Sum over lengths of squared counts of runs, over the number of runs.
RunLengthNonUniformityNormalized | 1 | IC23 | Sum over lengths of the squared share of runs.
RunPercentage | 1 | 9ZK5 | Number of runs over the number of voxels.
RunVariance | 1 | SXLW | Variance of the lengths.
ShortRunEmphasis | 1 | 22OV | Mean of one over the squared length.
ShortRunHighGrayLevelEmphasis | 1 | GD3A | Mean of squared level over squared length.
ShortRunLowGrayLevelEmphasis | 1 | HTZT | Mean of one over squared length and squared level.
glszm
GrayLevelNonUniformity | 1 | JNSA | Sum over levels of squared counts of zones, over the number of zones.
GrayLevelNonUniformityNormalized | 1 | Y1RO | Sum over levels of the squared share of zones.
GrayLevelVariance | 1 | BYLV | Variance of the levels over zones.
HighGrayLevelZoneEmphasis | 1 | 5GN9 | Mean squared level over zones.
LargeAreaEmphasis | 1 | 48P8 | Mean squared size of zones.
LargeAreaHighGrayLevelEmphasis | 1 | J17V | Mean of squared size times squared level.
LargeAreaLowGrayLevelEmphasis | 1 | YH51 | Mean of squared size over squared level.
LowGrayLevelZoneEmphasis | 1 | XMSY | Mean of one over the squared level over zones.
SizeZoneNonUniformity | 1 | 4JP3 | Sum over sizes of squared counts of zones, over the number of zones.
SizeZoneNonUniformityNormalized | 1 | VB3A | Sum over sizes of the squared share of zones.
SmallAreaEmphasis | 1 | 5QRC | Mean of one over the squared size.
SmallAreaHighGrayLevelEmphasis | 1 | HW1V | Mean of squared level over squared size.
SmallAreaLowGrayLevelEmphasis | 1 | 5RAI | Mean of one over squared size and squared level.
ZoneEntropy | 1 | GU8N | Entropy of level and size together [bit].
ZonePercentage | 1 | P30P | Number of zones over the number of voxels.
ZoneVariance | 1 | 3NSA | Variance of the sizes.
ngtdm
Busyness | 1 | NQ30 | Change between a voxel and its neighbours, against the spread of the levels.
Coarseness | 1 | QCDE | One over the sum over levels of share times summed differences from neighbours.
Complexity | 1 | HDEZ | Differences of all pairs of levels, weighted by their differences from neighbours.
Contrast | 1 | 65HE | Spread of the levels times the mean difference from neighbours.
Strength | 1 | 1X9X | Squared differences of all pairs of levels, against the differences from neighbours.
"""

# What the profile `ibsi` has beyond them, in the same form.
_IBSI_TEXT = """
shape
AreaDensityBoundingBox | 1 | R59B | Area of the mesh over that of the smallest box around it along the axes of the image.
AreaDensityConvexHull | 1 | 7T7F | Area of the mesh over that of its convex hull.
AreaDensityEllipsoid | 1 | RDD2 | Area of the mesh over that of the ellipsoid with the principal axes as its axes. | by the manual's series, which is not that ellipsoid's true area
Asphericity | 1 | 25C7 | Area of the mesh over that of a ball of the same volume, less 1.
CentreOfMassShift | mm | KLMA | Distance of the centre of mass of the intensities from the centre of the voxels.
Compactness1 | 1 | SKGS | Volume of the mesh over the square root of pi times the area to the power of 1.5.
Compactness2 | 1 | BQWJ | Sphericity to the power of 3.
GearyC | 1 | NPT7 | Squared differences of all pairs of voxels, weighted by one over their distance, against the variance.
IntegratedIntensity | mm3 | 99N0 | Mean intensity times the volume of the mesh.
MoranI | 1 | N365 | Correlation of all pairs of voxels, weighted by one over their distance.
SphericalDisproportion | 1 | KRCK | Area of the mesh over that of a ball of the same volume.
VolumeDensityBoundingBox | 1 | PBX1 | Volume of the mesh over that of the smallest box around it along the axes of the image.
VolumeDensityConvexHull | 1 | R3ER | Volume of the mesh over that of its convex hull.
VolumeDensityEllipsoid | 1 | 6BDE | Volume of the mesh over that of the ellipsoid with the principal axes as its axes.
firstorder
CoefficientOfVariation | 1 | 7TET | Standard deviation of intensities over their mean.
MedianAbsoluteDeviation | 1 | N72L | Mean distance of intensities from their median.
QuartileCoefficientOfDispersion | 1 | 9S40 | Third minus first quartile of intensities, over the sum of both.
gldm
DependenceEnergy | 1 | CAS9 | Sum of squared shares of level and dependence together.
DependencePercentage | 1 | 6XV8 | Number of neighbourhoods that are counted, over the number of voxels.
GrayLevelNonUniformityNormalized | 1 | 5SPA | Sum of squared shares of the levels.
histogram
10Percentile | 1 | GPMT | Level below which a tenth of the voxels lie.
90Percentile | 1 | OZ0C | Level below which nine tenths of the voxels lie.
CoefficientOfVariation | 1 | CWYJ | Standard deviation of the levels over their mean.
InterquartileRange | 1 | WR0O | Third minus first quartile of the levels.
Kurtosis | 1 | C3I7 | Fourth central moment of the levels over the squared variance, less 3.
Maximum | 1 | 3NCY | Highest level.
MaximumGradient | 1 | 12CE | Steepest rise of the counts from level to level.
MaximumGradientLevel | 1 | 8E6O | Level at which the counts rise most steeply.
Mean | 1 | X6K6 | Mean level.
MeanAbsoluteDeviation | 1 | D2ZX | Mean distance of levels from their mean.
Median | 1 | WIFQ | Median level.
MedianAbsoluteDeviation | 1 | 4RNL | Mean distance of levels from their median.
Minimum | 1 | 1PR8 | Lowest level.
MinimumGradient | 1 | VQB3 | Steepest fall of the counts from level to level.
MinimumGradientLevel | 1 | RHQZ | Level at which the counts fall most steeply.
Mode | 1 | AMMC | Most frequent level; of several the one nearest to the mean.
QuartileCoefficientOfDispersion | 1 | SLWD | Third minus first quartile of the levels, over the sum of both.
Range | 1 | 5Z3W | Highest minus lowest level.
RobustMeanAbsoluteDeviation | 1 | WRZB | Mean distance from the mean among the middle four fifths of the levels.
Skewness | 1 | 88K1 | Third central moment of the levels over the variance to the power of 1.5.
Variance | 1 | CH89 | Mean squared distance of levels from their mean.
ivh
IntensityAtVolumeFraction10 | 1 | PWN1 | Lowest intensity that at most a tenth of the ROI reaches. | the level above the highest where more than a tenth has the highest
IntensityAtVolumeFraction90 | 1 | BOHI | Lowest intensity that at most nine tenths of the ROI reach. | the level above the highest where more than nine tenths have the highest
IntensityAtVolumeFractionDifference | 1 | JXJA | Intensity at a tenth of the ROI minus that at nine tenths.
VolumeAtIntensityFraction10 | 1 | NK6P | Share of the ROI that reaches a tenth of the range of intensities.
VolumeAtIntensityFraction90 | 1 | 4279 | Share of the ROI that reaches nine tenths of the range of intensities.
VolumeAtIntensityFractionDifference | 1 | WITY | Share at a tenth of the range of intensities minus that at nine tenths.
localintensity
GlobalPeak | 1 | 0F91 | Highest mean intensity of a ball of 1 cm3 around a voxel of the ROI.
LocalPeak | 1 | VJGA | Mean intensity of the ball of 1 cm3 around the brightest voxel of the ROI.
gldzm
GrayLevelNonUniformity | 1 | VFT7 | Sum over levels of squared counts of zones, over the number of zones.
GrayLevelNonUniformityNormalized | 1 | 7HP3 | Sum over levels of the squared share of zones.
GrayLevelVariance | 1 | QK93 | Variance of the levels over zones.
HighGrayLevelZoneEmphasis | 1 | K26C | Mean squared level over zones.
LargeDistanceEmphasis | 1 | MB4I | Mean squared distance of zones from the edge.
LargeDistanceHighGrayLevelEmphasis | 1 | KLTH | Mean of squared distance times squared level.
LargeDistanceLowGrayLevelEmphasis | 1 | A7WM | Mean of squared distance over squared level.
LowGrayLevelZoneEmphasis | 1 | S1RA | Mean of one over the squared level over zones.
SmallDistanceEmphasis | 1 | 0GBI | Mean of one over the squared distance of zones from the edge.
SmallDistanceHighGrayLevelEmphasis | 1 | DKNJ | Mean of squared level over squared distance.
SmallDistanceLowGrayLevelEmphasis | 1 | RUVG | Mean of one over squared distance and squared level.
ZoneDistanceEntropy | 1 | GBDU | Entropy of level and distance together [bit].
ZoneDistanceNonUniformity | 1 | V294 | Sum over distances of squared counts of zones, over the number of zones.
ZoneDistanceNonUniformityNormalized | 1 | IATH | Sum over distances of the squared share of zones.
ZoneDistanceVariance | 1 | 7WT1 | Variance of the distances.
ZonePercentage | 1 | VIWW | Number of zones over the number of voxels.
"""


def _read(text: str) -> tuple[Feature, ...]:
    family, found = "", []
    for line in filter(None, text.splitlines()):
        if "|" not in line:
            family = line
            continue
        name, unit, ibsi, definition, *remark = (part.strip() for part in line.split("|"))
        found.append(Feature(f"{family}_{name}", unit, definition, ibsi, "".join(remark)))
    return tuple(found)


FEATURES: tuple[Feature, ...] = _read(_TEXT)
IBSI_FEATURES: tuple[Feature, ...] = _read(_IBSI_TEXT)
BY_NAME: dict[str, Feature] = {
    one.name: one for family in FAMILIES for one in FEATURES + IBSI_FEATURES if one.family == family
}

# Of PyRadiomics' columns, those that the reference manual does not define.
_NOT_IBSI = ("firstorder_TotalEnergy", "glcm_MCC", "shape_Maximum2D")
PROFILES: dict[str, tuple[str, ...]] = {
    "pyradiomics": tuple(feature.name for feature in FEATURES),
    "ibsi": tuple(name for name in BY_NAME if not name.startswith(_NOT_IBSI)),
}
