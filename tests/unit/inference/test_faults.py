"""Errors of memory and device in our own words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from shared.errors import DeviceLost, GeneQueueError, OutOfMemory
from worker.inference.faults import in_our_words


def exhaust_torch() -> None:
    torch.empty(1 << 60)


def exhaust_numpy() -> None:
    np.empty(1 << 50)


def exhaust_device() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free.")


@pytest.mark.parametrize("exhaust", [exhaust_torch, exhaust_numpy, exhaust_device])
def test_what_does_not_fit_the_memory_is_said_without_the_raw_text(exhaust: Callable[[], None]) -> None:
    """Row 20: the text never reaches a client, and no frame that holds memory is kept."""
    with pytest.raises(OutOfMemory) as caught, in_our_words():
        exhaust()
    assert "allocate" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not caught.value.fatal


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"),
    ],
)
def test_an_error_that_lasts_as_long_as_the_process_is_fatal(error: RuntimeError) -> None:
    """Row 19."""
    with pytest.raises(DeviceLost) as caught, in_our_words():
        raise error
    assert caught.value.fatal
    assert "CUDA" not in str(caught.value)


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes") as caught, in_our_words():
        torch.ones(2) @ torch.ones(3, 3)
    assert not isinstance(caught.value, GeneQueueError)
