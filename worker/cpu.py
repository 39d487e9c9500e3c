"""The upkeep worker: makes its rounds, sends webhooks and makes artifacts, whatever the broker does.

Never reaches torch. `python -m worker.cpu`.
"""

from __future__ import annotations

import structlog

from shared.database.engines import async_engine, sync_engine
from shared.links import LinkSigner
from shared.messages import Queue
from shared.queue import WakeUps, celery_app
from shared.settings import UpkeepSettings
from shared.storage.objects import Credentials, open_storage
from shared.webhooks.sealing import Seal
from worker.artifacts.bench import Bench
from worker.artifacts.child import Place
from worker.artifacts.workshop import Workshop
from worker.tasks.posting import posted
from worker.tasks.process import end_in_order_when_told, name_of_this_process, run_worker, start
from worker.tasks.upkeep import Upkeep, kept_up
from worker.webhooks.delivering import Courier
from worker.webhooks.payload import Links
from worker.webhooks.post_office import PostOffice
from worker.webhooks.sending import Sender
from worker.webhooks.settling import Settler

log = structlog.get_logger()


def run(settings: UpkeepSettings) -> None:
    """Compose the worker and run it."""
    app = celery_app("genequeue.cpu", settings.redis_url.get_secret_value())
    upkeep = Upkeep(
        worker_id=name_of_this_process(),
        database=sync_engine(settings.database_url.get_secret_value(), pool_size=4),
        storage=open_storage(settings.storage_url, Credentials(*settings.storage_keys)),
        wake_ups=WakeUps(app),
        max_attempts=settings.max_attempts,
        sweep_every=settings.sweep_interval,
        expire_every=settings.expire_interval,
        tidy_every=settings.tidy_interval,
        keep_reports=settings.report_lifetime,
    )
    end_in_order_when_told()  # the rounds begin before Celery is up
    with (
        kept_up(upkeep),
        posted(lambda: post_office(settings)),
        posted(lambda: workshop(settings, upkeep.worker_id), "artifacts"),
    ):
        log.info("worker.ready", worker=upkeep.worker_id)
        run_worker(app, Queue.UPKEEP)


def post_office(settings: UpkeepSettings) -> PostOffice:
    """What sends webhooks, for the loop in which it is made."""
    url, secret = settings.database_url.get_secret_value(), settings.secret_key.get_secret_value().encode()
    links = Links((settings.public_url or "").rstrip("/"), LinkSigner(secret, settings.link_lifetime))
    database = async_engine(url)
    sender = Sender(settings.webhook_rules)
    return PostOffice(database, url, Courier(database, sender, Seal(secret), links, Settler(database)))


def workshop(settings: UpkeepSettings, owner: str) -> Workshop:
    """What has artifacts made, for the loop in which it is made."""
    url, credentials = settings.database_url.get_secret_value(), Credentials(*settings.storage_keys)
    return Workshop(
        database=async_engine(url, pool_size=4),
        database_url=url,
        storage=open_storage(settings.storage_url, credentials),
        bench=Bench(Place(settings.storage_url, credentials)),
        aside=Bench(Place(settings.storage_url, credentials)),
        owner=owner,
    )


if __name__ == "__main__":
    start("cpu", UpkeepSettings, run)
