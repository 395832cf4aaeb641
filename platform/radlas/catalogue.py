"""Every radiomic feature once: family, unit, definition, and its code in the IBSI reference manual.

The values are those of PyRadiomics 3.0.1, whose GLDM is IBSI's NGLDM. Where its definition is not
IBSI's, ``remark`` says how. Codes: IBSI reference manual (arXiv 1612.07003).
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
        remark: How it differs from IBSI; empty if it does not.
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


FAMILIES: dict[str, str] = {
    "shape": "size and form of the ROI, from its mesh and its voxels",
    "firstorder": "the distribution of intensities, whatever their places",
    "glcm": "grey levels of neighbours: co-occurrence, mean over 13 directions",
    "gldm": "how many neighbours of a voxel have its grey level: dependence",
    "glrlm": "lengths of runs of one grey level, mean over 13 directions",
    "glszm": "sizes of connected zones of one grey level",
    "ngtdm": "difference of a voxel from the mean of its neighbours",
}

# Family; then per line: feature | unit | IBSI | definition | remark.
_TEXT = """
shape
Elongation | 1 | Q3CK | Square root of the ratio of the second to the first principal variance.
Flatness | 1 | N17B | Square root of the ratio of the third to the first principal variance.
LeastAxisLength | mm | 7J51 | Four times the square root of the third principal variance. | covariance by N, not N-1
MajorAxisLength | mm | TDIC | Four times the square root of the first principal variance. | covariance by N, not N-1
Maximum2DDiameterColumn | mm | | Largest distance of mesh vertices in a plane of rows and slices.
Maximum2DDiameterRow | mm | | Largest distance of mesh vertices in a plane of columns and slices.
Maximum2DDiameterSlice | mm | | Largest distance of mesh vertices within one slice.
Maximum3DDiameter | mm | L0JK | Largest distance of two vertices of the mesh.
MeshVolume | mm3 | RNU0 | Volume inside the triangle mesh around the ROI.
MinorAxisLength | mm | P9VJ | Four times the square root of the second principal variance. | covariance by N, not N-1
Sphericity | 1 | QCFX | Surface of a ball of the same volume over the surface of the mesh.
SurfaceArea | mm2 | C0JK | Area of the mesh.
SurfaceVolumeRatio | 1/mm | 2PR5 | Area of the mesh over its volume.
VoxelVolume | mm3 | YEKZ | Number of voxels times the volume of one.
firstorder
10Percentile | 1 | QG58 | Intensity below which a tenth of the voxels lie.
90Percentile | 1 | 8DWT | Intensity below which nine tenths of the voxels lie.
Energy | 1 | N8CA | Sum of squared intensities, after the declared shift.
Entropy | 1 | TLU2 | Entropy of the histogram of grey levels [bit].
InterquartileRange | 1 | SALO | Third minus first quartile of intensities.
Kurtosis | 1 | IPH6 | Fourth central moment over the squared variance. | 3 is not subtracted
Maximum | 1 | 84IY | Highest intensity.
Mean | 1 | Q4LE | Mean intensity.
MeanAbsoluteDeviation | 1 | 4FUA | Mean distance of intensities from their mean.
Median | 1 | Y12H | Median intensity.
Minimum | 1 | 1GSF | Lowest intensity.
Range | 1 | 2OJQ | Highest minus lowest intensity.
RobustMeanAbsoluteDeviation | 1 | 1128 | Mean distance from the mean among the middle four fifths of voxels.
RootMeanSquared | 1 | 5ZWQ | Square root of the mean squared intensity, after the declared shift.
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
DependenceNonUniformityNormalized | 1 | OKJI | The same with shares in place of counts.
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
GrayLevelNonUniformityNormalized | 1 | OVBL | The same with shares in place of counts.
GrayLevelVariance | 1 | 8CE5 | Variance of the levels over runs.
HighGrayLevelRunEmphasis | 1 | G3QZ | Mean squared level over runs.
LongRunEmphasis | 1 | W4KF | Mean squared length of runs.
LongRunHighGrayLevelEmphasis | 1 | 3KUM | Mean of squared length times squared level.
LongRunLowGrayLevelEmphasis | 1 | IVPO | Mean of squared length over squared level.
LowGrayLevelRunEmphasis | 1 | V3SW | Mean of one over the squared level over runs.
RunEntropy | 1 | HJ9O | Entropy of level and length together [bit].
RunLengthNonUniformity | 1 | W92Y | Sum over lengths of squared counts of runs, over the number of runs.
RunLengthNonUniformityNormalized | 1 | IC23 | The same with shares in place of counts.
RunPercentage | 1 | 9ZK5 | Number of runs over the number of voxels.
RunVariance | 1 | SXLW | Variance of the lengths.
ShortRunEmphasis | 1 | 22OV | Mean of one over the squared length.
ShortRunHighGrayLevelEmphasis | 1 | GD3A | Mean of squared level over squared length.
ShortRunLowGrayLevelEmphasis | 1 | HTZT | Mean of one over squared length and squared level.
glszm
GrayLevelNonUniformity | 1 | JNSA | Sum over levels of squared counts of zones, over the number of zones.
GrayLevelNonUniformityNormalized | 1 | Y1RO | The same with shares in place of counts.
GrayLevelVariance | 1 | BYLV | Variance of the levels over zones.
HighGrayLevelZoneEmphasis | 1 | 5GN9 | Mean squared level over zones.
LargeAreaEmphasis | 1 | 48P8 | Mean squared size of zones.
LargeAreaHighGrayLevelEmphasis | 1 | J17V | Mean of squared size times squared level.
LargeAreaLowGrayLevelEmphasis | 1 | YH51 | Mean of squared size over squared level.
LowGrayLevelZoneEmphasis | 1 | XMSY | Mean of one over the squared level over zones.
SizeZoneNonUniformity | 1 | 4JP3 | Sum over sizes of squared counts of zones, over the number of zones.
SizeZoneNonUniformityNormalized | 1 | VB3A | The same with shares in place of counts.
SmallAreaEmphasis | 1 | 5QRC | Mean of one over the squared size.
SmallAreaHighGrayLevelEmphasis | 1 | HW1V | Mean of squared level over squared size.
SmallAreaLowGrayLevelEmphasis | 1 | 5RAI | Mean of one over squared size and squared level.
ZoneEntropy | 1 | GU8N | Entropy of level and size together [bit].
ZonePercentage | 1 | P30P | Number of zones over the number of voxels.
ZoneVariance | 1 | 3NSA | Variance of the sizes.
ngtdm
Busyness | 1 | NQ30 | Change between a voxel and its neighbours, against the spread of the levels.
Coarseness | 1 | QCDE | One over the mean difference of voxels from their neighbours.
Complexity | 1 | HDEZ | Differences of all pairs of levels, weighted by their differences from neighbours.
Contrast | 1 | 65HE | Spread of the levels times the mean difference from neighbours.
Strength | 1 | 1X9X | Squared differences of all pairs of levels, against the differences from neighbours.
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
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}
