"""Chains of changes to a case, as settings: what is changed how, and under which name."""

from __future__ import annotations

import itertools
from typing import Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from radlas.config import Config
from radlas.errors import ConfigError

Shift = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
SHUFFLED = "shuffled"


class Perturbation(Config):
    """One chain, in the order of its steps; a step at its default is left out."""

    noise: FiniteFloat = Field(
        default=0.0,
        ge=0,
        description="Noise to add [standard deviations of the image's own noise].",
    )
    rotation_degrees: FiniteFloat = Field(
        default=0.0, ge=-180, le=180, description="Turn in the slices about the tumour [degrees]."
    )
    shift_voxels: Shift = Field(
        default=(0.0, 0.0, 0.0), description="Shift along x, y and z [voxels]."
    )
    grow_mm: FiniteFloat = Field(
        default=0.0, description="How far the surface moves outwards; inwards below 0 [mm]."
    )
    contour_mm3: FiniteFloat = Field(
        default=0.0, ge=0, description="Volume of the supervoxels to draw contours along [mm^3]."
    )
    repeat: PositiveInt = Field(default=1, description="Which draw of noise and contour.")
    shuffle: bool = Field(
        default=False, description="Shuffle the voxels of each ROI: a control, no perturbation."
    )

    @model_validator(mode="after")
    def _refuse_a_repeat_of_the_same(self) -> Self:
        if self.repeat > 1 and not (self.noise or self.contour_mm3):
            raise ValueError("`repeat` above 1 needs `noise` or `contour_mm3`: all else is fixed")
        if self.shuffle and self.model_fields_set - {"shuffle"}:
            raise ValueError("`shuffle` stands alone")
        return self

    @property
    def name(self) -> str:
        """The value of the column ``perturbation``: one per chain, empty for none.

        Examples:
            >>> Perturbation(rotation_degrees=4, grow_mm=-1.5).name
            'rot+4_grow-1p5'
            >>> Perturbation(noise=1, shift_voxels=(0.25, 0.25, 0), contour_mm3=100, repeat=3).name
            'noise1_shift+0p25+0p25+0_contour100_r3'
        """
        shift = "".join(_signed(amount) for amount in self.shift_voxels)
        parts = {
            f"noise{_number(self.noise)}": self.noise,
            f"rot{_signed(self.rotation_degrees)}": self.rotation_degrees,
            f"shift{shift}": any(self.shift_voxels),
            f"grow{_signed(self.grow_mm)}": self.grow_mm,
            f"contour{_number(self.contour_mm3)}": self.contour_mm3,
            f"r{self.repeat}": self.repeat > 1,
            SHUFFLED: self.shuffle,
        }
        return "_".join(part for part, wanted in parts.items() if wanted)


class PerturbationGrid(Config):
    """Chains as the product of their steps' values."""

    noise: FiniteFloat = Field(
        default=1.0,
        gt=0,
        description="Noise to add [standard deviations of the image's own noise].",
    )
    noise_repeats: NonNegativeInt = Field(default=0, description="Draws of noise; 0 for none.")
    rotation_degrees: tuple[FiniteFloat, ...] = Field(
        default=(0.0,), min_length=1, description="Turns in the slices [degrees]."
    )
    shift_voxels: tuple[FiniteFloat, ...] = Field(
        default=(0.0,), min_length=1, description="Shifts along the axes [voxels]."
    )
    shift_along: Literal["diagonal", "xy", "xyz"] = Field(
        default="diagonal",
        description="diagonal: the same shift along x and y; xy, xyz: each with each.",
    )
    grow_mm: tuple[FiniteFloat, ...] = Field(
        default=(0.0,), min_length=1, description="Moves of the surface [mm]."
    )
    contour_mm3: FiniteFloat = Field(
        default=100.0, gt=0, description="Volume of the supervoxels to draw contours along [mm^3]."
    )
    contour_repeats: NonNegativeInt = Field(
        default=0, description="Contours drawn by lot; 0 for none."
    )
    shuffle: bool = Field(
        default=False,
        description="Also describe every case with the voxels of each ROI shuffled: what a model"
        " still reads then is size and brightness, not texture.",
    )
    most: PositiveInt = Field(default=128, description="More chains than this are refused.")


def expand(grid: PerturbationGrid) -> tuple[Perturbation, ...]:
    """Every chain of a grid once; the one that changes nothing is left out.

    Noise and contour are drawn anew in every chain, so their repeats multiply.

    Raises:
        ConfigError: There are more chains than ``grid.most``, or none.

    Examples:
        >>> [one.name for one in expand(PerturbationGrid(grow_mm=(-2, 0, 2)))]
        ['grow-2', 'grow+2']
    """
    repeats = max(1, grid.noise_repeats) * max(1, grid.contour_repeats)
    shifts = _shifts(grid)
    counts = (repeats, len(grid.rotation_degrees), len(shifts), len(grid.grow_mm))
    if (total := int(np.prod(counts))) > grid.most:
        product = " x ".join(str(count) for count in counts)
        raise ConfigError(
            f"{total} chains (repeats, rotations, shifts, moves: {product}), at most {grid.most}",
            hint="leave values out, or raise `most`: every chain costs as much as the case itself",
        )
    chains = dict.fromkeys(
        Perturbation(
            noise=grid.noise if grid.noise_repeats else 0,
            rotation_degrees=degrees,
            shift_voxels=shift,
            grow_mm=grow,
            contour_mm3=grid.contour_mm3 if grid.contour_repeats else 0,
            repeat=repeat,
        )
        for degrees, shift, grow, repeat in itertools.product(
            grid.rotation_degrees, shifts, grid.grow_mm, range(1, repeats + 1)
        )
    )
    found = tuple(chain for chain in chains if chain.name)
    found += (Perturbation(shuffle=True),) if grid.shuffle else ()
    if not found:
        raise ConfigError("no step of the perturbations changes anything", hint="name some values")
    return found


def _shifts(grid: PerturbationGrid) -> list[tuple[float, float, float]]:
    if grid.shift_along == "diagonal":
        return [(shift, shift, 0.0) for shift in grid.shift_voxels]
    along_z: tuple[float, ...] = grid.shift_voxels if grid.shift_along == "xyz" else (0.0,)
    return list(itertools.product(grid.shift_voxels, grid.shift_voxels, along_z))


def _number(value: float) -> str:
    """The shortest text that is this number's alone: 0.25 as 0p25."""
    return repr(abs(float(value))).removesuffix(".0").replace(".", "p")


def _signed(value: float) -> str:
    return ("-" if value < 0 else "+") + _number(value)
