"""The error tree. A class says what went wrong; `retryable` says whether trying again can help, and `fatal`
that the process can only end.

GeneQueueError
├── InvalidInput                 what a user sent cannot be used as it is
│   ├── QueryRejected            a query with one or more faults, all of them listed
│   │   ├── RowsRejected         a large query, of whose faults the first are listed and all are stored
│   │   ├── EndpointRejected     a webhook endpoint with faults, likewise
│   │   └── ComparisonRejected   two groups to compare with faults, likewise
│   ├── BodyTooLarge             a request body over the limit
│   ├── MediaTypeRefused         a body of a kind that is not read there
│   ├── RangeUnsatisfiable       a range that lies beyond the end of the file
│   ├── ProtocolRefused          a version of the upload protocol that is not spoken here
│   ├── ChecksumMismatch         bytes of an upload that are not those that were announced
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
│   ├── DeliveryNotFound
│   ├── UploadNotFound
│   └── StoredFileNotFound       a part, a report or an artifact that is not there, or not any more
├── Conflict
│   ├── IllegalTransition        a move that the table of legal moves does not have
│   ├── LeaseLost                the fencing token is no longer the current one
│   ├── ModelUnusable            a model that was added and cannot be served, with the reason
│   ├── IdempotencyKeyInUse      the first query with this key is not saved yet
│   ├── ResultNotReady           a result asked for before the job is ready, or of one that failed
│   ├── ArtifactFailed           a file of a result that could not be made, with the reason
│   ├── NothingToRetry           a job none of whose inputs failed
│   ├── NotReproducible          a job without a result, or whose inputs are gone
│   ├── EndpointsFull            a workspace that has as many webhook endpoints as it may
│   ├── EndpointUnfit            an endpoint that is disabled, deleted or not registered
│   ├── DeliveryUnderWay         a delivery that is sent at this moment
│   └── UploadElsewhere          bytes of an upload that do not begin where the last ones ended
├── ResultGone                   a result that was there, and was deleted
├── UploadGone                   an upload that nobody went on with in time
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
│   └── UploadsFull              or as many uploads, or bytes of them
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
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where it stands and what to do about it.

    Of a large request also the line, from 1, and the JSON Pointer (RFC 6901) within the row.
    """

    path: str
    message: str
    line: int | None = None
    pointer: str | None = None

    @property
    def place(self) -> str:
        """Where to look for it: the line of what was sent, if it has lines, and the path."""
        return self.path if self.line is None else f"line {self.line}, {self.path}"


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
        where = f"{first.place}: " if first.path else ""
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"The {self.what} was rejected. {where}{first.message}{more}", faults)


class RowsRejected(QueryRejected):
    """A large query with rows at fault, the first of them listed; a stored report has all of them."""

    def __init__(self, faults: tuple[Fault, ...], rows: int, report: UUID) -> None:
        super().__init__(faults)
        self.rows, self.report = rows, report


class EndpointRejected(QueryRejected):
    """A webhook endpoint with faults, told as a query's are."""

    what = "webhook endpoint"


class ComparisonRejected(QueryRejected):
    """Two groups to compare with faults, told as a query's are."""

    what = "comparison"


class BodyTooLarge(InvalidInput):
    """A request body over the limit."""


class MediaTypeRefused(InvalidInput):
    """A body of a kind that is not read there; the text says which are."""


class RangeUnsatisfiable(InvalidInput):
    """A range of bytes that begins beyond the end of the file."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class ProtocolRefused(InvalidInput):
    """A version of the upload protocol that is not spoken here."""


class ChecksumMismatch(InvalidInput):
    """Bytes of an upload that are not those that were announced; none of them was kept."""


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


class UploadNotFound(NotFound):
    """No upload of that id is in this workspace."""


class StoredFileNotFound(NotFound):
    """A part, a report or an artifact that is not there, or not any more."""


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


class ArtifactFailed(Conflict):
    """A file that was asked for of a result could not be made; the text says why."""


class NothingToRetry(Conflict):
    """None of the job's inputs failed, or it is not over yet."""


class NotReproducible(Conflict):
    """The job has no result to compare with, or its inputs are not there any more."""


class EndpointsFull(Conflict):
    """The workspace has as many webhook endpoints as it may."""


class EndpointUnfit(Conflict):
    """The webhook endpoint is disabled, deleted or not registered, so that this is not possible with it."""


class DeliveryUnderWay(Conflict):
    """The delivery is sent at this moment."""


class UploadElsewhere(Conflict):
    """Bytes of an upload that do not begin where the last ones ended, or its end is not reached."""


class ResultGone(GeneQueueError):
    """A result that was deleted: after its time, or at its owner's wish."""


class UploadGone(GeneQueueError):
    """An upload that nobody went on with in time."""


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


class UploadsFull(WorkspaceFull):
    """The workspace keeps as many uploads as it may, or as many bytes of them."""


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
