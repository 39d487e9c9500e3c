"""A training that may be stopped and taken up again: when its state is kept, and what belongs together."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from shared.errors import CheckpointCorrupt, SetupError
from worker.training.interruption import Interruption, listening
from worker.training.state import STATE, TrainingState, replace_file
from worker.training.trainer import Progress, Trainer

SETTINGS = "settings.json"
GO_ON, KEEP, STOP = 0.0, 1.0, 2.0


@dataclass(frozen=True, slots=True)
class Run:
    """One training in a folder. `settings` are what a training that carries on must have in common."""

    folder: Path
    settings: Mapping[str, Any]
    keep_every: timedelta

    def prepare(self, resume: bool) -> None:
        """Raises SetupError where a training lies in the folder that is not to be resumed, or the reverse."""
        if not resume:
            if (self.folder / STATE).exists():
                raise SetupError(
                    f"A training that was stopped lies in {self.folder}. Add --resume to carry on with it, "
                    "or delete that folder to begin anew."
                )
            return
        if not (self.folder / STATE).exists():
            raise SetupError(f"There is nothing to resume in {self.folder}. Leave out --resume.")
        self._compare(self._kept_settings())

    def take_up(self, trainer: Trainer, resume: bool) -> None:
        """Give a fresh trainer the state that is kept, or note in the folder what is begun."""
        if resume:
            TrainingState.read(self.folder).restore(trainer)
        elif trainer.fabric.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(self.folder / SETTINGS, json.dumps(self.settings, indent=2).encode())

    def train(self, trainer: Trainer, progress: Progress) -> bool:
        """Train to the end of the plan, or until somebody interrupts: then False, and the state is kept."""
        due = time.monotonic() + self.keep_every.total_seconds()
        with listening() as interruption:
            while trainer.step < trainer.plan.steps:
                trainer.advance()
                progress(trainer.step, trainer.loss)
                wish = _wish(trainer.fabric, interruption, due)
                if wish != GO_ON:
                    self._keep(trainer)
                    due = time.monotonic() + self.keep_every.total_seconds()
                if wish == STOP:
                    return False
        self._keep(trainer)
        return True

    def _keep(self, trainer: Trainer) -> None:
        state = TrainingState.of(trainer)
        if trainer.fabric.is_global_zero:
            state.write(self.folder)

    def _kept_settings(self) -> dict[str, Any]:
        path = self.folder / SETTINGS
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise CheckpointCorrupt(
                f"{path} cannot be read ({error}). Delete {self.folder} and train from the start."
            ) from error

    def _compare(self, kept: Mapping[str, Any]) -> None:
        """Raises SetupError, naming every setting that is another one now."""
        wanted = json.loads(json.dumps(self.settings))
        other = [name for name in {**kept, **wanted} if kept.get(name) != wanted.get(name)]
        if other:
            told = "; ".join(f"{name} was {kept.get(name)}, now {wanted.get(name)}" for name in other)
            raise SetupError(
                f"The training in {self.folder} was begun with other data or settings: {told}. Give the same "
                "ones, or delete that folder to begin anew."
            )


def _wish(fabric: Fabric, interruption: Interruption, due: float) -> float:
    """Whether any process wants the state kept, or the training stopped."""
    own = STOP if interruption.asked else KEEP if time.monotonic() >= due else GO_ON
    if fabric.world_size == 1:
        return own
    strongest = torch.tensor(own, device=fabric.device)
    torch.distributed.all_reduce(strongest, op=torch.distributed.ReduceOp.MAX)
    return strongest.item()
