"""What every source hands over: values by gene and sample, and the samples' metadata. Knows no source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

TERM_SEPARATOR = "|"  # between the terms of one field, where a sample has several
# The fields on which there are data; named as on the wire.
LABEL_FIELDS = (
    "tissue_ontology_id",
    "cell_type_ontology_id",
    "disease_ontology_id",
    "cell_line_ontology_id",
    "sample_type",
    "sex",
    "study",
    "perturbation_ontology_id",
    "perturbation_type",
)
# Every field that a network can learn: of doses and times it has no notion.
MODELLED_FIELDS = (
    *LABEL_FIELDS,
    "age_years",
    "developmental_stage",
    "ethnicity",
    "genotype",
    "race",
    "library_selection",
    "library_layout",
    "platform",
)
CONTROL = "control"


class SampleKind(StrEnum):
    """What one column of values is."""

    PROFILE = "profile"  # a published average of many samples, in counts per million
    COUNTS = "counts"  # the read counts of one sample


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one source.

    `values` is genes (Ensembl id without version) by samples, NaN or absent where a gene was not measured.
    `labels` has a row for each sample: `source`, `kind`, `donor` and the LABEL_FIELDS, "" where unset.
    """

    values: pd.DataFrame
    labels: pd.DataFrame


def labelled(
    values: pd.DataFrame, source: str, kind: SampleKind, donor: Sequence[str] | str = "", **fields: object
) -> Samples:
    """Samples of one source; a field is one value for all samples or one for each, in their order."""
    columns = dict.fromkeys(LABEL_FIELDS, "") | fields
    labels = pd.DataFrame(
        {"source": source, "kind": kind.value, "donor": donor} | columns, index=values.columns
    )
    return Samples(values, labels.fillna("").astype(str))


def counts_per_million(values: pd.DataFrame) -> pd.DataFrame:
    """Each sample scaled to a sum of one million; NaN stays NaN."""
    return values / values.sum() * 1e6
