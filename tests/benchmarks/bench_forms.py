"""A result on its way out: each form beside a library that writes it from memory, and ten genes beside all.

`python -m tests.benchmarks.bench_forms`: two or three minutes. 1,000 samples in every form, `gem-1-bulk`; one
sample of both numbers of genes; ten genes out of 20,000 samples, asked for twice.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anndata
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from shared.catalog import Catalog, Model
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import Samples, encode_part, part_table
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.alone import CHUNK, large_model, open_engine, samples_of
from tests.benchmarks.customer import Customer, Fetched, served
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import batch_of, query_of
from tests.support.models import BULK
from worker.inference.engine import Engine

SAMPLES, MANY = 1_000, 20_000
MANY_GENES, FEW_GENES = 44_592, 10
STREAMED, MADE = ("json", "arrow", "csv"), ("h5ad", "parquet", "mtx")
GOAL_ONE_SAMPLE = 0.25  # MB
_STRATEGY = "sample generation"
_GZIP = 16 + zlib.MAX_WBITS


def main(samples: int = SAMPLES, many: int = MANY) -> None:
    """Print the table."""
    print(as_markdown(measure(samples, many)))


def measure(samples: int = SAMPLES, many: int = MANY) -> list[Row]:
    """Every row of this benchmark."""
    model = Catalog.open(MODELS_OF_THIS_CHECKOUT).get(BULK)
    with served() as (_, customer):
        rows = [*_forms(customer, samples), *_few_genes(customer, model, many)]
    engine = open_engine(model)
    rows += _from_memory(_drawn(engine, samples), model)
    rows += _one_sample(engine)
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        rows += _one_sample(open_engine(large_model(Path(name), MANY_GENES)))
    return rows


def _forms(customer: Customer, samples: int) -> Iterator[Row]:
    """Every form of one result; files are made at the first request, and sent at the second."""
    job_id = customer.submit(query_of(samples, _STRATEGY, 1))
    customer.ended(job_id)
    customer.fetch(job_id, format="arrow", inputs="0", genes="TP53")  # everything is imported
    for form in STREAMED:
        yield Row(f"{form}, {samples:,} samples", _figures(customer.fetch(job_id, format=form)))
    first = customer.fetch(job_id, format="h5ad", inputs="0", genes="TP53")
    yield Row("h5ad of one count, the first file of this machine", _figures(first), "a process starts for it")
    for form in MADE:
        yield Row(f"{form}, {samples:,} samples: made", _figures(customer.fetch(job_id, format=form)))
        yield Row(f"{form}, {samples:,} samples: again", _figures(customer.fetch(job_id, format=form)))
    yield Row(
        f"json as gzip, {samples:,} samples", _figures(customer.fetch(job_id, encoding="gzip", format="json"))
    )


def _few_genes(customer: Customer, model: Model, samples: int) -> Iterator[Row]:
    job_id = customer.submit(query_of(samples, _STRATEGY, 2))
    customer.ended(job_id)
    whole = customer.fetch(job_id, format="arrow")
    yield Row(f"arrow, {samples:,} samples, all genes", _figures(whole))
    genes = ",".join(model.gene_order[:: len(model.gene_order) // FEW_GENES][:FEW_GENES])
    waited = 0.0
    for request in ("first request", "second request, with the file that the first one has made"):
        some = customer.fetch(job_id, format="arrow", genes=genes)
        share = f"{some.total / whole.total:.3f} of reading all"
        yield Row(f"arrow, {samples:,} samples, {FEW_GENES} genes, {request}", _figures(some), share)
        waited = waited or customer.await_files(job_id)
    yield Row("the file by genes, made in the background", f"{waited:.1f} s after the first answer")


def _drawn(engine: Engine, samples: int) -> Samples:
    return samples_of(engine.generate(batch_of(samples, 1, generation=True)))


def _from_memory(samples: Samples, model: Model) -> Iterator[Row]:
    """The same values as libraries write them, with nothing to read or to check."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        file = Path(name, "result")
        ways: dict[str, Callable[[], int]] = {
            "orjson alone": lambda: _orjson(samples, model),
            "pyarrow alone, an Arrow stream": lambda: _arrow(samples),
            "pyarrow alone, Parquet in parts of 500": lambda: _parquet(samples),
            "anndata alone, h5ad with gzip 1": lambda: _anndata(samples, model, file),
        }
        for way, write in ways.items():
            began = time.perf_counter()
            length = write()
            total = time.perf_counter() - began
            yield Row(
                f"{way}, {len(samples.counts):,} samples", f"total {total:.2f} s, {length / 1e6:.1f} MB"
            )


def _orjson(samples: Samples, model: Model) -> int:
    latents = {group: rows.tolist() for group, rows in samples.latents.items()}
    outputs = [
        {
            "counts": counts,
            "metadata": samples.metadata[0],
            "latents": {group: rows[place] for group, rows in latents.items()},
        }
        for place, counts in enumerate(samples.counts)
    ]
    content = {"gene_order": list(model.gene_order), "model_version": 1, "outputs": outputs}
    return len(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


def _arrow(samples: Samples) -> int:
    table, sink = _table(samples), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=64)
    return len(sink.getvalue())


def _table(samples: Samples) -> pa.Table:
    """With counts as wide as the clients read them."""
    table = part_table(samples)
    place = table.column_names.index("counts")
    return table.set_column(place, "counts", table.column("counts").cast(pa.list_(pa.int64())))


def _parquet(samples: Samples) -> int:
    table = part_table(samples)
    return sum(len(encode_part(table.slice(first, CHUNK))) for first in range(0, table.num_rows, CHUNK))


def _anndata(samples: Samples, model: Model, file: Path) -> int:
    rows = pd.Index([str(row) for row in range(len(samples.counts))], dtype=object)
    codes = np.zeros(len(rows), np.int8)
    values = {
        name: pd.Categorical.from_codes(codes, pd.Index([value], dtype=object))
        for name, value in samples.metadata[0].items()
    }
    obs = pd.DataFrame(values, index=rows)
    var = pd.DataFrame(index=pd.Index(model.gene_order, dtype=object))
    obsm = {f"X_{group}": np.asarray(rows) for group, rows in samples.latents.items()}
    data = anndata.AnnData(samples.counts, obs=obs, var=var, obsm=obsm)
    data.write_h5ad(file, compression="gzip", compression_opts=1)
    return file.stat().st_size


def _one_sample(engine: Engine) -> Iterator[Row]:
    """What the result of a query of one sample weighs: its part, and the JSON that the clients fetch."""
    table, genes = part_table(_drawn(engine, 1)), engine.model.gene_order
    text = b"".join(stream_json(ResultHeader(genes, BULK, 1), [table]))
    packer = zlib.compressobj(1, wbits=_GZIP)
    packed = packer.compress(text) + packer.flush()
    for form, data in (("Parquet", encode_part(table)), ("JSON as gzip", packed), ("JSON", text)):
        size = len(data) / 1e6
        goal = judged(f"goal {GOAL_ONE_SAMPLE} MB", size <= GOAL_ONE_SAMPLE) if form != "JSON" else ""
        yield Row(f"one sample of {len(genes):,} genes, {form}", f"{size:.3f} MB", goal)


def _figures(fetched: Fetched) -> str:
    first, total = fetched.first, fetched.total
    return f"first byte {1e3 * first:,.0f} ms, total {total:.2f} s, {fetched.bytes / 1e6:,.1f} MB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="samples in every form")
    parser.add_argument("--many", type=int, default=MANY, help="samples out of which ten genes are read")
    asked = parser.parse_args()
    main(asked.samples, asked.many)
