"""The slice of a stored case that pages show."""

from __future__ import annotations

from radlas.errors import StoreError
from radlas.geometry import as_seen
from radlas.model import TUMOUR
from radlas.places.place import Place
from radlas.report.thumbnail import Thumbnail, busiest_slice, make_thumbnail
from radlas.volumes.zarr import read_box, read_rois, roi_key


def case_thumbnail(
    place: Place, case_id: str, pixels: int, *, sided: bool, quality: int = 82
) -> Thumbnail:
    """The slice of a case with most of its tumour, with all outlines, seen as radiologists do.

    Args:
        place: Where the store lies.
        case_id: The case.
        pixels: Longest side of the picture.
        sided: Whether it is known how the patient lay; else the slice is shown as it is stored.
        quality: Of the JPEG, 1 to 95.

    Raises:
        StoreError: The volume is damaged, or no tumour is stored.
    """
    rois = {roi_key(roi): roi.mask for roi in read_rois(place, case_id)}
    tumours = [mask for name, mask in rois.items() if name.partition("@")[0] == TUMOUR]
    if not tumours:
        raise StoreError("no tumour is stored", f"case {case_id}", "radlas verify")
    number, slices = busiest_slice(tumours[0]), len(tumours[0])
    whole = slice(None)
    volume = read_box(place, case_id, (slice(number, number + 1), whole, whole))
    names = sorted(rois)
    seen = (volume.voxels[0], *(rois[name][number] for name in names))
    sides: tuple[str, str] | tuple[()] = ()
    spacing = volume.geometry.spacing[:2]
    if sided:
        sides, spacing, seen = as_seen(volume.geometry, *seen)
    return make_thumbnail(
        seen[0],
        dict(zip(names, seen[1:], strict=True)),
        spacing=spacing,
        number=number + 1,
        slices=slices,
        sides=sides,
        longest=pixels,
        quality=quality,
    )
