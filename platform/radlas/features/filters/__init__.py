"""Filtered images. Each file is one filter: the whole image and a box in, that box's voxels out."""
