"""The network: from placed metadata to latent priors, from latents to log expression rates, and back.

The same class trains and serves. It knows no ontology (terms arrive placed) and no random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shared.queries.fields import FIELD_BY_NAME, LatentGroup
from shared.queries.vocabulary import Vocabulary
from worker.inference.encoder import Encoder, Heads, Posterior
from worker.inference.priors import GroupPrior, PerturbationPrior
from worker.inference.relatives import Relatives

PERTURBATION_ID, PERTURBATION_TYPE = "perturbation_ontology_id", "perturbation_type"
GENE_LEVEL_FIELDS = ("sex",)  # act on single genes, outside the latents
NOISE_FIELDS = ("sample_type", "study")  # how noisy a sample is depends on these
HIGHEST_LOG_RATE = 13.8  # log of one million: all of a library


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a network.

    `rank` is that of the output layer, genes by rank; `residual` that of what replicates share beyond the
    latents; `projection` the dimensions that the encoder sees of a sample.
    """

    embedding: int = 128
    hidden: int = 256
    rank: int = 256
    residual: int = 16
    projection: int = 96
    biological: int = 96
    technical: int = 16
    perturbation: int = 24

    @classmethod
    def from_manifest(cls, raw: Mapping[str, Any]) -> Architecture:
        """Read the `architecture` of a manifest. Raises TypeError on a size it does not know."""
        return cls(**raw)

    def to_manifest(self) -> dict[str, int]:
        """The sizes as the manifest's `architecture`."""
        return asdict(self)

    @property
    def latent_sizes(self) -> dict[str, int]:
        """Latent group to its number of dimensions, in the order of the latent vector."""
        return {group.value: getattr(self, group.value) for group in LatentGroup}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which vocabulary terms hold for each condition: `membership` [C, T] is 1 where one does, else 0.

    T runs over all terms of all fields, and for each field one last column that stands for "missing".
    """

    membership: Tensor

    def __len__(self) -> int:
        return self.membership.shape[0]

    def to(self, device: torch.device) -> Tokens:
        """The same tokens on another device."""
        return Tokens(self.membership.to(device))


@dataclass(frozen=True, slots=True)
class Prior:
    """A diagonal Gaussian over all latents for each of C conditions: mean and sd, [C, D] each."""

    mean: Tensor
    sd: Tensor


@dataclass(frozen=True, slots=True)
class Condition:
    """What the network says of C conditions, before any latent is drawn.

    latent_mean and latent_sd [C, D] are the prior p(z | metadata). factor_shift [C, rank] adds to the
    coordinates in the output layer, gene_effect [C, G] to the log rate.
    A generated sample differs from its mean estimate in two ways: genes vary together, by
    `residual(f, residual_scale)` on the log rate with f ~ N(0, 1) [K]; and each by itself, its expected
    counts times exp(noise_sd * e - noise_sd^2 / 2), e ~ N(0, 1), noise_sd [C, G]. residual_scale is [C, 1].
    """

    latent_mean: Tensor
    latent_sd: Tensor
    factor_shift: Tensor
    gene_effect: Tensor
    residual_scale: Tensor
    noise_sd: Tensor


class ExpressionNetwork(nn.Module):
    """Priors p(z | metadata) for three groups of latents, a decoder from latents to log rates, an encoder.

    Expected counts of a sample are total_count * softmax(decode(z, factor_shift) + gene_effect) over genes.
    """

    def __init__(self, vocabulary: Vocabulary, num_genes: int, architecture: Architecture) -> None:
        super().__init__()
        sizes = architecture
        self.vocabulary, self.num_genes, self.architecture = vocabulary, num_genes, architecture
        self.field_slices = _field_slices(vocabulary)
        self.latent_slices = _latent_slices(architecture)
        self.embeddings = nn.ParameterDict(
            {
                name: nn.Parameter(0.1 * torch.randn(columns.stop - columns.start, sizes.embedding))
                for name, columns in self.field_slices.items()
                if name not in (*GENE_LEVEL_FIELDS, PERTURBATION_ID, PERTURBATION_TYPE)
            }
        )
        self.biological = GroupPrior(sizes.embedding, sizes.hidden, sizes.biological)
        self.technical = GroupPrior(sizes.embedding, sizes.hidden, sizes.technical)
        self.perturbation = PerturbationPrior(
            vocabulary.field(PERTURBATION_ID), vocabulary.field(PERTURBATION_TYPE), sizes.perturbation
        )
        context = sizes.biological + sizes.technical
        self.context = nn.Sequential(
            nn.Linear(context, sizes.hidden), nn.GELU(), nn.Linear(sizes.hidden, sizes.rank)
        )
        self.context_skip = nn.Linear(context, sizes.rank, bias=False)
        self.response = nn.Linear(sizes.perturbation, sizes.rank, bias=False)
        self.output = nn.Linear(sizes.rank, num_genes)
        self.gene_effects = self._per_term(GENE_LEVEL_FIELDS, num_genes)
        self.noise_offsets = self._per_term(NOISE_FIELDS, 1)
        self.gene_log_variance = nn.Parameter(torch.full((num_genes,), -4.0))
        self.encoder = Encoder(num_genes, sizes.projection, sizes.hidden, sum(sizes.latent_sizes.values()))
        self.heads = Heads(vocabulary, self.latent_slices)
        # Set from the training data once training is done: what replicates share beyond the latents, by how
        # much to widen the priors (log), and the largest log rate of each gene, so that effects that add up
        # do not add up to the absurd.
        self.loadings = nn.Parameter(torch.zeros(sizes.residual, num_genes), requires_grad=False)
        self.relatives = Relatives(vocabulary, sizes.rank)
        self.latent_log_scale = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.ceiling = nn.Parameter(torch.full((num_genes,), HIGHEST_LOG_RATE), requires_grad=False)

    def tokens(self, conditions: Sequence[Mapping[str, tuple[str, ...]]]) -> Tokens:
        """The tokens of C conditions, each a mapping of field name to placed vocabulary terms.

        A field that is absent or empty is missing; a term brings all its known ancestors along.
        """
        membership = torch.zeros(len(conditions), sum(s.stop - s.start for s in self.field_slices.values()))
        for row, condition in enumerate(conditions):
            for name, columns in self.field_slices.items():
                field = self.vocabulary.field(name)
                closure = field.closure(condition.get(name, ()))
                positions = [field.index[term] for term in closure] or [len(field.terms)]
                membership[row, [columns.start + position for position in positions]] = 1.0
        return Tokens(membership)

    def condition(self, tokens: Tokens) -> Condition:
        """The priors, gene-level effects and noise of C conditions."""
        prior, offset = self.priors(tokens), self.noise_offset(tokens)
        context = self._context(prior.mean[:, : self.latent_slices[LatentGroup.PERTURBATION].start])
        return Condition(
            latent_mean=prior.mean,
            latent_sd=prior.sd * (self.latent_log_scale + 0.5 * offset).exp(),
            factor_shift=self.relatives(self._by_field(tokens), context),
            gene_effect=self.gene_effects_of(tokens),
            residual_scale=(0.5 * offset).exp(),
            noise_sd=(0.5 * (self.gene_log_variance + offset)).exp(),
        )

    def priors(self, tokens: Tokens) -> Prior:
        """p(z | metadata) of C conditions, over all latents."""
        member = self._by_field(tokens)
        groups = (
            self.biological(self._embed(member, LatentGroup.BIOLOGICAL, len(tokens))),
            self.technical(self._embed(member, LatentGroup.TECHNICAL, len(tokens))),
            self.perturbation(member.get(PERTURBATION_ID), member.get(PERTURBATION_TYPE), len(tokens)),
        )
        return Prior(torch.cat([mean for mean, _ in groups], 1), torch.cat([sd for _, sd in groups], 1))

    def gene_effects_of(self, tokens: Tokens, genes: Tensor | None = None) -> Tensor:
        """[C, G], or [C, S] of the genes at S positions: what sex adds to the log rates."""
        member = self._by_field(tokens)
        width = self.num_genes if genes is None else len(genes)
        total = tokens.membership.new_zeros(len(tokens), width)
        for name, effects in self.gene_effects.items():
            chosen = effects if genes is None else effects.index_select(1, genes)
            total = total + member[name][:, :-1] @ chosen
        return total

    def noise_offset(self, tokens: Tokens) -> Tensor:
        """[C, 1]: what sample type and study add to the log variance between replicates."""
        offset = tokens.membership.new_zeros(len(tokens), 1)
        for name, offsets in self.noise_offsets.items():
            offset = offset + tokens.membership[:, self.field_slices[name]][:, :-1] @ offsets
        return offset

    def decode(self, latent: Tensor, factor_shift: Tensor | None = None) -> Tensor:
        """Log rates [B, G], up to a constant per row, of latents [B, D] and shifts [B, rank].

        Without any gene-level effect.
        """
        factors = self.factors(latent)
        factors = factors if factor_shift is None else factors + factor_shift
        return torch.minimum(self.output(factors), self.ceiling)

    def residual(self, deviate: Tensor, scale: Tensor) -> Tensor:
        """What a generated sample's genes share: [B, G] on the log rate, for normals [B, K], scales [B, 1].

        The decoder learnt the mean of the logarithm, so a mean estimate is the middle of its samples and not
        their arithmetic mean: what the genes' own lognormal noise takes off the logarithm is given back.
        """
        return (scale * deviate) @ self.loadings + 0.5 * scale**2 * self.gene_log_variance.exp()

    def encode(self, counts: Tensor) -> Posterior:
        """q(z | counts) of samples [B, G] in which every gene was measured; scale-free in the counts."""
        log1p_cpm = torch.log1p(counts * (1e6 / counts.sum(1, keepdim=True).clamp(min=1.0)))
        mean, log_variance = self.encoder(log1p_cpm, torch.ones_like(log1p_cpm))
        return Posterior(mean, (0.5 * log_variance).exp())

    def classify(self, latent: Tensor) -> dict[str, Tensor]:
        """Log probabilities [B, classes] of each field's values, `heads.classes`, for latents [B, D]."""
        found: dict[str, Tensor] = self.heads(latent)
        return found

    def factors(self, latent: Tensor) -> Tensor:
        """[B, rank]: the coordinates of latents [B, D] in the output layer.

        A perturbation acts linearly here: its effect adds to the log rates, and none means no change.
        """
        split = self.latent_slices[LatentGroup.PERTURBATION].start
        context, response = latent[:, :split], latent[:, split:]
        factors: Tensor = self._context(context) + self.response(response)
        return factors

    def _context(self, latent: Tensor) -> Tensor:
        """[B, rank]: the coordinates of biological and technical latents [B, D]."""
        coordinates: Tensor = self.context_skip(latent) + self.context(latent)
        return coordinates

    def _by_field(self, tokens: Tokens) -> dict[str, Tensor]:
        return {name: tokens.membership[:, columns] for name, columns in self.field_slices.items()}

    def _embed(self, member: Mapping[str, Tensor], group: LatentGroup, rows: int) -> Tensor:
        """[C, E]: summed over the group's fields, (sum of the embeddings that hold) / sqrt(their number)."""
        total = self.output.bias.new_zeros(rows, self.architecture.embedding)
        for name, embedding in self.embeddings.items():
            if FIELD_BY_NAME[name].group is group:
                total = total + (member[name] @ embedding) / member[name].sum(1, keepdim=True).sqrt()
        return total

    def _per_term(self, names: tuple[str, ...], width: int) -> nn.ParameterDict:
        """A zero row of `width` for each term of the fields among `names` that the vocabulary has."""
        return nn.ParameterDict(
            {
                name: nn.Parameter(torch.zeros(len(self.vocabulary.field(name).terms), width))
                for name in names
                if name in self.field_slices
            }
        )


def _field_slices(vocabulary: Vocabulary) -> dict[str, slice]:
    """Columns of each informative field in the token matrix, in the order of the metadata fields."""
    slices, start = {}, 0
    for name in FIELD_BY_NAME:
        if vocabulary.field(name).informative:
            stop = start + len(vocabulary.field(name).terms) + 1
            slices[name], start = slice(start, stop), stop
    return slices


def _latent_slices(architecture: Architecture) -> dict[str, slice]:
    slices, start = {}, 0
    for group, size in architecture.latent_sizes.items():
        slices[group], start = slice(start, start + size), start + size
    return slices
