"""A training on disk: all that its next steps depend on, in one safetensors file, replaced in one move.

The numbers stand in the file's header as JSON. A file that cannot be written leaves the last one as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from shared.errors import CheckpointCorrupt, SetupError
from worker.training.trainer import Trainer

STATE, HEADER = "state.safetensors", "training"
NETWORK, OPTIMISER = "network.", "optimiser."


@dataclass(frozen=True, slots=True)
class TrainingState:
    """A trainer after some steps: tensors by name, and everything else as JSON values."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, trainer: Trainer) -> TrainingState:
        """What a trainer is now. Every process must ask; each has random generators of its own."""
        moments = trainer.optimiser.state_dict()
        tensors = {NETWORK + name: value for name, value in trainer.network.state_dict().items()}
        for number, values in moments["state"].items():
            tensors |= {f"{OPTIMISER}{number}.{name}": value for name, value in values.items()}
        own = {"numpy": trainer.random.bit_generator.state, "torch": _generators()}
        facts = {
            "step": trainer.step,
            "loss": trainer.loss,
            "groups": moments["param_groups"],
            "schedule": trainer.schedule.state_dict(),
            "random": _of_every_process(own),
        }
        return cls(tensors, facts)

    def restore(self, trainer: Trainer) -> None:
        """Make a trainer of the same data, plan and number of processes what the other one was."""
        names = [name for name in self.tensors if name.startswith(NETWORK)]
        trainer.network.load_state_dict({name.removeprefix(NETWORK): self.tensors[name] for name in names})
        moments: dict[int, dict[str, Tensor]] = {}
        for name in (name for name in self.tensors if name.startswith(OPTIMISER)):
            number, _, kind = name.removeprefix(OPTIMISER).partition(".")
            moments.setdefault(int(number), {})[kind] = self.tensors[name]
        trainer.optimiser.load_state_dict({"state": moments, "param_groups": self.facts["groups"]})
        trainer.schedule.load_state_dict(dict(self.facts["schedule"]))
        own = self.facts["random"][trainer.fabric.global_rank]
        trainer.random.bit_generator.state = own["numpy"]
        _set_generators(own["torch"])
        trainer.step, trainer.loss = self.facts["step"], self.facts["loss"]

    def write(self, folder: Path) -> None:
        """Replace the state in a folder. Raises SetupError, with the old state whole, where that fails."""
        content = save(
            {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()},
            {HEADER: json.dumps(self.facts)},
        )
        replace_file(folder / STATE, content)

    @classmethod
    def read(cls, folder: Path) -> TrainingState:
        """The state in a folder. Raises CheckpointCorrupt."""
        path = folder / STATE
        try:
            with safe_open(path, framework="pt") as stored:
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
                return cls(tensors, json.loads(stored.metadata()[HEADER]))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointCorrupt(
                f"{path} cannot be read ({error}). Delete {folder} and train from the start."
            ) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside the old one, then move it there: a reader finds the old one or the new one."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        kept = " What was kept there before is whole." if path.exists() else ""
        raise SetupError(
            f"{path} could not be written: {error.strerror}.{kept} Make room for {len(content) / 1e6:,.0f} "
            "MB on that disk, then repeat the command with --resume."
        ) from error


def _generators() -> dict[str, list[int]]:
    """The states of torch's generators in this process, byte by byte."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {device: state.tolist() for device, state in states.items()}


def _set_generators(states: Mapping[str, list[int]]) -> None:
    torch.set_rng_state(torch.tensor(states["cpu"], dtype=torch.uint8))
    if "cuda" in states:
        torch.cuda.set_rng_state(torch.tensor(states["cuda"], dtype=torch.uint8))


def _of_every_process(own: dict[str, Any]) -> list[dict[str, Any]]:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [own]
    everyone: list[dict[str, Any]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, own)
    return everyone
