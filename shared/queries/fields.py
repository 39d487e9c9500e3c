"""The 19 metadata fields of a sample: their names, kinds and closed values. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How the value of a metadata field is written."""

    ONTOLOGY = "ontology"  # the id of an ontology term, or of a gene where the field allows it
    CATEGORY = "category"  # one value of a short closed list
    QUANTITY = "quantity"  # a number of 0 or more, one space, a unit
    NUMBER = "number"  # a plain number
    STUDY = "study"  # a BioProject id
    TEXT = "text"  # free text, kept and echoed


class LatentGroup(StrEnum):
    """Which of the three latents a field is a condition of."""

    BIOLOGICAL = "biological"
    TECHNICAL = "technical"
    PERTURBATION = "perturbation"


@dataclass(frozen=True, slots=True)
class MetadataField:
    """One metadata field: its wire name, kind, latent group, and where its values come from."""

    name: str
    kind: Kind
    group: LatentGroup
    values: tuple[str, ...] = ()
    ontologies: tuple[str, ...] = ()


SAMPLE_TYPES = ("cell line", "organoid", "other", "primary cells", "primary tissue", "xenograft")
SEXES = ("female", "male")
PERTURBATION_TYPES = (
    "coculture",
    "compound",
    "control",
    "crispr",
    "genetic",
    "infection",
    "other",
    "overexpression",
    "peptide or biologic",
    "shrna",
    "sirna",
)
# The European Nucleotide Archive's permitted values for library selection.
LIBRARY_SELECTIONS = (
    "5-methylcytidine antibody",
    "CAGE",
    "ChIP",
    "ChIP-Seq",
    "DNase",
    "HMPR",
    "Hybrid Selection",
    "Inverse rRNA",
    "Inverse rRNA selection",
    "MBD2 protein methyl-CpG binding domain",
    "MDA",
    "MF",
    "MNase",
    "MSLL",
    "Oligo-dT",
    "PCR",
    "PolyA",
    "RACE",
    "RANDOM",
    "RANDOM PCR",
    "RT-PCR",
    "Reduced Representation",
    "Restriction Digest",
    "cDNA",
    "cDNA_oligo_dT",
    "cDNA_randomPriming",
    "other",
    "padlock probes capture method",
    "repeat fractionation",
    "size fractionation",
    "unspecified",
)

_BIOLOGICAL = LatentGroup.BIOLOGICAL
_TECHNICAL = LatentGroup.TECHNICAL
_PERTURBATION = LatentGroup.PERTURBATION

METADATA_FIELDS: tuple[MetadataField, ...] = (
    MetadataField("age_years", Kind.NUMBER, _BIOLOGICAL),
    MetadataField("cell_line_ontology_id", Kind.ONTOLOGY, _BIOLOGICAL, ontologies=("CVCL",)),
    MetadataField("cell_type_ontology_id", Kind.ONTOLOGY, _BIOLOGICAL, ontologies=("CL",)),
    MetadataField("developmental_stage", Kind.TEXT, _BIOLOGICAL),
    MetadataField("disease_ontology_id", Kind.ONTOLOGY, _BIOLOGICAL, ontologies=("MONDO",)),
    MetadataField("ethnicity", Kind.TEXT, _BIOLOGICAL),
    MetadataField("genotype", Kind.TEXT, _BIOLOGICAL),
    MetadataField("race", Kind.TEXT, _BIOLOGICAL),
    MetadataField("sample_type", Kind.CATEGORY, _BIOLOGICAL, values=SAMPLE_TYPES),
    MetadataField("sex", Kind.CATEGORY, _BIOLOGICAL, values=SEXES),
    MetadataField("tissue_ontology_id", Kind.ONTOLOGY, _BIOLOGICAL, ontologies=("UBERON",)),
    MetadataField("perturbation_dose", Kind.QUANTITY, _PERTURBATION),
    MetadataField(
        "perturbation_ontology_id",
        Kind.ONTOLOGY,
        _PERTURBATION,
        ontologies=("ENSG", "CHEBI", "CHEMBL", "NCBITaxon"),
    ),
    MetadataField("perturbation_time", Kind.QUANTITY, _PERTURBATION),
    MetadataField("perturbation_type", Kind.CATEGORY, _PERTURBATION, values=PERTURBATION_TYPES),
    MetadataField("study", Kind.STUDY, _TECHNICAL),
    MetadataField("library_selection", Kind.CATEGORY, _TECHNICAL, values=LIBRARY_SELECTIONS),
    MetadataField("library_layout", Kind.CATEGORY, _TECHNICAL, values=("PAIRED", "SINGLE")),
    MetadataField("platform", Kind.CATEGORY, _TECHNICAL, values=("illumina",)),
)

FIELD_BY_NAME: dict[str, MetadataField] = {field.name: field for field in METADATA_FIELDS}
FIELD_NAMES: tuple[str, ...] = tuple(FIELD_BY_NAME)
