"""Deep features by a 3D ResNet18: the only folder that imports torch."""
