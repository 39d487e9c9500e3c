"""What a device says when it fails, in our own words: its raw text reaches no client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from shared.errors import DeviceLost, OutOfMemory

# After one of these every further call of the process fails, or lies.
_FATAL = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "device-side assert")
_SAYS_NO_ROOM = "A sample of it does not fit the memory of the worker."
_NO_ROOM = ("DefaultCPUAllocator", "can't allocate memory", "CUDA out of memory")


@contextmanager
def in_our_words() -> Iterator[None]:
    """Within it torch's errors of memory and device are raised as OutOfMemory and DeviceLost.

    The first error is not kept as a cause: its frames would hold the memory that is to be freed.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise OutOfMemory(_SAYS_NO_ROOM) from None
    except RuntimeError as error:
        said = str(error)
        if any(sign in said for sign in _NO_ROOM):
            raise OutOfMemory(_SAYS_NO_ROOM) from None
        if isinstance(error, torch.AcceleratorError) or any(sign in said for sign in _FATAL):
            raise DeviceLost("The device that computed it failed.") from error
        raise
