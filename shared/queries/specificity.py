"""Which broad terms still say something: a lung lobe may stand on the lung, not on "organ".

A term that the model was trained on may always stand in for what lies below it. One that it knows only as an
ancestor of others must be narrow, by how many terms its ontology counts below it:

- UBERON 100 and the Cell Ontology 110, about the size of an organ or of a family of cells. A few large organs
  are let in by name, and a few small classes of a mere shape, fluid or ploidy are kept out.
- MONDO 250 among neoplasms and 100 among infections; not at all elsewhere, where classes go by the site
  alone: "pancreas disorder" would answer diabetes with a carcinoma.
- ChEBI 48, about the size of a pharmacological class: glucocorticoid has 46 terms below it. Wider classes go
  by the skeleton alone: "17beta-hydroxy steroid" holds both dihydrotestosterone and estradiol.
- Taxa 20: a genus or less.
"""

from __future__ import annotations

from shared.ontology.terms import Ontologies
from shared.queries.vocabulary import FieldVocabulary

MOST_BELOW = {"UBERON": 100, "CL": 110, "CHEBI": 48, "NCBITaxon": 20, "MONDO": 0}
MOST_BELOW_IN_MONDO = {"MONDO:0005070": 250, "MONDO:0005550": 100}  # neoplasm, infectious disease

LARGE_ORGANS = frozenset(
    {
        "UBERON:0000059",  # large intestine
        "UBERON:0000160",  # intestine
        "UBERON:0000948",  # heart
        "UBERON:0000970",  # eye
        "UBERON:0001558",  # lower respiratory tract
        "UBERON:0002097",  # skin of body
    }
)
MERE_KINDS = frozenset(
    {
        "CL:0000036",  # epithelial fate stem cell
        "CL:0000079",  # stratified epithelial cell
        "CL:0000123",  # neuron associated cell (sensu Vertebrata)
        "CL:0000154",  # protein secreting cell
        "CL:0000159",  # seromucus secreting cell
        "CL:0000228",  # multinucleate cell
        "CL:0000239",  # brush border epithelial cell
        "CL:0000412",  # polyploid cell
        "CL:0000413",  # haploid cell
        "CL:0000417",  # endopolyploid cell
        "CL:0000630",  # supporting cell
        "CL:0000723",  # somatic stem cell
        "CL:0002078",  # meso-epithelial cell
        "CL:0002159",  # general ecto-epithelial cell
        "CL:0020029",  # cuboidal epithelial cell
        "CL:4030031",  # interstitial cell
        "CL:4052002",  # syncytial cell
        "UBERON:0001560",  # neck of organ
        "UBERON:0005629",  # vascular plexus
        "UBERON:0006314",  # bodily fluid
        "UBERON:0036302",  # vasculature of central nervous system plus retina
        "UBERON:0036303",  # vasculature of central nervous system
    }
)


def is_specific(known_term: str, known: FieldVocabulary, ontologies: Ontologies) -> bool:
    """Whether a term of the vocabulary may stand in for a term below it."""
    if known.terms[known_term].rows or known_term in LARGE_ORGANS:
        return True
    term = ontologies.get(known_term)
    if term is None or known_term in MERE_KINDS:
        return False
    most = MOST_BELOW.get(term.ontology, 0)
    if term.ontology == "MONDO":
        above = {known_term, *ontologies.ancestors(known_term)}
        most = max((size for root, size in MOST_BELOW_IN_MONDO.items() if root in above), default=0)
    return term.descendants <= most
