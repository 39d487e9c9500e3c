"""The error tree. A class says what went wrong; `retryable` says whether trying again can help, and `fatal`
that the process can only end.

GeneQueueError
├── InvalidInput                 what a user sent cannot be used as it is
│   ├── QueryRejected            a query with one or more faults, all of them listed
│   │   └── EndpointRejected     a webhook endpoint with faults, likewise
│   ├── BodyTooLarge             a request body over the limit
│   ├── IdempotencyKeyReused     a key that came with another query before
│   └── DestinationRefused       a URL or an address that webhooks do not go to
├── AccessDenied
│   ├── KeyRejected              no API key, an unknown one, or a revoked one
│   ├── LinkRejected             a download link that is expired or altered
│   └── SignatureRejected        a webhook that was altered, is old, or comes from somebody else
├── NotFound
│   ├── ModelNotFound
│   ├── FieldNotFound            a vocabulary field that the model does not have
│   ├── JobNotFound
│   ├── EndpointNotFound
│   └── DeliveryNotFound
├── Conflict
│   ├── IllegalTransition        a move that the table of legal moves does not have
│   ├── LeaseLost                the fencing token is no longer the current one
│   ├── ModelUnusable            a model that was added and cannot be served, with the reason
│   ├── IdempotencyKeyInUse      the first query with this key is not saved yet
│   ├── ResultNotReady           a result asked for before the job is ready, or of one that failed
│   ├── NothingToRetry           a job none of whose inputs failed
│   ├── EndpointsFull            a workspace that has as many webhook endpoints as it may
│   ├── EndpointUnfit            an endpoint that is disabled, deleted or not registered
│   └── DeliveryUnderWay         a delivery that is sent at this moment
├── ResultGone                   a result that was there, and was deleted
├── CheckpointError
│   ├── CheckpointMissing
│   └── CheckpointCorrupt        a digest or a schema version that does not match
├── GenerationError              a model's output that is not a valid result
├── OutOfMemory                  a batch that is too large for this worker's memory
├── DeviceLost (fatal)           a device that computes nothing any more in this process
├── DeviceDiffers                a device that gives other bits than those of its kind
├── JobFailed                    a job that ended without a result while its caller waited
├── ResultLate                   a job whose caller waited as long as it may; the job goes on
├── ResultDamaged                a stored part that is missing or is not what was stored
├── InputDamaged                 stored counts of a query that are missing or are not what was stored
├── WorkspaceFull (retryable)    a workspace that has as much open work as it may
├── SealBroken                   a stored secret that this service cannot open any more
├── SetupError                   this machine or its configuration cannot run what was asked
└── Unavailable (retryable)      a server that does not answer
    ├── DatabaseUnavailable
    ├── OutcomeUnknown           something that may have been saved, or not
    ├── ServiceFull              as much open work as all workspaces together may have
    ├── StorageUnavailable
    └── BrokerUnavailable
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where it stands and what to do about it."""

    path: str
    message: str


class GeneQueueError(Exception):
    """Root of everything that GeneQueue raises on purpose; its text is fit for a user."""

    retryable = False
    fatal = False


class InvalidInput(GeneQueueError):
    """What a user sent cannot be used; `faults` names every reason."""

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults or (Fault("", message),)


class QueryRejected(InvalidInput):
    """A query with faults: its text counts them and repeats the first."""

    what = "query"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = faults[0]
        where = f"{first.path}: " if first.path else ""
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"The {self.what} was rejected. {where}{first.message}{more}", faults)


class EndpointRejected(QueryRejected):
    """A webhook endpoint with faults, told as a query's are."""

    what = "webhook endpoint"


class BodyTooLarge(InvalidInput):
    """A request body over the limit."""


class IdempotencyKeyReused(InvalidInput):
    """An Idempotency-Key that came with another query before."""


class DestinationRefused(InvalidInput):
    """A URL or an address that webhooks do not go to."""


class AccessDenied(GeneQueueError):
    """The caller may not do this."""


class KeyRejected(AccessDenied):
    """No API key, an unknown one, or a revoked one."""


class LinkRejected(AccessDenied):
    """A download link that is expired or altered."""


class SignatureRejected(AccessDenied):
    """A webhook that was altered, is old, or was signed by somebody else."""


class NotFound(GeneQueueError):
    """There is no such thing, or not for this workspace."""


class ModelNotFound(NotFound):
    """No model of that id is in the catalog."""


class FieldNotFound(NotFound):
    """The model's vocabulary has no field of that name."""


class JobNotFound(NotFound):
    """No job of that id is in this workspace."""


class EndpointNotFound(NotFound):
    """No webhook endpoint of that id is in this workspace."""


class DeliveryNotFound(NotFound):
    """No webhook delivery of that id is in this workspace."""


class Conflict(GeneQueueError):
    """The thing exists, and its state forbids this."""


class IllegalTransition(Conflict):
    """A move that the table of legal moves does not have."""


class LeaseLost(Conflict):
    """The fencing token is no longer the current one: somebody else owns the chunk now."""


class ModelUnusable(Conflict):
    """A model that was added, and that this process cannot serve; the text says why."""


class IdempotencyKeyInUse(Conflict):
    """The first query with this Idempotency-Key is being saved."""


class ResultNotReady(Conflict):
    """A result asked for before the job is ready, or of a job that failed."""


class NothingToRetry(Conflict):
    """None of the job's inputs failed, or it is not over yet."""


class EndpointsFull(Conflict):
    """The workspace has as many webhook endpoints as it may."""


class EndpointUnfit(Conflict):
    """The webhook endpoint is disabled, deleted or not registered, so that this is not possible with it."""


class DeliveryUnderWay(Conflict):
    """The delivery is sent at this moment."""


class ResultGone(GeneQueueError):
    """A result that was deleted: after its time, or at its owner's wish."""


class CheckpointError(GeneQueueError):
    """A model directory that cannot be served."""


class CheckpointMissing(CheckpointError):
    """A file that a model directory must have is not there."""


class CheckpointCorrupt(CheckpointError):
    """A digest or a schema version that does not match the manifest."""


class GenerationError(GeneQueueError):
    """A model's output that is not a valid result: wrong shape, not finite, negative."""


class OutOfMemory(GeneQueueError):
    """A batch that does not fit the memory of this worker; a smaller one may."""


class DeviceLost(GeneQueueError):
    """A device that failed in a way that lasts as long as the process."""

    fatal = True


class DeviceDiffers(GeneQueueError):
    """A device that gives other bits than the others of its kind; the text says what to do."""


class JobFailed(GeneQueueError):
    """A job that ended without a result while its caller waited for it."""


class ResultLate(GeneQueueError):
    """A job whose caller waited as long as a caller may; the job itself goes on."""


class ResultDamaged(GeneQueueError):
    """A stored part that is missing, or is not what was stored."""


class InputDamaged(GeneQueueError):
    """The counts that a query brought along are missing from the storage, or are not what was stored."""


class WorkspaceFull(GeneQueueError):
    """The workspace has as much open work as it may."""

    retryable = True


class SealBroken(GeneQueueError):
    """A stored secret that this service cannot open any more."""


class SetupError(GeneQueueError):
    """This machine or its configuration cannot run what was asked; the text holds the remedy."""


class Unavailable(GeneQueueError):
    """A server that does not answer now."""

    retryable = True


class DatabaseUnavailable(Unavailable):
    """Postgres does not answer."""


class OutcomeUnknown(Unavailable):
    """Postgres went away while something was being saved: it may be there or not."""


class ServiceFull(Unavailable):
    """All workspaces together have as much open work as they may."""


class StorageUnavailable(Unavailable):
    """The object storage does not answer."""


class BrokerUnavailable(Unavailable):
    """Redis or Valkey does not answer."""
