"""The states of a delivery, and what an endpoint may be disabled for."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"  # for its time: at once, or that of its next attempt
    SENDING = "sending"  # by a process that answers for it, for some seconds
    DELIVERED = "delivered"  # the receiver said 2xx
    FAILED = "failed"  # it was tried as often as it may be, or its endpoint was disabled
    SUPERSEDED = "superseded"  # news of progress that came too late to be news


OPEN = (DeliveryState.WAITING, DeliveryState.SENDING)


class Disabled(StrEnum):
    """Why an endpoint is sent nothing."""

    OWNER = "owner"  # its owner said so
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing but failures for five days
