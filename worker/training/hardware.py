"""On what a network trains: one CPU, or one or several GPUs in mixed precision."""

from __future__ import annotations

import re

import torch
from lightning_fabric import Fabric

from shared.errors import SetupError

_DEVICE = re.compile(r"cpu|cuda(?::([0-9]+))?")


def fabric_for(device: str | None, processes: int) -> Fabric:
    """Fabric, launched, for the device that a user names, else CUDA where there is one, else the CPU.

    `processes` is the number of GPUs, or of processes on a CPU. Raises SetupError.
    """
    found = _DEVICE.fullmatch(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if found is None:
        raise SetupError(f"--device is {device!r}; give cpu, cuda or cuda:N, or leave it out.")
    strategy = "ddp_find_unused_parameters_true" if processes > 1 else "auto"
    if found[0] == "cpu":
        fabric = Fabric(accelerator="cpu", devices=processes, strategy=strategy, precision="32-true")
    else:
        chosen = _gpus(int(found[1]) if found[1] else 0, processes)
        fabric = Fabric(accelerator="cuda", devices=chosen, strategy=strategy, precision="bf16-mixed")
    fabric.launch()
    return fabric


def _gpus(first: int, number: int) -> list[int]:
    wanted, here = list(range(first, first + number)), torch.cuda.device_count()
    if wanted[-1] >= here:
        raise SetupError(
            f"GPUs {first} to {wanted[-1]} were asked for, and torch sees {here} of them here. Ask for "
            "fewer with --devices, or train with --device cpu."
        )
    return wanted
