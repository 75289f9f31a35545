"""The one error tree. Each class says its dotted code, its failure class, whether a retry helps, and its HTTP status.

    DailiesError
    ├── DataError                 DATA        the input is at fault: never retried, never trips a breaker
    │   ├── NotMediaError · CorruptInputError · TruncatedInputError · UnsupportedInputError
    │   ├── InputTooLargeError · InputTooLongError · UpscaleTooSlowError · VoiceOverTooLongError
    │   ├── EditImpossibleError   an operation does not fit this source
    │   ├── SourceNotFoundError · SourceForbiddenError · SourceInvalidError
    │   ├── AddressForbiddenError     we connect to no such address for others
    │   ├── RecipeInvalidError · RecipeUnknownError · RecipeForBatchesError
    │   ├── TargetForbiddenError · TargetTakenError   nothing is put there
    │   ├── BatchNotConfiguredError   there is nothing that a batch could be made of
    │   ├── BatchOwnerError       whose a batch is to be has no account, or may not hand in work
    │   ├── ManifestError         a batch manifest, or rows of it
    │   │   ├── ManifestEmptyError · ManifestFormatError · ManifestEncodingError · ManifestCorruptError
    │   │   ├── ManifestColumnsError · ManifestColumnUnknownError
    │   │   ├── ManifestRowMalformedError · ManifestValueError · ManifestInputError
    │   │   └── ManifestDuplicateError
    │   ├── EncodeFailedError     the encoder refused or failed on this input
    │   ├── OutputRefusedError    the publish gate found the candidate unfit
    │   └── CredentialsMissingError · CredentialsChangedError   a file does not say where it came from, or not truly
    ├── TransientError            TRANSIENT   the same call may go through later
    │   ├── SourceUnavailableError · StoreUnavailableError · PublicationConflictError
    │   ├── TargetUnavailableError    a publish target did not take its copy; the publication itself stands
    │   ├── AddressUnknownError   the name of a host does not resolve
    │   ├── DownloadFailedError   a registry or hub did not give a pinned file, or a provider its result
    │   └── GenerationInFlightError   another process is at it
    ├── InfrastructureError       INFRA       the machine is at fault: does not count against the item
    │   ├── EncoderKilledError · EncoderStalledError · DiskFullError · OrchestratorUnavailableError
    │   ├── CatalogueUnavailableError · ProcessLostError · StepStalledError
    │   ├── ToolMissingError · ModelMissingError · ObjectMissingError · EngineMissingError   (a retry does not help)
    │   ├── TargetRefusedError    a publish target lets us do nothing (a retry does not help)
    │   ├── SigningMisconfiguredError   nothing can be signed as it is set (a retry does not help)
    │   ├── SigningFailedError    Content Credentials were not written, or do not hold
    │   ├── DetectorInvalidError  an ONNX file of the user's is no detector that can be read (a retry does not help)
    │   └── TimeLimitError        the time limit of a tool or a job was reached (a retry does not help)
    ├── ProviderError             PROVIDER    a provider of generations is at fault
    │   ├── ProviderMisconfiguredError   its settings make no sense (a retry does not help)
    │   ├── ProviderUnavailableError · ProviderBusyError   nothing was accepted: another may be asked
    │   ├── GenerationRejectedError · GenerationFailedError   definite: this provider will not make it
    │   ├── GenerationTimeoutError    accepted, and not made in time
    │   ├── AnswerLostError       nobody knows whether it was accepted
    │   ├── GenerationHeldError   … and nobody can find out: a person decides (a retry does not help)
    │   └── NoProviderError       no provider can do this
    ├── GenerationRefusedError    POLICY      a provider's policy forbids it
    ├── ReviewRejectedError       POLICY      a person does not want this very content public
    ├── BudgetSpentError          BUDGET      a cap on paid work is reached
    ├── CancelledByRequestError   CANCELLED
    └── RequestError              DATA        an API call that cannot be carried out
        ├── NotFoundError · IllegalMoveError · InvalidRequestError
        ├── AnalysisExpiredError  its files were cleared away: it can be made again
        ├── IdempotencyMismatchError · IdempotencyInFlightError · NameTakenError · TooManyWebhooksError
        ├── StreamsBusyError · PreconditionFailedError
        ├── UploadUnsupportedError · UploadIncompleteError · UploadPartsUnavailableError
        ├── AuthenticationError   nobody knows who is calling
        │   ├── AuthenticationRequiredError · CredentialsInvalidError · UserDisabledError
        │   └── TokenInvalidError · TokenExpiredError · TokenRevokedError
        ├── SignUpClosedError
        ├── GrantRefusedError     a login that is not to be (OAuth2 says why in a word of its own)
        ├── ScopeMissingError     the caller is known, and may not do that
        ├── HostNotAllowedError · EncodedBodyError · RequestTooSlowError
        └── RateLimitedError · QuotaSpentError

Every argument goes to ``super().__init__`` so that an error survives pickling between processes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

Fact = str | int | float | bool | None | list[str]


class FailureClass(StrEnum):
    """Who or what a failure is blamed on; decides retries, budgets and breakers."""

    DATA = "DATA"
    TRANSIENT = "TRANSIENT"
    PROVIDER = "PROVIDER"
    POLICY = "POLICY"
    INFRA = "INFRA"
    BUDGET = "BUDGET"
    CANCELLED = "CANCELLED"


class DailiesError(Exception):
    """Base of every error that we raise on purpose.

    Args:
        message: One sentence for a person: what happened and what to do.
        facts: Small values that belong to it (a width, a limit, a path), shown by the API and in reports.
    """

    code: ClassVar[str] = "INFRA.UNKNOWN"
    failure_class: ClassVar[FailureClass] = FailureClass.INFRA
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, facts: Mapping[str, Fact] | None = None) -> None:
        super().__init__(message, dict(facts or {}))

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return str(self.args[0])

    @property
    def facts(self) -> dict[str, Fact]:
        """The small values that belong to the error."""
        return dict(self.args[1])

    def __str__(self) -> str:
        """Code and sentence, as logs and Prefect states show it."""
        return f"[{self.code}] {self.message}"

    def __repr__(self) -> str:
        """Class, code and sentence, as Prefect logs the failure of a task that it will retry."""
        return f"{type(self).__name__}({str(self)!r})"


class DataError(DailiesError):
    """The input is at fault; the same input fails again."""

    code = "DATA.INVALID"
    failure_class = FailureClass.DATA
    http_status = 422


class NotMediaError(DataError):
    """The bytes are not a video that can be read."""

    code = "DATA.INPUT.NOT_MEDIA"


class CorruptInputError(DataError):
    """The container opens but its content cannot be decoded."""

    code = "DATA.INPUT.CORRUPT"


class TruncatedInputError(DataError):
    """The file ends before its own header says it does."""

    code = "DATA.INPUT.TRUNCATED"


class UnsupportedInputError(DataError):
    """Real media of a kind that is not taken: playlists, pictures, sound without a picture."""

    code = "DATA.INPUT.UNSUPPORTED"


class InputTooLargeError(DataError):
    """More bytes or pixels than the limits allow."""

    code = "DATA.INPUT.TOO_LARGE"
    http_status = 413


class InputTooLongError(DataError):
    """Longer than the limits allow."""

    code = "DATA.INPUT.TOO_LONG"


class UpscaleTooSlowError(DataError):
    """Upscaling so many pixels would take longer than the recipe allows."""

    code = "DATA.INPUT.UPSCALE_TOO_SLOW"


class EditImpossibleError(DataError):
    """An operation of a recipe does not fit this source; the facts name the numbers."""

    code = "DATA.INPUT.EDIT_IMPOSSIBLE"


class SourceNotFoundError(DataError):
    """There is nothing at the given path, upload or address."""

    code = "DATA.SOURCE.NOT_FOUND"


class SourceForbiddenError(DataError):
    """The source lies outside the allowed roots, or at a private address."""

    code = "DATA.SOURCE.FORBIDDEN"


class SourceInvalidError(DataError):
    """What is given as a source is of no kind that is taken."""

    code = "DATA.SOURCE.INVALID"


class AddressForbiddenError(DataError):
    """The address is not one of the public web, so nothing connects to it for others."""

    code = "DATA.ADDRESS.FORBIDDEN"


class VoiceOverTooLongError(DataError):
    """The video ends before the text that is to be read over it."""

    code = "DATA.INPUT.VOICE_OVER_TOO_LONG"


class RecipeInvalidError(DataError):
    """A recipe or an override of it does not validate."""

    code = "DATA.RECIPE.INVALID"


class RecipeUnknownError(DataError):
    """No recipe has that name."""

    code = "DATA.RECIPE.UNKNOWN"


class RecipeForBatchesError(DataError):
    """The recipe does no media work: it rehearses a batch and makes nothing of a single asset."""

    code = "DATA.RECIPE.FOR_BATCHES"


class TargetForbiddenError(DataError):
    """A recipe names a publish target that the settings do not allow."""

    code = "DATA.TARGET.FORBIDDEN"


class TargetTakenError(DataError):
    """The folder that an asset is to have at a publish target is another's."""

    code = "DATA.TARGET.TAKEN"


class ManifestError(DataError):
    """A batch manifest cannot be taken as it is."""

    code = "DATA.MANIFEST.INVALID"


class ManifestEmptyError(ManifestError):
    """The manifest has no rows."""

    code = "DATA.MANIFEST.EMPTY"


class ManifestFormatError(ManifestError):
    """The file is neither CSV, JSONL nor Parquet, or not what its name says."""

    code = "DATA.MANIFEST.FORMAT"


class ManifestEncodingError(ManifestError):
    """The text of the manifest is not UTF-8."""

    code = "DATA.MANIFEST.ENCODING"


class ManifestCorruptError(ManifestError):
    """The manifest breaks off, or its quotes do not match."""

    code = "DATA.MANIFEST.CORRUPT"


class ManifestColumnsError(ManifestError):
    """Columns are missing, without a name, or there twice."""

    code = "DATA.MANIFEST.COLUMNS"


class ManifestColumnUnknownError(ManifestError):
    """The manifest has a column that means nothing."""

    code = "DATA.MANIFEST.COLUMN_UNKNOWN"


class ManifestRowMalformedError(ManifestError):
    """A row has more or fewer cells than there are columns, or is not a JSON object."""

    code = "DATA.MANIFEST.ROW_MALFORMED"


class ManifestValueError(ManifestError):
    """A cell holds a value that its column does not take."""

    code = "DATA.MANIFEST.VALUE"


class ManifestInputError(ManifestError):
    """A row needs either a `source`, or a `prompt` or `script`."""

    code = "DATA.MANIFEST.INPUT"


class ManifestDuplicateError(ManifestError):
    """Another row of the manifest has the same `custom_id`."""

    code = "DATA.MANIFEST.DUPLICATE_ID"


class BatchNotConfiguredError(DataError):
    """A batch was to be made of what the settings name, and they name nothing."""

    code = "DATA.BATCH.NOT_CONFIGURED"


class BatchOwnerError(DataError):
    """The account that a batch is to belong to does not exist, is disabled, or may not hand in work."""

    code = "DATA.BATCH.OWNER"


class EncodeFailedError(DataError):
    """The encoder ended with an error of its own on this input."""

    code = "DATA.ENCODE.FAILED"


class OutputRefusedError(DataError):
    """The publish gate found the candidate unfit; the last publication stays as it was."""

    code = "DATA.OUTPUT.REFUSED"


class CredentialsMissingError(DataError):
    """A file carries no Content Credentials, or none that can be read."""

    code = "DATA.CREDENTIALS.MISSING"


class CredentialsChangedError(DataError):
    """The bytes of a file, or its Content Credentials, are not those that were signed."""

    code = "DATA.CREDENTIALS.CHANGED"


class TransientError(DailiesError):
    """The same call may go through later."""

    code = "TRANSIENT.UNKNOWN"
    failure_class = FailureClass.TRANSIENT
    retryable = True
    http_status = 503


class SourceUnavailableError(TransientError):
    """The host of the source did not answer, or answered with an error of its own."""

    code = "TRANSIENT.SOURCE.UNAVAILABLE"


class AddressUnknownError(TransientError):
    """The name of a host does not resolve."""

    code = "TRANSIENT.ADDRESS.UNKNOWN"


class StoreUnavailableError(TransientError):
    """The object store did not take or give the bytes."""

    code = "TRANSIENT.STORE.UNAVAILABLE"


class TargetUnavailableError(TransientError):
    """A publish target did not take its copy, or give it back; the publication itself stands."""

    code = "TRANSIENT.TARGET.UNAVAILABLE"


class PublicationConflictError(TransientError):
    """Somebody else published the same asset in between."""

    code = "TRANSIENT.PUBLICATION.CONFLICT"
    http_status = 409


class DownloadFailedError(TransientError):
    """A package registry, a model hub or a provider did not give a file, or gave other bytes."""

    code = "TRANSIENT.DOWNLOAD.FAILED"


class GenerationInFlightError(TransientError):
    """Another process works on the same generation, or has taken it over."""

    code = "TRANSIENT.GENERATION.IN_FLIGHT"
    http_status = 409


class InfrastructureError(DailiesError):
    """The machine or a service of ours is at fault; does not count against the item."""

    code = "INFRA.UNKNOWN"
    failure_class = FailureClass.INFRA
    retryable = True
    http_status = 503


class EncoderKilledError(InfrastructureError):
    """A signal ended the encoder (out of memory, an operator, a shutdown)."""

    code = "INFRA.ENCODER.KILLED"


class EncoderStalledError(InfrastructureError):
    """The encoder made no progress for longer than the stall limit and was ended."""

    code = "INFRA.ENCODER.STALLED"


class StepStalledError(InfrastructureError):
    """Nothing at all happened in a step for longer than the stall limit; it was ended."""

    code = "INFRA.STEP.STALLED"


class DiskFullError(InfrastructureError):
    """No space is left for scratch files or objects."""

    code = "INFRA.DISK.FULL"


class OrchestratorUnavailableError(InfrastructureError):
    """The Prefect API did not answer."""

    code = "INFRA.PREFECT.UNAVAILABLE"


class CatalogueUnavailableError(InfrastructureError):
    """The catalogue database did not answer."""

    code = "INFRA.CATALOGUE.UNAVAILABLE"


class ProcessLostError(InfrastructureError):
    """The process of a run is gone without having said how the run ended."""

    code = "INFRA.PROCESS.LOST"


class ToolMissingError(InfrastructureError):
    """No usable ffmpeg, ffprobe or packager was found."""

    code = "INFRA.TOOL.MISSING"
    retryable = False


class TargetRefusedError(InfrastructureError):
    """A publish target does not let us write: its bucket, its permissions or our keys are to be put right first."""

    code = "INFRA.TARGET.REFUSED"
    retryable = False


class SigningMisconfiguredError(InfrastructureError):
    """The certificate or the key that publications are to be signed with cannot be used."""

    code = "INFRA.SIGNING.MISCONFIGURED"
    retryable = False


class SigningFailedError(InfrastructureError):
    """Content Credentials could not be written, or what was written does not hold."""

    code = "INFRA.SIGNING.FAILED"


class ModelMissingError(InfrastructureError):
    """The weights of a model are not in the model store."""

    code = "INFRA.MODEL.MISSING"
    retryable = False


class DetectorInvalidError(InfrastructureError):
    """An ONNX file of the user's is damaged, or no detector of a layout that is known; the facts name its shapes."""

    code = "INFRA.DETECTOR.INVALID"
    retryable = False


class EngineMissingError(InfrastructureError):
    """What an engine of generations needs is not installed on this machine."""

    code = "INFRA.ENGINE.MISSING"
    retryable = False


class ObjectMissingError(InfrastructureError):
    """An object that a record points at is not in the store."""

    code = "INFRA.STORE.OBJECT_MISSING"
    retryable = False


class TimeLimitError(InfrastructureError):
    """The time limit of a tool or of a whole job was reached."""

    code = "INFRA.TIME_LIMIT"
    retryable = False
    http_status = 504


class ProviderError(DailiesError):
    """A provider of generations is at fault."""

    code = "PROVIDER.UNKNOWN"
    failure_class = FailureClass.PROVIDER
    http_status = 502


class ProviderMisconfiguredError(ProviderError):
    """The settings of a provider make no sense: an address, an option, a workflow file."""

    code = "PROVIDER.MISCONFIGURED"


class ProviderUnavailableError(ProviderError):
    """The provider cannot be reached or says that it is out of order; a request was not accepted."""

    code = "PROVIDER.UNAVAILABLE"
    retryable = True


class ProviderBusyError(ProviderError):
    """The provider asks for patience; ``facts["retry_after_seconds"]`` says how much, where it is known."""

    code = "PROVIDER.BUSY"
    retryable = True
    http_status = 503


class GenerationRejectedError(ProviderError):
    """The provider does not take this request: a parameter, a size or a length is none of its own."""

    code = "PROVIDER.GENERATION.REJECTED"


class GenerationFailedError(ProviderError):
    """The provider accepted the request and then failed for good."""

    code = "PROVIDER.GENERATION.FAILED"


class GenerationTimeoutError(ProviderError):
    """The provider accepted the request and did not finish it in time; it was asked to stop."""

    code = "PROVIDER.GENERATION.TIMEOUT"


class AnswerLostError(ProviderError):
    """Nobody knows whether the provider accepted the request: its answer was lost or makes no sense."""

    code = "PROVIDER.ANSWER_LOST"


class GenerationHeldError(ProviderError):
    """Whether the provider accepted the request cannot be found out: a person decides, it is not sent again."""

    code = "PROVIDER.GENERATION.HELD"
    http_status = 409


class NoProviderError(ProviderError):
    """No provider can do what is asked for; one that could and is out of order is a ProviderUnavailableError."""

    code = "PROVIDER.NONE"
    http_status = 503


class GenerationRefusedError(DailiesError):
    """The policy of a provider forbids the request or its result; no other provider is asked."""

    code = "POLICY.GENERATION.REFUSED"
    failure_class = FailureClass.POLICY
    http_status = 422


class ReviewRejectedError(DailiesError):
    """A person has looked at this very content and does not want it public."""

    code = "POLICY.REVIEW.REJECTED"
    failure_class = FailureClass.POLICY
    http_status = 409


class BudgetSpentError(DailiesError):
    """A cap on paid generations is reached; no new one is started."""

    code = "BUDGET.SPENT"
    failure_class = FailureClass.BUDGET
    http_status = 402


class CancelledByRequestError(DailiesError):
    """A person or a policy asked for the work to stop."""

    code = "CANCELLED.BY_REQUEST"
    failure_class = FailureClass.CANCELLED
    http_status = 409


class RequestError(DailiesError):
    """An API call that cannot be carried out as it was made."""

    code = "REQUEST.INVALID"
    failure_class = FailureClass.DATA
    http_status = 400


class InvalidRequestError(RequestError):
    """A field or a parameter of the call has a value that is not taken."""

    code = "REQUEST.INVALID"
    http_status = 422


class NotFoundError(RequestError):
    """There is no such job, asset or file."""

    code = "REQUEST.NOT_FOUND"
    http_status = 404


class AnalysisExpiredError(RequestError):
    """There was such an analysis; its files were cleared away since nobody asked for them. It can be made again."""

    code = "REQUEST.ANALYSIS_EXPIRED"
    http_status = 410


class IllegalMoveError(RequestError):
    """The job's state does not allow the move; ``facts["allowed"]`` lists those it does."""

    code = "REQUEST.ILLEGAL_MOVE"
    http_status = 409


class NameTakenError(RequestError):
    """There is something of that name already."""

    code = "REQUEST.NAME_TAKEN"
    http_status = 409


class TooManyWebhooksError(RequestError):
    """The caller has as many webhooks as there may be; ``facts["most"]`` says how many that are."""

    code = "REQUEST.TOO_MANY_WEBHOOKS"
    http_status = 409


class AuthenticationError(RequestError):
    """Who makes the call is not known."""

    code = "AUTH.FAILED"
    http_status = 401


class AuthenticationRequiredError(AuthenticationError):
    """The call says nothing of who makes it."""

    code = "AUTH.REQUIRED"


class CredentialsInvalidError(AuthenticationError):
    """Name and password, or the API key, are not right."""

    code = "AUTH.CREDENTIALS.INVALID"


class UserDisabledError(AuthenticationError):
    """The user has been disabled."""

    code = "AUTH.USER.DISABLED"


class TokenInvalidError(AuthenticationError):
    """The token is not one that we gave."""

    code = "AUTH.TOKEN.INVALID"


class TokenExpiredError(AuthenticationError):
    """The token or key has expired."""

    code = "AUTH.TOKEN.EXPIRED"


class TokenRevokedError(AuthenticationError):
    """The token or key was revoked."""

    code = "AUTH.TOKEN.REVOKED"


class SignUpClosedError(RequestError):
    """People do not sign up here."""

    code = "AUTH.SIGN_UP.CLOSED"
    http_status = 403


class GrantRefusedError(RequestError):
    """No token is given for that."""

    code = "AUTH.GRANT.REFUSED"
    http_status = 400


class ScopeMissingError(RequestError):
    """The caller is known, and may not do that."""

    code = "AUTH.SCOPE.MISSING"
    http_status = 403


class StreamsBusyError(RequestError):
    """As many streams are open as may be; poll instead, or come back later."""

    code = "REQUEST.STREAMS.BUSY"
    http_status = 503


class PreconditionFailedError(RequestError):
    """It is not any more what the caller has seen (`If-Match`)."""

    code = "REQUEST.PRECONDITION_FAILED"
    http_status = 412


class UploadUnsupportedError(RequestError):
    """The content of the file is of a kind that is not taken."""

    code = "REQUEST.UPLOAD.UNSUPPORTED"
    http_status = 415


class UploadIncompleteError(RequestError):
    """The parts of an upload are not there, or are others than was said."""

    code = "REQUEST.UPLOAD.INCOMPLETE"
    http_status = 409


class UploadPartsUnavailableError(RequestError):
    """There is no server to send the parts of an upload to; `POST /uploads` takes the file whole."""

    code = "REQUEST.UPLOAD.NO_PARTS"
    http_status = 409


class HostNotAllowedError(RequestError):
    """The call names a host under which the API does not answer."""

    code = "REQUEST.HOST"
    http_status = 421


class EncodedBodyError(RequestError):
    """The body is compressed; bodies are taken as they are."""

    code = "REQUEST.BODY.ENCODED"
    http_status = 415


class RequestTooSlowError(RequestError):
    """The body of the call did not arrive in time."""

    code = "REQUEST.BODY.TOO_SLOW"
    http_status = 408


class RateLimitedError(RequestError):
    """The caller asks more often than is allowed; ``facts["retry_after_seconds"]`` says when to try again."""

    code = "REQUEST.RATE_LIMITED"
    http_status = 429


class QuotaSpentError(RateLimitedError):
    """The caller has uploaded as much as is allowed in a day, or uploads too many files at once."""

    code = "REQUEST.QUOTA_SPENT"


class IdempotencyMismatchError(RequestError):
    """The Idempotency-Key was used before with another body."""

    code = "REQUEST.IDEMPOTENCY.MISMATCH"
    http_status = 422


class IdempotencyInFlightError(RequestError):
    """The first call with this Idempotency-Key is still being carried out."""

    code = "REQUEST.IDEMPOTENCY.IN_FLIGHT"
    http_status = 409


def is_retryable(error: BaseException) -> bool:
    """Say whether the same work may succeed when tried again."""
    if isinstance(error, DailiesError):
        return error.retryable
    return isinstance(error, ConnectionError | TimeoutError)


def error_of_code(code: str | None, message: str) -> DailiesError:
    """Return the error that a dotted code names, as it comes back from another process.

    A code that no class has (a child run that crashed, say) becomes an :class:`InfrastructureError`.
    """
    known = {kind.code: kind for kind in _tree(DailiesError)}
    kind = known.get(code or "", InfrastructureError)
    return kind(message.removeprefix(f"[{code}] "))


def _tree(kind: type[DailiesError]) -> list[type[DailiesError]]:
    """Every class of the tree, parents after their children so that the parent's own code wins."""
    return [*(leaf for child in kind.__subclasses__() for leaf in _tree(child)), kind]
