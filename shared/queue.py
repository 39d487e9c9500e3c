"""The broker: a Celery client that sends wake-ups by name and imports no task.

A wake-up carries nothing and may be lost or doubled: rows say what to do, and upkeep sends it again.
"""

from __future__ import annotations

import threading

import structlog
from celery import Celery
from kombu.entity import Queue as BrokerQueue

from shared.messages import Message, Queue

log = structlog.get_logger()

# Where so many wake-ups lie, whoever can hear one hears it; more would only pile up while nobody does.
_ENOUGH = 8
_BETWEEN_SECONDS = 0.02  # whoever was woken is at work, and looks again when that is done


def celery_app(name: str, redis_url: str) -> Celery:
    """A Celery app with the settings that survived kills, stops and cut connections of the broker."""
    app = Celery(name, broker=redis_url, set_as_current=False)
    app.conf.update(
        broker_transport_options={
            "visibility_timeout": 3600,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Not acknowledged: a message whose acknowledgement is lost with its connection would count as one in
        # hand for ever, and a worker that may hold one would hear nothing any more.
        task_queues=[_unacknowledged(queue) for queue in Queue],
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        timezone="UTC",
    )
    return app


def _unacknowledged(queue: Queue) -> BrokerQueue:
    return BrokerQueue(str(queue), routing_key=str(queue), no_ack=True)  # type: ignore[no-untyped-call]


class WakeUps:
    """Sends wake-ups from a thread of its own, so that a broker that is down or hung costs a caller nothing.

    Asking for the same message again while one waits to be sent changes nothing: they coalesce.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: set[Message] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._send_all, name="wake-ups", daemon=True)
        self._thread.start()

    def ask(self, message: Message) -> None:
        """Have a message sent soon; returns at once."""
        with self._changed:
            self._waiting.add(message)
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, for two seconds at most, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=2)
        self._app.close()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                batch, self._waiting = self._waiting, set()
                if not batch and self._closed:
                    return
            for message in batch:
                self._send(message)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=_BETWEEN_SECONDS)

    def _send(self, message: Message) -> None:
        task, queue = str(message.task), str(message.queue)
        try:
            with self._app.producer_or_acquire() as producer:
                if producer.channel.queue_declare(queue).message_count < _ENOUGH:
                    self._app.send_task(task, queue=queue, retry=False, expires=60, producer=producer)
        except Exception as error:  # noqa: BLE001 - the thread's edge: it must outlive whatever a broker does
            # Upkeep wakes the workers as soon as the broker is back.
            log.warning("wake_up.not_sent", task=str(message.task), error=str(error))
