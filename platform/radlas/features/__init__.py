"""Extractors: pure, (volume, ROIs) in, feature rows out. Add yours as one line here."""

from radlas.registry import Registry

EXTRACTORS = Registry(
    "radlas.extractors",
    {
        "deep": "radlas.features.resnet.extractor:DeepExtractor",
        "ibsi": "radlas.features.ibsi.extractor:IbsiExtractor",
        "radiomics": "radlas.features.radiomics:RadiomicsExtractor",
    },
    needs=("Settings", "describe"),
)
