"""What can be made from a result: kinds of artifacts, and the states in which one is."""

from __future__ import annotations

from enum import StrEnum


class ArtifactKind(StrEnum):
    """What is made."""

    EXPORT = "export"  # the samples in another form, or some of them
    SUMMARY = "summary"  # library sizes, detected genes, variable genes, a projection
    COMPARISON = "comparison"  # differential expression between two groups of samples
    GENE_MAJOR = "gene-major"  # the counts once more, gene by gene: few genes of many samples cost little


class ArtifactState(StrEnum):
    """Where an artifact stands."""

    QUEUED = "queued"  # wanted
    RUNNING = "running"  # somebody makes it, until a lease ends
    READY = "ready"  # it lies in the storage
    FAILED = "failed"  # it could not be made; why stands beside
