"""A result in one of its forms, as steps: asked for, waited for while the server makes it, stored or read.

What reads tables is imported when it is asked for: Arrow alone takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

from genequeue.client.calls import Answer, Call, Json, Pause, Stage, Steps, Tell, Told, ask, post_json
from genequeue.client.downloads import Download
from genequeue.client.folders import part_bytes
from genequeue.client.formats import Form
from genequeue.client.queries import get_json, path_of
from shared.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from anndata import AnnData

Chosen = Iterable[int | str] | int | str | None
# The server waits this long before it says that it is not done.
_PREFER = "wait=20"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a result: genes by symbol or Ensembl id, inputs by position, range or custom id."""

    genes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, genes: Chosen, inputs: Chosen) -> Selection:
        """What a caller chose; None is all. Raises InvalidInput for an empty choice."""
        return cls(_names("genes", genes), _names("inputs", inputs))

    @property
    def parameters(self) -> Json:
        """As a URL says it."""
        said = {"genes": ",".join(self.genes), "inputs": ",".join(self.inputs)}
        return {name: text for name, text in said.items() if text}


def _names(what: str, chosen: Chosen) -> tuple[str, ...]:
    if chosen is None:
        return ()
    several = [chosen] if isinstance(chosen, str | int) else chosen
    names = tuple(name.strip() for each in several for name in str(each).split(",") if name.strip())
    if not names:
        raise InvalidInput(f"{what} chooses nothing; name at least one, or leave it out for all {what}.")
    return names


ALL = Selection()


def arrow(query_id: str, selection: Selection, tell: Tell) -> Steps[pa.Table]:
    """A row per sample; counts are a list column. Raises RequestFailed."""
    with TemporaryDirectory(prefix="genequeue-") as folder:
        path = yield from fetch(query_id, Form.ARROW, Path(folder, "result"), selection, tell)
        return _tables().read_stream(path)


def pandas(state: Json, selection: Selection, tell: Tell) -> Steps[pd.DataFrame]:
    """A row per sample, a column per gene. Raises RequestFailed, PackageMissing."""
    _tables().needed("pandas")
    table = yield from arrow(state["id"], selection, tell)
    frame: pd.DataFrame = _tables().to_pandas(table, (yield from _asked_names(state, selection)))
    return frame


def polars(state: Json, selection: Selection, tell: Tell) -> Steps[pl.DataFrame]:
    """A row per sample, a column per gene. Raises RequestFailed, PackageMissing."""
    _tables().needed("polars")
    table = yield from arrow(state["id"], selection, tell)
    frame: pl.DataFrame = _tables().to_polars(table, (yield from _asked_names(state, selection)))
    return frame


def anndata(query_id: str, selection: Selection, tell: Tell) -> Steps[AnnData]:
    """The server's h5ad, in memory. Raises RequestFailed, PackageMissing."""
    _tables().needed("anndata")
    with TemporaryDirectory(prefix="genequeue-") as folder:
        path = yield from fetch(query_id, Form.H5AD, Path(folder, "result.h5ad"), selection, tell)
        data: AnnData = _tables().to_anndata(path)
        return data


def part_list(query_id: str) -> Steps[list[Json]]:
    """The parts that are there, in the order of their samples. Raises RequestFailed."""
    return list((yield from get_json(path_of(query_id, "parts")))["parts"])


def part(listed: Json) -> Steps[pa.Table]:
    """The rows of one part. Raises RequestFailed, DownloadDamaged."""
    return _tables().read_part((yield from part_bytes(listed)))


def _asked_names(state: Json, selection: Selection) -> Steps[dict[str, str]]:
    """Genes that were asked for by symbol are columns of that name, all others of their Ensembl id."""
    asked = {name.upper(): name for name in selection.genes}
    if all(name.startswith("ENSG") for name in asked):
        return {}
    genes = (yield from get_json(f"/api/models/{state['model_id']}/genes"))["genes"]
    found = [gene for gene in genes if gene["symbol"].upper() in asked]
    symbols = [gene["symbol"].upper() for gene in found]
    # A symbol that several genes share cannot name one of them.
    return {
        gene["ensembl_id"]: asked[symbol]
        for gene, symbol in zip(found, symbols, strict=True)
        if symbols.count(symbol) == 1
    }


def _tables() -> ModuleType:
    return import_module("genequeue.client.tables")


def fetch(query_id: str, form: Form, target: Path, selection: Selection, tell: Tell) -> Steps[Path]:
    """Store a form of a result. Raises RequestFailed, DownloadDamaged."""
    call = Call(
        "GET",
        path_of(query_id, "result"),
        params={"format": str(form), **selection.parameters},
        headers={"Prefer": _PREFER, "Accept": "*/*"},
    )
    download = Download(call, target, told=lambda done, total: tell(Told(Stage.DOWNLOAD, done, total)))
    making: Told | None = None
    while (answer := (yield from download.steps())).status == HTTPStatus.ACCEPTED:
        making = _making(answer.json())
        tell(making)
        yield _breath(answer)
    if making is not None:
        tell(replace(making, done=making.total))
    return target


def made(call: Call, tell: Tell) -> Steps[Answer]:
    """The answer to something that the server makes first: a summary, a comparison. Raises RequestFailed."""
    asked = replace(call, headers={**call.headers, "Prefer": _PREFER})
    while (answer := (yield from ask(asked))).status == HTTPStatus.ACCEPTED:
        tell(_making(answer.json()))
        yield _breath(answer)
    return answer


def _breath(answer: Answer) -> Pause:
    return Pause(float(answer.headers.get("retry-after", 1)))


def _making(body: Json) -> Told:
    progress = body["artifact"]["progress"]
    return Told(Stage.MAKE, progress["done"], progress["total"])


def summary(query_id: str, tell: Tell) -> Steps[Json]:
    """Library sizes, detected genes, the most variable genes, a projection. Raises RequestFailed."""
    answer = yield from made(Call("GET", path_of(query_id, "summary")), tell)
    return answer.json()  # type: ignore[no-any-return]


def compare(query_id: str, a: Json, b: Json, tell: Tell) -> Steps[Json]:
    """Differential expression between two groups of samples. Raises RequestFailed."""
    call = post_json(path_of(query_id, "compare"), {"a": a, "b": b})
    answer = yield from made(call, tell)
    return answer.json()  # type: ignore[no-any-return]
