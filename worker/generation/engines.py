"""The engines of a worker: loaded when a model version is first needed, a bounded number kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import structlog

from shared.catalog import Model
from shared.errors import CheckpointError, DatabaseUnavailable, DeviceDiffers, GeneQueueError, ModelNotFound
from shared.shelf import Shelf
from worker.generation.warm_up import warm_up
from worker.inference.engine import Engine

log = structlog.get_logger()

Version = tuple[str, int]


class Engines:
    """Engines by model id and version, of what the shelf holds. For one thread."""

    def __init__(self, shelf: Shelf, load: Callable[[Model], Engine], most: int) -> None:
        self.shelf = shelf
        self._load, self._most = load, most
        self._loaded: OrderedDict[Version, Engine] = OrderedDict()  # the least recently used first
        self._unloadable: dict[Version, CheckpointError] = {}

    def claimable(self) -> Mapping[str, list[int]]:
        """The versions of each public id that can be computed here."""
        versions: dict[str, list[int]] = {}
        for public_id, version in sorted(self.shelf.catalog.held):
            versions.setdefault(public_id, []).append(version)
        return versions

    def of(self, public_id: str, version: int) -> Engine:
        """The engine for chunks of that id and version; loads it if need be.

        Raises ModelNotFound, CheckpointError, SetupError, StorageUnavailable.
        """
        offer = self.shelf.catalog.held.get((public_id, version))
        if offer is None:
            raise ModelNotFound(f"This worker does not hold version {version} of {public_id} any more.")
        key = offer.model.model_id, version
        if key not in self._loaded:
            self._loaded[key] = self._open(key, offer.model)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def preload(self, judge: Callable[[Engine, str], object] | None = None) -> None:
        """Load and warm up the newest version of everything, starters first, as far as there is room.

        `judge` is told the digest of what each computed. Raises CheckpointError or GenerationError for a
        starter, DeviceDiffers for any; an added model that fails otherwise is logged.
        """
        models = sorted(self.shelf.catalog.models.values(), key=lambda model: model.added_at is not None)
        for model in models[: self._most]:
            try:
                engine = self.of(model.model_id, model.version)
                digest = warm_up(engine)
                if judge is not None:
                    judge(engine, digest)
            except (DeviceDiffers, DatabaseUnavailable):
                raise
            except GeneQueueError as error:
                if model.added_at is None:
                    raise
                log.error("model.broken", model=model.model_id, version=model.version, error=str(error))

    def _open(self, key: Version, model: Model) -> Engine:
        if key in self._unloadable:
            raise self._unloadable[key]
        while len(self._loaded) >= self._most:
            oldest, engine = self._loaded.popitem(last=False)
            engine.close()
            log.info("model.let_go", model=oldest[0], version=oldest[1])
        try:
            engine = self._load(self.shelf.on_disk(model))
        except CheckpointError as error:
            self._unloadable[key] = error
            raise
        log.info("model.loaded", model=key[0], version=key[1], device=engine.device)
        return engine
