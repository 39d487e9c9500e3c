"""The committed checkpoints know what a biologist would look for first. Network only, no service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.catalog import Catalog, Model
from shared.queries.vocabulary import FieldVocabulary
from worker.inference.checkpoint import load_network
from worker.inference.network import ExpressionNetwork

MODELS = Path(__file__).parents[3] / "models"
BULK, SINGLE_CELL = "gem-1-bulk", "gem-1-sc"
TISSUE, CELL_TYPE, PERTURBATION = "tissue_ontology_id", "cell_type_ontology_id", "perturbation_ontology_id"
LIVER, HEART, MYOCARDIUM, PANCREAS, BRAIN = (
    f"UBERON:{number}" for number in ("0002107", "0000948", "0002349", "0001264", "0000955")
)
B_CELL = "CL:0000236"
MARKERS = [
    ("ALB", TISSUE, LIVER, BULK),
    ("MYH7", TISSUE, HEART, BULK),
    ("MYH7", TISSUE, MYOCARDIUM, BULK),
    ("INS", TISSUE, PANCREAS, BULK),
    ("MS4A1", CELL_TYPE, B_CELL, BULK),
    ("MS4A1", CELL_TYPE, B_CELL, SINGLE_CELL),
    ("ALB", TISSUE, LIVER, SINGLE_CELL),
]
Query = dict[str, tuple[str, ...]]


class Answers:
    """A committed model, asked for CPM."""

    def __init__(self, model: Model) -> None:
        self.model: Model = model
        self.network: ExpressionNetwork = load_network(model, torch.device("cpu"))
        self.gene = {gene.symbol: position for position, gene in enumerate(model.genes)}

    def mean(self, queries: Sequence[Query]) -> np.ndarray:
        """[C, G] with deterministic latents."""
        condition = self.network.condition(self.network.tokens(queries))
        log_rate = self.network.decode(condition.latent_mean) + condition.gene_effect
        return (torch.softmax(log_rate, 1) * 1e6).numpy()

    def drawn(self, queries: Sequence[Query], number: int, noise: bool) -> np.ndarray:
        """[C, number, G] with drawn latents, and measurement error if `noise`."""
        generator = torch.Generator().manual_seed(0)
        each = []
        for query in queries:
            condition = self.network.condition(self.network.tokens([query]))
            draws = torch.randn(number, condition.latent_mean.shape[1], generator=generator)
            latent = condition.latent_mean + condition.latent_sd * draws
            log_rate = self.network.decode(latent) + condition.gene_effect
            if noise:
                draws = torch.randn(log_rate.shape, generator=generator)
                log_rate += condition.noise_sd * draws - condition.noise_sd**2 / 2
            each.append(torch.softmax(log_rate, 1) * 1e6)
        return torch.stack(each).numpy()

    def others(self, field: str, term: str) -> list[str]:
        """The trained terms of a field that neither contain `term` nor lie within it."""
        vocabulary: FieldVocabulary = self.model.vocabulary.field(field)
        trained = [name for name, entry in vocabulary.terms.items() if entry.rows]
        above = vocabulary.closure([term])
        return [name for name in trained if name not in above and term not in vocabulary.closure([name])]


@pytest.fixture(scope="module")
def answers() -> dict[str, Answers]:
    catalog = Catalog.open(MODELS)
    return {model_id: Answers(catalog.get(model_id)) for model_id in (BULK, SINGLE_CELL)}


@pytest.mark.parametrize(("gene", "field", "term", "model_id"), MARKERS)
def test_a_marker_is_ten_times_its_mean_elsewhere(
    answers: dict[str, Answers], gene: str, field: str, term: str, model_id: str
) -> None:
    asked = answers[model_id]
    values = asked.mean([{field: (name,)} for name in (term, *asked.others(field, term))])[
        :, asked.gene[gene]
    ]
    assert values[0] >= 10 * values[1:].mean()


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize(("gene", "field", "term", "model_id"), MARKERS)
def test_a_marker_stands_out_when_latents_are_drawn(
    answers: dict[str, Answers], gene: str, field: str, term: str, model_id: str, noise: bool
) -> None:
    asked = answers[model_id]
    others = asked.others(field, term)[::4]
    values = asked.drawn([{field: (name,)} for name in (term, *others)], 4, noise)[:, :, asked.gene[gene]]
    assert values[0].mean() >= 10 * values[1:].mean()


@pytest.mark.parametrize("model_id", [BULK, SINGLE_CELL])
@pytest.mark.parametrize("tissue", [None, LIVER, BRAIN, "UBERON:0002048", "UBERON:0001134"])
def test_xist_is_of_women_and_rps4y1_of_men(
    answers: dict[str, Answers], model_id: str, tissue: str | None
) -> None:
    asked = answers[model_id]
    place: Query = {TISSUE: (tissue,)} if tissue else {}
    women, men = asked.mean([place | {"sex": (sex,)} for sex in ("female", "male")])
    xist, y_gene = asked.gene["XIST"], asked.gene["RPS4Y1"]
    assert women[xist] > 20 > 2 > men[xist]
    assert men[y_gene] > 10 > 2 > women[y_gene]


@pytest.mark.parametrize("tissue", [LIVER, HEART, BRAIN])
def test_sex_changes_little_but_the_sex_genes(answers: dict[str, Answers], tissue: str) -> None:
    asked = answers[BULK]
    women, men = np.log1p(asked.mean([{TISSUE: (tissue,), "sex": (sex,)} for sex in ("female", "male")]))
    changed = np.abs(women - men) > 1.0
    assert 5 <= changed.sum() <= 40
    assert asked.gene["ALB"] not in np.flatnonzero(changed)


def test_a_tissue_alone_is_healthy(answers: dict[str, Answers]) -> None:
    """Alpha-fetoprotein and glypican 3 mark liver cancer; a liver without a disease does not have them."""
    asked = answers[BULK]
    healthy, cancer = asked.mean(
        [{TISSUE: (LIVER,)}, {TISSUE: (LIVER,), "disease_ontology_id": ("MONDO:0007256",)}]
    )
    assert cancer[asked.gene["GPC3"]] > 5 * healthy[asked.gene["GPC3"]]
    assert healthy[asked.gene["ALB"]] > cancer[asked.gene["ALB"]]


@pytest.mark.parametrize(
    "more",
    [
        {TISSUE: ("UBERON:0002048",)},
        {"sample_type": ("primary cells",)},
        {TISSUE: ("UBERON:0000178",), "sample_type": ("primary cells",)},
    ],
)
def test_a_cell_type_decides_where_no_data_combine_it_with_other_labels(
    answers: dict[str, Answers], more: Query
) -> None:
    asked = answers[BULK]
    alone, combined = np.log1p(asked.mean([{CELL_TYPE: (B_CELL,)}, {CELL_TYPE: (B_CELL,)} | more]))
    assert np.corrcoef(alone, combined)[0, 1] > 0.98
    names = (B_CELL, *asked.others(CELL_TYPE, B_CELL))
    values = asked.mean([{CELL_TYPE: (name,)} | more for name in names])[:, asked.gene["MS4A1"]]
    assert values[0] >= 10 * values[1:].mean()


def test_a_sample_type_without_data_leaves_a_tissue_as_it_is(answers: dict[str, Answers]) -> None:
    asked = answers[BULK]
    alone, cultured = asked.mean([{TISSUE: (LIVER,)}, {TISSUE: (LIVER,), "sample_type": ("primary cells",)}])
    assert cultured[asked.gene["ALB"]] > 0.3 * alone[asked.gene["ALB"]]


def test_dexamethasone_raises_its_known_targets(answers: dict[str, Answers]) -> None:
    asked = answers[BULK]
    muscle: Query = {CELL_TYPE: ("CL:0019019",)}
    plain, treated = asked.mean(
        [muscle, muscle | {PERTURBATION: ("CHEBI:41879",), "perturbation_type": ("compound",)}]
    )
    for gene in ("FKBP5", "TSC22D3", "PER1", "KLF15", "ZBTB16"):
        assert treated[asked.gene[gene]] > 2 * plain[asked.gene[gene]], gene


def test_a_gene_that_acts_as_a_cytokine_does_not_act_as_a_knock_out(answers: dict[str, Answers]) -> None:
    asked = answers[BULK]
    macrophage: Query = {CELL_TYPE: ("CL:0000235",), "sample_type": ("primary cells",)}
    asked_for = [
        macrophage | {PERTURBATION: ("ENSG00000111537",), "perturbation_type": (kind,)}
        for kind in ("peptide or biologic", "crispr")
    ]
    plain, cytokine, knock_out = asked.mean([macrophage, *asked_for])
    cxcl9 = asked.gene["CXCL9"]
    assert cytokine[cxcl9] > 10 * plain[cxcl9]
    np.testing.assert_allclose(knock_out, plain, rtol=1e-4)


def test_replicates_of_a_tissue_resemble_each_other(answers: dict[str, Answers]) -> None:
    """Real replicates in the training data correlate with 0.94 (patients' blood) to 0.99 (cultured cells)."""
    asked = answers[BULK]
    for more in ({}, {"sample_type": ("primary tissue",)}):
        for tissue in (LIVER, MYOCARDIUM, BRAIN):
            samples = np.log1p(asked.drawn([{TISSUE: (tissue,)} | more], 6, noise=True)[0])
            assert 0.92 < np.corrcoef(samples)[np.triu_indices(6, 1)].mean() < 0.995


def test_single_cells_have_zeros_and_differ(answers: dict[str, Answers]) -> None:
    cells = np.rint(answers[SINGLE_CELL].drawn([{CELL_TYPE: (B_CELL,)}], 8, noise=False)[0] / 100)
    assert 0.3 < (cells == 0).mean() < 0.95
    assert len(np.unique(cells, axis=0)) == 8


def test_the_files_stay_small_and_say_what_they_are(answers: dict[str, Answers]) -> None:
    for model_id, asked in answers.items():
        files = list(asked.model.directory.iterdir())
        assert sum(path.stat().st_size for path in files) < 25e6, model_id
        card = (asked.model.directory / "README.md").read_text()
        assert "starter model" in card
        assert "CC BY-SA" in card
        assert "hosted model" in asked.model.manifest.description
