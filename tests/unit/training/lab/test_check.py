"""What is wrong with a user's files is found before training: all at once, each with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from shared.errors import InvalidInput
from shared.ontology.terms import Ontologies
from tests.support.lab import DRUG, LIVER, PERTURBATION, TISSUE, TYPE, Lab, checked, ensembl, request
from worker.training.lab.check import check
from worker.training.lab.columns import Use


def faults(*paths: Path, **options: object) -> str:
    """All that is said, a fault a line."""
    with pytest.raises(InvalidInput) as refused:
        check(request(*paths, **options), Ontologies.open())
    return "\n".join(f"{fault.path}: {fault.message}" for fault in refused.value.faults)


def one_fault(lab: Lab, tmp_path: Path, **how: object) -> str:
    said = faults(lab.write(tmp_path / "my.h5ad", **how))
    assert "\n" not in said
    assert "my.h5ad" in said
    return said


def test_a_clean_file_passes_and_tells_what_can_be_learnt(tmp_path: Path) -> None:
    lab = Lab.make(samples=12)
    lab.obs["sex"] = "female"
    lab.obs["age_years"] = np.arange(12.0) + 30
    found = checked(lab.write(tmp_path / "my.h5ad"))
    uses = {column.name: column.use for column in found.columns}
    assert uses[TISSUE] is Use.LEARNT
    assert uses["sex"] is Use.CONSTANT
    assert uses["age_years"] is Use.TOO_MANY
    assert uses["race"] is Use.EMPTY
    (tissue,) = (column for column in found.columns if column.name == TISSUE)
    assert tissue.samples[LIVER] == 6
    np.testing.assert_allclose(found.reads, lab.counts.sum(axis=1))


def change_negative(lab: Lab) -> None:
    lab.counts[3, 2] = -1


def change_nan(lab: Lab) -> None:
    lab.counts[3, 2] = np.nan


def change_logarithms(lab: Lab) -> None:
    lab.counts = np.log1p(lab.counts)


def change_estimates(lab: Lab) -> None:
    lab.counts = lab.counts + 0.25


def change_empty(lab: Lab) -> None:
    lab.counts[5] = 0


def change_doubles(lab: Lab) -> None:
    lab.var_names[0], lab.var_names[1] = ensembl(0) + ".3", ensembl(0) + ".12"


def change_symbols(lab: Lab) -> None:
    lab.var_names = [f"GENE{number}" for number in range(len(lab.var_names))]


def change_tissue(lab: Lab) -> None:
    lab.obs.loc["s0", TISSUE] = "liver"


def change_control(lab: Lab) -> None:
    lab.obs.loc["s0", PERTURBATION] = "DMSO"


def change_obsolete_form(lab: Lab) -> None:
    lab.obs.loc["s0", TISSUE] = "uberon_2107"


def change_sex(lab: Lab) -> None:
    lab.obs["sex"] = "woman"


def change_pairs(lab: Lab) -> None:
    lab.obs.loc["s2", PERTURBATION] = f"{DRUG}|90371"
    lab.obs.loc["s2", TYPE] = "compound|infection|control"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_negative, ["1 values are negative", "-1 in sample 's3'"]),
        (change_nan, ["not finite", "'s3'"]),
        (change_logarithms, ["fractional", "logarithms"]),
        (change_estimates, ["fractional", "numpy.rint"]),
        (change_empty, ["no count at all", "'s5'"]),
        (change_doubles, ["more than once", ensembl(0)]),
        (change_symbols, ["No human Ensembl ids", "'GENE0'"]),
        (change_tissue, ["obs['tissue_ontology_id']", "'liver'", "UBERON:0002107 (liver)", "1 sample"]),
        (change_control, ["'DMSO'", "Leave it empty"]),
        (change_obsolete_form, ["UBERON:0002107"]),
        (change_sex, ["'woman'", "female"]),
        (change_pairs, ["3 types for 2 perturbations"]),
    ],
)
def test_each_fault_names_the_place_the_value_and_the_remedy(
    change: Callable[[Lab], None], words: list[str], tmp_path: Path
) -> None:
    lab = Lab.make(samples=12, genes=30)
    change(lab)
    said = one_fault(lab, tmp_path)
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("as_sparse", [False, True])
def test_counts_that_lie_in_a_layer_are_pointed_at_and_read_from_there(
    as_sparse: bool, tmp_path: Path
) -> None:
    lab = Lab.make(samples=8, genes=30)
    layers = {"counts": sparse.csr_matrix(lab.counts) if as_sparse else lab.counts}
    path = lab.write(tmp_path / "my.h5ad", as_sparse=as_sparse, layers=layers, x=np.log1p(lab.counts))
    assert "--layer counts" in faults(path)
    found = check(request(path, layer="counts"), Ontologies.open())
    np.testing.assert_allclose(found.reads, lab.counts.sum(axis=1))


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    first, second = Lab.make(samples=8, genes=30), Lab.make(samples=8, genes=30)
    change_negative(first)
    change_tissue(second)
    said = faults(
        first.write(tmp_path / "a.h5ad"), second.write(tmp_path / "b.h5ad"), tmp_path / "c.h5ad"
    ).splitlines()
    assert len(said) == 3
    assert all(any(f"{name}.h5ad" in line for line in said) for name in "abc")


def test_columns_laid_out_by_gene_are_refused(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    path = lab.write(tmp_path / "my.h5ad", x=sparse.csc_matrix(lab.counts))
    assert "tocsr" in faults(path)


def test_a_text_file_is_no_h5ad(tmp_path: Path) -> None:
    path = tmp_path / "my.h5ad"
    path.write_text("gene,count\n")
    assert "not an h5ad file" in faults(path)


def test_one_sample_is_too_few_and_no_metadata_is_nothing_to_ask_for(tmp_path: Path) -> None:
    lab = Lab.make(samples=1, genes=30)
    lab.obs = lab.obs[[]]
    said = faults(lab.write(tmp_path / "my.h5ad"))
    assert "too few" in said
    assert "tissue_ontology_id" in said


@pytest.mark.parametrize(
    "model_id", ["My Lab", "-lab", "", "gem-1-bulk", "lab_predict-metadata", "lab_reference-conditioning"]
)
def test_a_model_id_that_would_not_serve_is_refused(model_id: str, tmp_path: Path) -> None:
    assert "--model-id" in faults(tmp_path / "my.h5ad", model_id=model_id)


def test_a_mask_of_other_values_is_refused(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    mask = np.ones(lab.counts.shape, np.float32)
    mask[0, 0] = 0.5
    assert "neither 0 nor 1" in faults(lab.write(tmp_path / "my.h5ad", layers={"mask": mask}))


def test_genes_without_reads_or_of_other_species_are_dropped_and_counted(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    lab.counts[:, 4] = 0
    lab.var_names[5], lab.var_names[6] = "ENSMUSG00000000001", ensembl(6) + "_PAR_Y"
    lab.var_names[8] = ensembl(8) + ".7"
    found = checked(lab.write(tmp_path / "my.h5ad"))
    assert sum(found.dropped.values()) == 3
    assert len(found.genes) == 27
    assert ensembl(8) in found.genes.index


def test_an_unknown_gene_keeps_its_id_as_symbol(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    lab.var_names[0] = "ENSG00000141510.18"
    genes = checked(lab.write(tmp_path / "my.h5ad")).genes
    assert genes.loc["ENSG00000141510", "symbol"] == "TP53"
    assert genes.loc[ensembl(1), "symbol"] == ensembl(1)


def test_a_column_that_was_meant_to_be_metadata_is_noted(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    lab.obs["tissue_ontology"] = LIVER
    assert [note for note in checked(lab.write(tmp_path / "my.h5ad")).notes if TISSUE in note]
