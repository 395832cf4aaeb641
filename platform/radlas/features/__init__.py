"""Extractors: pure, (volume, ROIs) in, feature rows out. Add yours as one line here."""

from radlas.registry import EXTRACTOR_GROUP, Registry

EXTRACTORS = Registry(
    EXTRACTOR_GROUP,
    {
        "deep": "radlas.features.resnet.extractor:DeepExtractor",
        "ibsi": "radlas.features.ibsi.extractor:IbsiExtractor",
        "radiomics": "radlas.features.radiomics:RadiomicsExtractor",
    },
    needs=("Settings", "describe"),
)
