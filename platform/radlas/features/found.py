"""What a backend found of one ROI in one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from radlas.features.families import Values


@dataclass(frozen=True)
class Found:
    """One ROI in one image.

    Attributes:
        roi: Name of the ROI.
        image_type: Name of the image.
        values: By column name; ``None`` where a feature is not defined.
        grey_levels: Levels that occur in the ROI; ``None`` if that is not known.
        aggregation: How texture matrices were merged, as ``3d_average``.
        reason: Why there are no values but of shape; empty otherwise.
        family_reasons: Why a family has undefined values, where more is known than that.
    """

    roi: str
    image_type: str
    values: Values
    grey_levels: int | None = None
    aggregation: str = ""
    reason: str = ""
    family_reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The reason of the whole, or of each family with undefined values.

        Examples:
            >>> Found("tumour", "original", {"glcm_Id": None, "ngtdm_Contrast": 1.0}).why
            'glcm:undefined_feature'
        """
        if self.reason:
            return self.reason
        undefined = {name.partition("_")[0] for name in self.values if self.values[name] is None}
        return " ".join(
            f"{family}:{self.family_reasons.get(family, 'undefined_feature')}"
            for family in sorted(undefined)
        )
