"""What a user asks of `genequeue train`: the files, what the model is called, and how to train it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from shared.errors import Fault, InvalidInput
from shared.queries.requests import RequestType
from shared.queries.spec import Modality

STARTERS = ("gem-1-bulk", "gem-1-sc")
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
LARGEST_SHARE = 0.5  # of the samples that may be held out
DEFAULT_LICENCE = "Not stated"


@dataclass(frozen=True, slots=True)
class LabRequest:
    """The options of the command, as they were given; None leaves a choice to the data or the machine."""

    data: tuple[str, ...]
    model_id: str
    out: str
    layer: str | None = None
    modality: str = Modality.BULK.value
    title: str | None = None
    description: str | None = None
    licence: str = DEFAULT_LICENCE
    version: int = 1
    hold_out: float = 0.1
    steps: int | None = None
    batch_size: int | None = None
    seed: int = 0
    threads: int | None = None
    device: str | None = None
    devices: int = 1
    save_minutes: float = 5.0
    resume: bool = False

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> LabRequest:
        """Read what the command wrote; options that were not given are left out or null."""
        defaults = {each.name for each in fields(cls)}
        given = {name: value for name, value in raw.items() if value is not None and name in defaults}
        return cls(**{**given, "data": tuple(given["data"])})

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in the order in which they were named."""
        return tuple(map(Path, self.data))

    @property
    def settings(self) -> dict[str, Any]:
        """What two runs must have in common for the second to carry on with the first."""
        free = {"data", "out", "title", "description", "licence", "version", "save_minutes", "resume"}
        return {name: value for name, value in asdict(self).items() if name not in free}

    def check(self) -> None:
        """Raises InvalidInput with everything that is wrong with the options themselves."""
        faults = tuple(self._faults())
        if faults:
            raise InvalidInput("The command cannot be carried out as it stands.", faults)

    def _faults(self) -> Iterator[Fault]:
        if not _MODEL_ID.fullmatch(self.model_id):
            yield Fault(
                "--model-id",
                f"{self.model_id!r} is not a model id: use small letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit.",
            )
        if self.model_id in STARTERS:
            yield Fault("--model-id", f"{self.model_id} is a starter model's id; choose another.")
        for suffix in (kind.suffix for kind in RequestType if kind.suffix):
            if self.model_id.endswith(suffix):
                yield Fault("--model-id", f"{suffix!r} at the end names a way of asking; choose another end.")
        if not 0 <= self.hold_out <= LARGEST_SHARE:
            yield Fault("--hold-out", f"{self.hold_out:g} is not a share from 0 to {LARGEST_SHARE:g}.")
        if self.modality not in tuple(Modality):
            yield Fault("--modality", f"{self.modality!r} is neither {' nor '.join(Modality)}.")
        if len(set(self.paths)) < len(self.paths):
            yield Fault("--data", "A file is named twice.")
