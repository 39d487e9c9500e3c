"""Which device computes, what it is called, and how torch is set up for it.

Equal bits are promised for one device type: a CPU's name includes its instruction set, which decides how
torch orders a sum. Knows no network.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from shared.errors import SetupError


@dataclass(frozen=True, slots=True)
class Layout:
    """How work is cut for a device.

    `block_rows` samples, `condition_rows` conditions, and `reference_rows` real samples, share their matrix
    products; `tile_elements` counts are drawn at once (on a CPU, what its caches hold); `threads` blocks are
    computed side by side.
    """

    block_rows: int
    condition_rows: int
    reference_rows: int
    tile_elements: int
    threads: int

    @classmethod
    def of(cls, device: torch.device) -> Layout:
        """The layout for a device, with as many threads as torch would use."""
        if device.type == "cuda":
            return cls(256, 32, 32, tile_elements=1 << 22, threads=torch.get_num_threads())
        return cls(32, 8, 8, tile_elements=3 << 16, threads=torch.get_num_threads())


def choose_device(wanted: str | None = None) -> torch.device:
    """The device that the settings name, else CUDA where there is one, else the CPU. Raises SetupError."""
    if wanted is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = torch.device("meta")
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise SetupError(f"GENEQUEUE_DEVICE is {wanted!r}; set it to cpu, cuda or cuda:N, or leave it out.")
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise SetupError(
            f"GENEQUEUE_DEVICE is {wanted!r}, and torch sees {torch.cuda.device_count()} CUDA devices here. "
            "Leave it out to use what there is."
        )
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """What results call the device: `cpu AVX512`, `cuda:0 NVIDIA H200`."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"{device} {torch.backends.cpu.get_cpu_capability()}"


def prepare(device: torch.device) -> None:
    """Make matrix products on a device repeatable: full float32 precision, fixed workspaces."""
    torch.set_float32_matmul_precision("highest")
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def prepare_thread() -> None:
    """Make this thread compute alone, and treat denormal numbers as zero, which is faster."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Within it no operation is split over threads: where the split falls may change how a sum is rounded."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
