"""Which models there are, in which versions: an immutable snapshot, replaced whole when it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from shared.catalog.model import MANIFEST, Model, Offer
from shared.catalog.reading import open_model
from shared.errors import CheckpointCorrupt, CheckpointMissing, ModelNotFound, ModelUnusable
from shared.queries.requests import RequestType


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """A version that was added and cannot be served by this process, and why."""

    model_id: str
    version: int
    reason: str

    def __str__(self) -> str:
        return f"Version {self.version} of {self.model_id} cannot be served: {self.reason}"


@dataclass(frozen=True)
class Catalog:
    """Every version of every model that this process can speak of; the newest of an id is its default.

    `withdrawn` were removed: nobody can ask them any more, and their jobs still need them.
    """

    versions: tuple[Model, ...]
    withdrawn: tuple[Model, ...] = ()
    broken: tuple[BrokenModel, ...] = ()

    @classmethod
    def open(cls, directory: Path) -> Catalog:
        """Read every model directory below `directory` and check every digest.

        Raises CheckpointMissing and CheckpointCorrupt, naming the file.
        """
        manifests = sorted(directory.glob(f"*/{MANIFEST}"))
        if not manifests:
            raise CheckpointMissing(
                f"No model directory with a {MANIFEST} lies in {directory}. Set GENEQUEUE_MODELS_DIR to the "
                "folder that holds the models."
            )
        models = tuple(open_model(path.parent) for path in manifests)
        seen: dict[tuple[str, int], Model] = {}
        for model in models:
            twin = seen.setdefault((model.model_id, model.version), model)
            if twin is not model:
                raise CheckpointCorrupt(
                    f"{twin.directory} and {model.directory} are both version {model.version} of "
                    f"{model.model_id}; keep one of them in {directory}."
                )
        return cls(models)

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """The newest version of each id."""
        ordered = sorted(self.versions, key=lambda model: (model.model_id, model.version))
        return {model.model_id: model for model in ordered}

    @cached_property
    def offers(self) -> Mapping[str, Offer]:
        """Everything that can be asked here, by public id, each in its newest version."""
        return {public_id: offer for (public_id, _), offer in self._asked.items()}  # the newest comes last

    @cached_property
    def held(self) -> Mapping[tuple[str, int], Offer]:
        """What jobs may stand on, by public id and version: what can be asked, and what was removed."""
        return _by_version((*self.withdrawn, *self.versions))

    def get(self, model_id: str, version: int | None = None) -> Model:
        """The model of that id, in one version or the newest. Raises as `offer` does."""
        for model in self.versions:
            if model.model_id == model_id and model.version == version:
                return model
        if version is None and model_id in self.models:
            return self.models[model_id]
        raise self._refusal(model_id, version, self.models)

    def offer(self, public_id: str, version: int | None = None) -> Offer:
        """What a public id stands for, in one version or the newest.

        Raises ModelNotFound, naming what there is, and ModelUnusable, with the reason.
        """
        offer = self.offers.get(public_id) if version is None else self._asked.get((public_id, version))
        if offer is None:
            raise self._refusal(public_id, version, self.offers)
        return offer

    def versions_of(self, public_id: str) -> list[int]:
        """The versions in which a public id can be asked, the newest first."""
        return list(self.offers[public_id].versions) if public_id in self.offers else []

    @cached_property
    def _asked(self) -> Mapping[tuple[str, int], Offer]:
        offers = _by_version(self.versions)
        numbers: dict[str, list[int]] = {}
        for public_id, version in sorted(offers, reverse=True):
            numbers.setdefault(public_id, []).append(version)
        return {
            (public_id, version): replace(offers[public_id, version], versions=tuple(numbers[public_id]))
            for public_id, version in sorted(offers)
        }

    def _refusal(
        self, public_id: str, version: int | None, known: Iterable[str]
    ) -> ModelNotFound | ModelUnusable:
        for broken in self.broken:
            ids = {broken.model_id + kind.suffix for kind in RequestType}
            if public_id in ids and version in {None, broken.version}:
                return ModelUnusable(str(broken))
        if versions := self.versions_of(public_id):
            there = ", ".join(map(str, versions))
            return ModelNotFound(
                f"{public_id} has no version {version} here. Its versions, the default first: {there}."
            )
        return ModelNotFound(
            f"There is no model {public_id!r}. The models here are: {', '.join(sorted(known))}."
        )


def _offers(models: Iterable[Model]) -> Iterable[Offer]:
    return (Offer(model, kind) for model in models for kind in model.manifest.request_types)


def _by_version(models: Iterable[Model]) -> Mapping[tuple[str, int], Offer]:
    return {(offer.public_id, offer.model.version): offer for offer in _offers(models)}
