"""What a submit into a folder remembers, so that the same command goes on where the last run was killed."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

from shared.errors import InvalidInput

_NAME = ".genequeue.json"


@dataclass(slots=True)
class Memory:
    """One submit: its key, sent with every try so that the query is saved once, and how far it came.

    `submitted` is the digest of what is sent. `first` says that no other run began with it.
    """

    folder: Path
    submitted: str
    key: str = field(default_factory=lambda: uuid4().hex)
    upload: str | None = None
    query: str | None = None
    first: bool = False

    @classmethod
    def recall(cls, folder: Path, submitted: str) -> Memory:
        """What a folder remembers of the same submit, or a new memory, saved before anything is sent.

        Raises InvalidInput if the folder belongs to another one.
        """
        known = _read(folder)
        if known is None:
            memory = cls(folder, submitted, first=True)
            memory.save()
            return memory
        if known.submitted != submitted:
            raise InvalidInput(
                f"{folder} holds the result of other conditions, another model or other options. Choose "
                "another folder, or remove that one."
            )
        return known

    def save(self) -> None:
        """Write it, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in asdict(self).items() if name not in {"folder", "first"}}
        beside = self.folder / f"{_NAME}.new"
        beside.write_text(json.dumps(kept, indent=2) + "\n")
        beside.replace(self.folder / _NAME)

    def began_upload(self, upload: str) -> None:
        """Bytes go there from now on."""
        self.upload = upload
        self.save()

    def was_accepted(self, query: str) -> None:
        """The query has an id: nothing is sent any more."""
        self.query = query
        self.save()

    def was_refused(self) -> None:
        """Nothing was saved there: the folder is free for what is sent instead."""
        (self.folder / _NAME).unlink(missing_ok=True)
        with suppress(OSError):  # others keep something there
            self.folder.rmdir()


def _read(folder: Path) -> Memory | None:
    path = folder / _NAME
    try:
        return Memory(folder, **json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}). Choose another folder.") from None
