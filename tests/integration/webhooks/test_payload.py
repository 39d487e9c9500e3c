"""What a receiver can do with a message: fetch the result by its link, see what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries.ending import fail_inputs
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from tests.integration.webhooks.conftest import Serving
from tests.support import calls
from tests.support.api import service, settings_for
from tests.support.catalogs import unread_model
from tests.support.jobs import save_job
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, receiver
from tests.support.webhooks import save_endpoint


def ready(lab: Receiver) -> list[dict[str, Any]]:
    return [request.payload["data"] for request in lab.requests if request.payload["type"] == "query.ready"]


def test_the_links_of_a_query_that_is_ready_open(
    engine: Engine, seal: Seal, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The download needs no key: whoever is told can fetch, until the link is over."""
    unread_model(tmp_path / "models", "gem-1-bulk")
    settings = settings_for(
        database_url=database_url,
        redis_url=redis_url,
        storage_url=f"file://{tmp_path}/objects",
        models_dir=tmp_path / "models",
    )
    with receiver() as lab, service(settings) as api, post_office(database_url, api.url):
        save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        job = api.finished(3)
        wait_until(lambda: len(ready(lab)) == 1)
        (data,) = ready(lab)
        shown = api.get(f"/api/model-queries/{job}").json()
        assert data["links"].keys() == shown["links"].keys()
        assert (
            calls.get(data["links"]["self"], headers={"Authorization": f"Bearer {api.key}"}).json() == shown
        )
        downloaded = calls.get(data["links"]["download"])
    assert downloaded.status_code == 200
    assert len(downloaded.json()["outputs"]) == 3


def test_inputs_that_failed_are_named_the_first_hundred_of_them(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    with receiver() as lab, serving():
        job = save_job(engine, [1] * 120)
        save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        with transaction(engine) as session:
            session.execute(fail_inputs(job, range(5, 120), "It has no samples."))
            session.execute(text("UPDATE jobs SET samples_failed = 115, events = 2"))
            session.execute(*save_event(job, 2, EventKind.PROGRESS))
        wait_until(lambda: len(lab.requests) == 1)
    failures = lab.requests[0].payload["data"]["failures"]
    assert failures[0] == {"path": "inputs[5]", "reason": "It has no samples."}
    assert len(failures) == 100
