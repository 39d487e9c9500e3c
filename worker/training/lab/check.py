"""Everything about a user's files before anything is trained: what is in them, and all that is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.ontology.terms import Ontologies
from shared.queries.fields import FIELD_NAMES
from worker.training.lab.columns import Column, Use, columns_of, only_known
from worker.training.lab.gene_ids import GeneIds, describe_genes, is_known, read_gene_ids
from worker.training.lab.h5ad import CountsFile
from worker.training.lab.labels import LabelReader, joined
from worker.training.lab.request import LabRequest
from worker.training.lab.survey import Survey, survey

FEWEST_SAMPLES, FEWEST_GENES = 2, 2
NO_READ = "not a read in any sample"
SHOWN_DOUBLES = 5


@dataclass(frozen=True)
class Source:
    """One file that is in order: its counts, its gene ids, and what its counts amount to."""

    file: CountsFile
    genes: GeneIds
    survey: Survey


@dataclass(frozen=True)
class Checked:
    """Files that can be trained on. `labels` has a row for each sample of all files, in their order."""

    sources: tuple[Source, ...]
    labels: pd.DataFrame
    columns: tuple[Column, ...]
    genes: pd.DataFrame
    dropped: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def reads(self) -> NDArray[np.float32]:
        """[samples] library sizes."""
        return np.concatenate([source.survey.sample_reads for source in self.sources])

    @property
    def digest(self) -> str:
        """SHA-256 of counts, gene ids and labels."""
        whole = hashlib.sha256()
        for source in self.sources:
            whole.update(source.survey.digest.encode())
            whole.update("\n".join(source.genes.ids).encode())
        whole.update(pd.util.hash_pandas_object(self.labels, index=False).to_numpy().tobytes())
        return whole.hexdigest()


def check(request: LabRequest, ontologies: Ontologies) -> Checked:
    """Read the files through. Raises InvalidInput with every fault of every file."""
    request.check()
    reader = LabelReader(ontologies)
    sources, tables = [], []
    faults: list[Fault] = []
    notes: list[str] = []
    for path in request.paths:
        try:
            file = CountsFile.open(path, request.layer)
        except InvalidInput as refused:
            faults += [Fault("--data", fault.message) for fault in refused.faults]
            continue
        labels = reader.read(file.obs, path)
        genes = read_gene_ids(file.var_names)
        faults += [*labels.faults, *_gene_faults(file, genes)]
        notes += labels.notes
        found = survey(file, genes.kept)
        faults += found.faults
        sources.append(Source(file, genes, found))
        tables.append(labels.table)
    if tables:
        faults += _overall_faults(tables)
    if faults:
        raise InvalidInput(
            f"{len(faults)} fault{'s'[: len(faults) > 1]} to put right; nothing is trained before.",
            tuple(faults),
        )
    return _checked(tuple(sources), joined(tables), ontologies, notes)


def _checked(
    sources: tuple[Source, ...], labels: pd.DataFrame, ontologies: Ontologies, notes: list[str]
) -> Checked:
    reads: Counter[str] = Counter()
    dropped: dict[str, set[str]] = {}
    for source in sources:
        for gene, number in zip(source.genes.ids, source.survey.gene_reads, strict=True):
            if gene:
                reads[gene] += number
        for why, names in source.genes.dropped.items():
            dropped.setdefault(why, set()).update(names)
    dropped[NO_READ] = {gene for gene, number in reads.items() if number == 0}
    genes = describe_genes((gene for gene, number in reads.items() if number > 0), ontologies)
    columns = columns_of(labels)
    notes += _notes(labels, columns, genes, ontologies)
    return Checked(
        sources,
        only_known(labels, columns),
        columns,
        genes,
        {why: len(names) for why, names in dropped.items() if names},
        tuple(notes),
    )


def _gene_faults(file: CountsFile, genes: GeneIds) -> Iterator[Fault]:
    path = f"{file.path}: var_names"
    if genes.doubles:
        named = ", ".join(genes.doubles[:SHOWN_DOUBLES])
        yield Fault(
            path,
            f"{len(genes.doubles):,} genes stand there more than once, versions aside: {named}. Add their "
            "counts up, or keep one of each.",
        )
    if genes.kept.sum() < FEWEST_GENES:
        holders = [name for name in file.var if _holds_ids(file.var[name])]
        hint = (
            f" var[{holders[0]!r}] holds them: adata.var_names = adata.var[{holders[0]!r}]."
            if holders
            else ""
        )
        first = ", ".join(map(repr, file.var_names[:3]))
        yield Fault(path, f"No human Ensembl ids (ENSG...) stand there, but {first}.{hint}")


def _holds_ids(column: pd.Series) -> bool:
    return any(read_gene_ids([str(value)]).kept.all() for value in column.iloc[:1])


def _overall_faults(tables: list[pd.DataFrame]) -> Iterator[Fault]:
    samples = sum(len(table) for table in tables)
    if samples < FEWEST_SAMPLES:
        yield Fault("--data", f"{samples} sample is too few to learn from; {FEWEST_SAMPLES} are the least.")
    if all((table[name] == "").all() for table in tables for name in FIELD_NAMES):
        yield Fault(
            "--data",
            "No obs column is named as a metadata field, or all of them are empty, so a model could be asked "
            f"for nothing. Name the columns as queries do: {', '.join(FIELD_NAMES)}.",
        )


def _notes(
    labels: pd.DataFrame, columns: tuple[Column, ...], genes: pd.DataFrame, ontologies: Ontologies
) -> Iterator[str]:
    """What a person should know, and what stops nothing."""
    if not any(column.use is Use.LEARNT for column in columns):
        yield "No column varies between samples: the model will know one condition only."
    for column in columns:
        single = [term for term, number in column.samples.items() if number == 1]
        if column.use is Use.LEARNT and single:
            yield f"{column.name}: {len(single)} of its values stand in one sample each, as {single[0]!r}."
        if column.use is Use.NOT_MODELLED:
            yield f"{column.name} is accepted in queries; this kind of network learns nothing from it."
        if column.use is Use.TOO_MANY:
            yield f"{column.name} has a value of its own for nearly every sample: nothing is learnt from it."
    private = [s for c in columns if c.name == "study" for s in c.samples if not s.startswith("PRJ")]
    if private:
        yield f"study {private[0]!r} is no BioProject id: it helps in training and cannot be asked for."
    unknown = [gene for gene in genes.index if not is_known(gene, ontologies)]
    if unknown:
        yield f"{len(unknown):,} genes are unknown to GENCODE 48, such as {unknown[0]}; they are kept."
    if (labels["donor"] == "").all():
        yield "There is no obs column donor: samples of one donor may stand on both sides of the split."
