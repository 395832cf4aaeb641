"""Features of the IBSI reference manual (arXiv 1612.07003v11): pure, arrays in, values out."""
