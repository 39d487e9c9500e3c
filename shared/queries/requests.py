"""What a model can be asked for: a closed set of request types, each a suffix of the public model id."""

from __future__ import annotations

from enum import StrEnum


class RequestType(StrEnum):
    """How a model is asked. The values are the names that the Arrow form of a result carries."""

    BASELINE = "baseline"  # samples of conditions
    REFERENCE_CONDITIONED = "reference_conditioned"  # samples near a real one, perturbed or not
    PREDICT_METADATA = "predict_metadata"  # what a real sample is

    @property
    def purpose(self) -> str:
        """What it is for, as a title says it; nothing for the one that needs no word."""
        return _PURPOSES[self]

    @property
    def suffix(self) -> str:
        """What follows the model's own id in the public one."""
        return _SUFFIXES[self]


_PURPOSES = {
    RequestType.BASELINE: "",
    RequestType.REFERENCE_CONDITIONED: "samples near a reference",
    RequestType.PREDICT_METADATA: "metadata prediction",
}
_SUFFIXES = {
    RequestType.BASELINE: "",
    RequestType.REFERENCE_CONDITIONED: "_reference-conditioning",
    RequestType.PREDICT_METADATA: "_predict-metadata",
}
