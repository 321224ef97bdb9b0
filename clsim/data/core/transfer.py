"""Transfer of a whole data set to a device that may be too small for it."""

from __future__ import annotations

from contextlib import suppress

import psutil
import torch

from clsim.data.core.images import Images
from clsim.utils.errors import RunFailed
from clsim.utils.hints import is_out_of_memory

GIB = 1 << 30


def moved(images: Images, device: torch.device) -> Images:
    """Return the images on ``device``.

    Raises:
        RunFailed: The device lacks the memory; a smaller batch would not help.
    """
    try:
        return images.to(device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        free = free_memory(device)
        room = "" if free is None else f" ({free / GIB:.2f} GiB free)"
        size = f"{len(images):,} images of {images.pixels.nbytes / GIB:.2f} GiB"
        fix = "use a device with more memory, --device cpu, fewer images, or a smaller stream.image_size"
        raise RunFailed(f"{size} ({images.name}) do not fit in the memory of {device}{room}", fix=fix) from error


def free_memory(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes; None if it is unknown."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    with suppress(RuntimeError, AssertionError):
        return int(torch.cuda.mem_get_info(device)[0])
    return None
