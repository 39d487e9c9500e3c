"""The result of a query, for whoever blocks: as tables, as AnnData, as files, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from genequeue.client import folders, results
from genequeue.client.calls import Json, Steps
from genequeue.client.formats import form_of
from genequeue.client.progress import showing
from genequeue.client.results import Chosen, Selection

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from anndata import AnnData

_T = TypeVar("_T")


class Plays(Protocol):
    """What plays steps."""

    def play(self, steps: Steps[_T]) -> _T:
        """What they come to."""


class Result:
    """The samples of a query that is ready. Nothing is fetched before it is asked for.

    `genes` chooses by symbol or Ensembl id, `inputs` by position, by ranges ("0-9,42") or by custom id, one
    or several: only these are read and sent. Every method raises RequestFailed.
    """

    def __init__(self, client: Plays, state: Json) -> None:
        self._client, self.state = client, state
        self._id: str = state["id"]

    def __repr__(self) -> str:
        return f"Result({self._id!r}, {self.state['progress']['samples_done']} samples)"

    def to_pandas(self, genes: Chosen = None, inputs: Chosen = None, progress: bool = False) -> pd.DataFrame:
        """A row per sample: its metadata, then a column per gene, named as asked for."""
        with showing(progress) as tell:
            return self._client.play(results.pandas(self.state, Selection.of(genes, inputs), tell))

    def to_polars(self, genes: Chosen = None, inputs: Chosen = None, progress: bool = False) -> pl.DataFrame:
        """As `to_pandas`, for polars."""
        with showing(progress) as tell:
            return self._client.play(results.polars(self.state, Selection.of(genes, inputs), tell))

    def to_arrow(self, genes: Chosen = None, inputs: Chosen = None, progress: bool = False) -> pa.Table:
        """A row per sample, counts as a list in the order of the `gene_order` in the table's metadata."""
        with showing(progress) as tell:
            return self._client.play(results.arrow(self._id, Selection.of(genes, inputs), tell))

    def to_anndata(self, genes: Chosen = None, inputs: Chosen = None, progress: bool = False) -> AnnData:
        """Counts in X, metadata in obs, genes and symbols in var, latents in obsm, provenance in uns."""
        with showing(progress) as tell:
            return self._client.play(results.anndata(self._id, Selection.of(genes, inputs), tell))

    def parts(self) -> Iterator[pa.Table]:
        """The samples, one stored part at a time: what a machine holds does not grow with the result."""
        for listed in self._client.play(results.part_list(self._id)):
            yield self._client.play(results.part(listed))

    def save(
        self, path: str | Path, genes: Chosen = None, inputs: Chosen = None, progress: bool = False
    ) -> Path:
        """A file: .h5ad, .parquet, .csv, .mtx.zip, .arrow or .json."""
        target = Path(path)
        with showing(progress) as tell:
            steps = results.fetch(self._id, form_of(target), target, Selection.of(genes, inputs), tell)
            return self._client.play(steps)

    def download(self, folder: str | Path, progress: bool = True) -> Path:
        """All parts with their signed manifest, several at once; what is there already stays."""
        with showing(progress) as tell:
            self._client.play(folders.gather(self._id, Path(folder), tell))
        return Path(folder)

    def summary(self, progress: bool = False) -> Json:
        """Library sizes, detected genes, the most variable genes, a projection into two dimensions."""
        with showing(progress) as tell:
            return self._client.play(results.summary(self._id, tell))

    def compare(self, a: Json, b: Json, progress: bool = False) -> Json:
        """Differential expression of group `a` against `b`, each {"inputs": ...} or {"metadata": {...}}."""
        with showing(progress) as tell:
            return self._client.play(results.compare(self._id, a, b, tell))
