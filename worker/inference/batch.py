"""What an engine is asked and what it answers, as arrays: samples to generate, and specimens to recognise.

Knows no network, no job, no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
TermsByField = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class References:
    """A real sample for each of C conditions, and which of its latents the condition takes from it.

    `counts` [C, G] are whole numbers of 0 and more in the order of the model's genes, of any depth.
    `conditioned` [C, 3] is in the order of `LatentGroup`: biological, technical, perturbation. The other
    groups come from the metadata.
    """

    counts: NDArray[np.int32]
    conditioned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Batch:
    """N samples to compute; an array has one entry for each.

    `conditions` map metadata fields to placed vocabulary terms, and `condition_of` points into them;
    `references`, where there are any, run parallel to `conditions`. `seed`, `input_index` and `sample_index`
    name a sample's random stream. Where `deterministic`, latents are the mean of the prior, or of the
    reference's posterior. Where `generation`, counts are drawn with measurement error; elsewhere they are the
    mean. Counts add up to about `total_count`.
    """

    conditions: tuple[TermsByField, ...]
    condition_of: Indices
    seed: NDArray[np.uint64]
    input_index: Indices
    sample_index: Indices
    total_count: Indices
    deterministic: NDArray[np.bool_]
    generation: NDArray[np.bool_]
    references: References | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """Counts int32 [N, G] and, by latent group, latents float32 [N, d], in the order of the batch."""

    counts: NDArray[np.int32]
    latents: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Specimens:
    """N real samples whose metadata is to be predicted; an array has one entry for each.

    `counts` [N, G] are whole numbers of 0 and more in the order of the model's genes, of any depth. `seed`
    and `input_index` name a specimen's random stream. Where `deterministic`, its latents are the mean of its
    posterior. The reconstruction's counts add up to about `total_count`.
    """

    counts: NDArray[np.int32]
    input_index: Indices
    seed: NDArray[np.uint64]
    total_count: Indices
    deterministic: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What specimens are, in their order.

    `probabilities` maps a metadata field to float32 [N, K], each row adding up to 1, and `classes` to the K
    values they belong to; "" among them means that there is no such thing in the sample. `latents` maps a
    latent group to float32 [N, d]. `counts` int32 [N, G] is the reconstruction from the latents, its mean.
    """

    probabilities: Mapping[str, NDArray[np.float32]]
    classes: Mapping[str, tuple[str, ...]]
    latents: Mapping[str, NDArray[np.float32]]
    counts: NDArray[np.int32]
