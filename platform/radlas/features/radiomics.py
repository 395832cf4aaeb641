"""The `pyradiomics` profile: PyRadiomics' features, whoever computes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar

from radlas.config import Config
from radlas.errors import DataError
from radlas.features import fast
from radlas.features.case import METHODS, CaseExtractor, Masks
from radlas.features.found import Found
from radlas.features.preprocess import Prepared
from radlas.features.settings import RadiomicsSettings, image_type_names
from radlas.tables import RADIOMICS_FEATURES

PACKAGES = ("numba", "numpy", "pyradiomics", "PyWavelets", "scipy", "SimpleITK")


class RadiomicsExtractor(CaseExtractor):
    """First-order, shape and texture features of the tumour, its edema and its rings."""

    Settings: ClassVar[type[Config]] = RadiomicsSettings
    columns: ClassVar[tuple[str, ...]] = RADIOMICS_FEATURES
    settings: RadiomicsSettings

    @property
    def label(self) -> str:
        """Whose definitions the values follow, and PyRadiomics' own name if it computes them."""
        return f"{self.settings.profile}-upstream" if self._by_upstream else self.settings.profile

    @property
    def banner(self) -> str:
        """What a person should know before the extraction begins."""
        if not self.settings.fallback:
            return ""
        asked = ", ".join(f"`{key}`" for key in self.settings.fallback)
        return f"{asked}: not offered by the fast backend; PyRadiomics itself computes, slowly"

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value."""
        return {"methods": METHODS, **{name.lower(): version(name) for name in PACKAGES}}

    def image_types(self) -> tuple[str, ...]:
        """By upstream's names, in the order of the settings."""
        return image_type_names(self.settings)

    def expected(self, image_type: str) -> tuple[str, ...]:
        """The features of the wanted families; shape belongs to the original image only."""
        wanted = self.settings
        return _expected(wanted.feature_classes, wanted.features, image_type == "original")

    def measure(self, case: Prepared, masks: Masks) -> tuple[list[Found], dict[str, DataError]]:
        """By the fast backend, or by PyRadiomics itself."""
        backend = _upstream() if self._by_upstream else fast
        found: tuple[list[Found], dict[str, DataError]] = backend.describe(
            case, masks, self.settings
        )
        return found

    @property
    def _by_upstream(self) -> bool:
        return self.settings.backend == "pyradiomics" or bool(self.settings.fallback)


@cache
def _expected(families: tuple[str, ...], features: tuple[str, ...], shape: bool) -> tuple[str, ...]:
    return tuple(
        name
        for name in RADIOMICS_FEATURES
        if (family := name.partition("_")[0]) in families
        and (family != "shape" or shape)
        and (not features or {name, f"{family}_*"} & set(features))
    )


def _upstream() -> Any:
    from radlas.features import upstream  # noqa: PLC0415 - a second to import, and rarely needed

    return upstream
