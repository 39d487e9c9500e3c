"""The self-hosted way: one POST whose answer is the Arrow stream itself: whole and right, or cut."""

from __future__ import annotations

import hashlib

import httpx
import pyarrow as pa

from tests.system.chaos.acts import Scene
from tests.system.chaos.customer import ARROW
from tests.system.chaos.questions import Question

WEIGHT = 2


def play(scene: Scene) -> None:
    """A stream is not asked for again; its job is finished all the same."""
    customer, question = scene.customer, scene.question("middling")
    url = customer.url() + f"/api/models/{question.model_id}/predict"
    headers = {"Authorization": f"Bearer {customer.key}", "Accept": ARROW}
    try:
        response = httpx.post(url, json=customer.query(question), headers=headers, timeout=30)
        if response.status_code != 200:
            customer.ledger.saw(f"stream {response.status_code}")
            return
        table = pa.ipc.open_stream(response.content).read_all()
    except (httpx.TransportError, pa.ArrowInvalid) as error:
        customer.ledger.saw(f"stream {type(error).__name__}")
        return
    customer.ledger.saw("stream whole")
    _check(scene, question, table)


def _check(scene: Scene, question: Question, table: pa.Table) -> None:
    """The first whole stream of a question is what the others are held against, beside the number of rows."""
    ledger = scene.customer.ledger
    if table.num_rows != question.samples:
        ledger.breach("a stream that ends well is whole", f"{question.name}: {table.num_rows} rows")
    content = hashlib.sha256(str(table.to_pydict()).encode()).hexdigest()
    if scene.streams.setdefault(question.name, content) != content:
        ledger.breach("two streams of one query are equal", question.name)
