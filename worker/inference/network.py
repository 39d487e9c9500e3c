"""The network: from placed metadata to latent priors, and from latents to log expression rates.

The same class trains and serves. It knows no ontology (terms arrive placed), no counts and no random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shared.queries.fields import FIELD_BY_NAME, LatentGroup
from shared.queries.vocabulary import Vocabulary

PERTURBATION_ID, PERTURBATION_TYPE = "perturbation_ontology_id", "perturbation_type"
GENE_LEVEL_FIELDS = ("sex",)  # act on single genes, outside the latents
NOISE_FIELDS = ("sample_type", "study")  # how noisy a sample is depends on these
HIGHEST_LOG_RATE = 13.8  # log of one million: all of a library
LOG_VARIANCE_RANGE = (-8.0, 2.0)  # of a latent; keeps a prior from collapsing or exploding


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a network. `rank` is that of the output layer, genes by rank."""

    embedding: int = 128
    hidden: int = 256
    rank: int = 256
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

    latent_mean and latent_sd [C, D] are the prior p(z | metadata). gene_effect [C, G] adds to the log rate.
    noise_sd [C, G] is the standard deviation of the log of a sample's rate around its mean estimate:
    a generated sample multiplies its expected counts by exp(noise_sd * e - noise_sd^2 / 2), e ~ N(0, 1).
    """

    latent_mean: Tensor
    latent_sd: Tensor
    gene_effect: Tensor
    noise_sd: Tensor


class ExpressionNetwork(nn.Module):
    """Priors p(z | metadata) for three groups of latents, and a decoder from latents to log rates.

    Expected counts of a sample are total_count * softmax(decode(z) + gene_effect) over the genes.
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
        self.biological = _Prior(sizes.embedding, sizes.hidden, sizes.biological)
        self.technical = _Prior(sizes.embedding, sizes.hidden, sizes.technical)
        self.perturbation = _PerturbationPrior(vocabulary, sizes.perturbation)
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
        # Set from the training data once training is done: by how much to widen the priors (log), and the
        # largest log rate of each gene, so that effects that add up do not add up to the absurd.
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
        return Condition(
            latent_mean=prior.mean,
            latent_sd=prior.sd * (self.latent_log_scale + 0.5 * offset).exp(),
            gene_effect=self.gene_effects_of(tokens),
            noise_sd=(0.5 * (self.gene_log_variance + offset)).exp(),
        )

    def priors(self, tokens: Tokens) -> Prior:
        """p(z | metadata) of C conditions, over all latents."""
        member = self._by_field(tokens)
        groups = (
            self.biological(self._embed(member, LatentGroup.BIOLOGICAL, len(tokens))),
            self.technical(self._embed(member, LatentGroup.TECHNICAL, len(tokens))),
            self.perturbation(member, len(tokens)),
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

    def decode(self, latent: Tensor) -> Tensor:
        """Log rates [B, G], up to a constant per row, of latents [B, D]; without any gene-level effect."""
        return torch.minimum(self.output(self.factors(latent)), self.ceiling)

    def factors(self, latent: Tensor) -> Tensor:
        """[B, rank]: the coordinates of latents [B, D] in the output layer.

        A perturbation acts linearly here, so its effect adds to the log rates and none means no change.
        """
        split = self.latent_slices[LatentGroup.PERTURBATION].start
        context, response = latent[:, :split], latent[:, split:]
        factors: Tensor = self.context_skip(context) + self.context(context) + self.response(response)
        return factors

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


class _Prior(nn.Module):
    """A diagonal Gaussian given an embedding [C, E]: a linear map plus a small network for the mean."""

    def __init__(self, embedding: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.origin = nn.Parameter(torch.zeros(embedding))  # what fields left out of a checkpoint amount to
        self.body = nn.Sequential(nn.Linear(embedding, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent))
        self.skip = nn.Linear(embedding, latent, bias=False)

    def forward(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, [C, latent] each."""
        shifted = embedded + self.origin
        mean, log_variance = self.body(shifted).chunk(2, dim=1)
        sd = (0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE)).exp()
        return mean + self.skip(shifted), sd


class _PerturbationPrior(nn.Module):
    """A diagonal Gaussian whose mean is the plain sum of the effects of all perturbation terms that hold.

    No known term means a mean of zero. `compatible` [terms, types] is 1 where a term was seen with a type of
    perturbation: a knock-down of a cytokine's gene must not act like the cytokine.
    """

    compatible: Tensor

    def __init__(self, vocabulary: Vocabulary, latent: int) -> None:
        super().__init__()
        terms, types = (len(vocabulary.field(name).terms) for name in (PERTURBATION_ID, PERTURBATION_TYPE))
        self.effects = nn.Parameter(torch.zeros(terms, latent))
        self.log_sd = nn.Parameter(torch.full((latent,), -2.0))
        self.register_buffer("compatible", torch.ones(terms, types))

    def forward(self, member: Mapping[str, Tensor], rows: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, [C, latent] each."""
        sd = self.log_sd.exp().expand(rows, -1)
        if PERTURBATION_ID not in member:
            return torch.zeros_like(sd), sd
        terms = member[PERTURBATION_ID][:, :-1]
        if PERTURBATION_TYPE in member:
            known, missing = member[PERTURBATION_TYPE][:, :-1], member[PERTURBATION_TYPE][:, -1:]
            terms = terms * (known @ self.compatible.T + missing).clamp(max=1.0)
        return terms @ self.effects, sd


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
