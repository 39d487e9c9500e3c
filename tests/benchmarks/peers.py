"""What people would put before a model instead: LitServe, or FastAPI alone. For comparison only.

`python -m tests.benchmarks.peers litserve 8001`. Each answers a query with its samples, checked, computed and
written as GeneQueue does it; nothing outlives the answer.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

import litserve
import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from api.services.understand import understand
from shared.catalog import Catalog
from shared.ontology.terms import Ontologies
from shared.queries.spec import QuerySpec, SamplingStrategy
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import Samples, part_table
from shared.settings import MODELS_OF_THIS_CHECKOUT
from worker.inference.batch import Batch
from worker.inference.devices import choose_device
from worker.inference.engine import Engine

MODEL = "gem-1-bulk"
HOST = "127.0.0.1"
# LitServe waits so long at most for a batch of so many requests.
BATCH, BATCH_SECONDS = 64, 0.005


class Model:
    """The engine in memory: queries of one sample in, the JSON form of their results out."""

    def __init__(self) -> None:
        self._offer = Catalog.open(MODELS_OF_THIS_CHECKOUT).offer(MODEL)
        self._ontologies = Ontologies.open()
        self._engine = Engine.open(self._offer.model, choose_device(None))
        self._header = ResultHeader(self._offer.model.gene_order, MODEL, self._offer.model.manifest.version)

    def check(self, query: object) -> QuerySpec:
        """What a query means. Raises QueryRejected."""
        return understand(query, self._offer.rules, self._ontologies).spec

    def answer(self, specs: Sequence[QuerySpec]) -> list[bytes]:
        """The results of queries of one sample each, computed as one batch."""
        generated = self._engine.generate(_batch(specs))
        one = np.zeros(1, np.int64)
        return [
            self._json(
                Samples(
                    *(one, one, one),
                    metadata=[spec.inputs[0].metadata],
                    counts=generated.counts[place : place + 1],
                    latents={name: rows[place : place + 1] for name, rows in generated.latents.items()},
                )
            )
            for place, spec in enumerate(specs)
        ]

    def _json(self, samples: Samples) -> bytes:
        return b"".join(stream_json(self._header, [part_table(samples)]))


def _batch(specs: Sequence[QuerySpec]) -> Batch:
    placed = [spec.inputs[0].placements.items() for spec in specs]
    zeros = np.zeros(len(specs), np.int64)
    return Batch(
        conditions=tuple({name: place.terms for name, place in fields if place.terms} for fields in placed),
        condition_of=np.arange(len(specs)),
        seed=np.array([spec.seed or 0 for spec in specs], np.uint64),
        input_index=zeros,
        sample_index=zeros,
        total_count=np.array([spec.total_count for spec in specs]),
        deterministic=np.array([spec.deterministic_latents for spec in specs]),
        generation=np.array([spec.sampling_strategy is SamplingStrategy.SAMPLE_GENERATION for spec in specs]),
    )


class LitModel(litserve.LitAPI):
    """The model behind LitServe, which gathers requests into batches."""

    def setup(self, device: str) -> None:
        """Once, in LitServe's own worker process."""
        self.model = Model()

    def decode_request(self, request):  # LitServe reads its name, and would read a type that it has
        """A query as parsed from JSON."""
        return self.model.check(request)

    def batch(self, inputs: list[QuerySpec]) -> list[QuerySpec]:
        """LitServe would make an array of them."""
        return inputs

    def predict(self, x: list[QuerySpec]) -> list[bytes]:
        """A batch."""
        return self.model.answer(x)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        """Each for itself."""
        return output

    def encode_response(self, output):  # as above
        """It is JSON already."""
        return Response(output, media_type="application/json")


def serve_litserve(port: int) -> None:
    """As its documentation starts it: one server process, one worker process."""
    model = LitModel(max_batch_size=BATCH, batch_timeout=BATCH_SECONDS)
    server = litserve.LitServer(model, accelerator="cpu", devices=1, timeout=120)
    server.run(host=HOST, port=port, log_level="warning", generate_client_file=False)


def serve_fastapi(port: int) -> None:
    """A route that computes in a thread, one request at a time: an engine uses all the cores itself."""
    app, model, one = FastAPI(), Model(), threading.Lock()

    def answer(query: object) -> bytes:
        spec = model.check(query)
        with one:
            return model.answer([spec])[0]

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        made = await run_in_threadpool(answer, await request.json())
        return Response(made, media_type="application/json")

    @app.get("/health")
    def health() -> str:
        return "ok"

    uvicorn.run(app, host=HOST, port=port, log_level="warning")


SERVERS = {"litserve": serve_litserve, "fastapi": serve_fastapi}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    SERVERS[asked.name](asked.port)
