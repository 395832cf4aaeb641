"""radlas: a feature store for multicentre MRI radiomics, and the study it exists for."""

from radlas.errors import RadlasError

__version__ = "0.1.0"
__all__ = ["RadlasError", "__version__"]
