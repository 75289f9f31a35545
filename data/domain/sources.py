"""Sources: the ways to say what a job takes in, and the one rule, for jobs and manifests alike, of which are taken.

What is checked here is what the text alone tells; ingest has the last word, because it sees the disk of its own machine
and the addresses that names resolve to.
"""

from enum import StrEnum
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from data.domain.errors import Fact, SourceForbiddenError, SourceInvalidError
from data.domain.model import DomainModel

UPLOAD_SCHEME = "upload:"
"""Begins a source that was handed to the API before; the upload's id follows."""
S3_SCHEME = "s3://"
MAX_SOURCE_CHARACTERS = 4096
_FACTS: dict[str, Fact] = {"field": "source"}


class SourceKind(StrEnum):
    """Where a source lies."""

    LOCAL = "local"
    UPLOAD = "upload"
    WEB = "web"
    S3 = "s3"


class SourceRules(DomainModel):
    """Which sources are taken."""

    allowed_roots: tuple[Path, ...] = ()
    """Folders that local sources may lie in."""
    allow_http: bool = False
    s3_buckets: tuple[str, ...] = ()
    """Buckets that ``s3://`` sources may lie in."""

    def check(self, source: str) -> SourceKind:
        """Say where a source lies, if sources of its kind are taken from there.

        Raises:
            SourceForbiddenError: It lies where sources may not come from.
            SourceInvalidError: It is of no kind that is taken.
        """
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise SourceInvalidError(f"A source has at most {MAX_SOURCE_CHARACTERS} characters.", _FACTS)
        kind = _kind(source)
        if kind is SourceKind.LOCAL:
            self._check_path(source)
        elif kind is SourceKind.S3:
            self._check_bucket(source)
        elif kind is SourceKind.WEB:
            self._check_address(source)
        return kind

    def _check_path(self, source: str) -> None:
        if not source.isprintable() or ("/.." in source and ".." in Path(source).parts):
            raise SourceForbiddenError("A path may not contain `..` or control characters.", _FACTS)
        if any(source.startswith(f"{root}/") for root in self.allowed_roots):
            return
        real = Path(source).resolve()  # asks the disk, where the text does not tell: a root may be reached by a link
        if not any(real.is_relative_to(root.resolve()) for root in self.allowed_roots):
            raise SourceForbiddenError(
                "The source lies outside the allowed roots (setting DAILIES_INGEST__ALLOWED_ROOTS).", _FACTS
            )

    def _check_bucket(self, source: str) -> None:
        bucket, key = s3_place(source)
        if not bucket or not key or key.endswith("/") or not source.isprintable():
            raise SourceInvalidError("A source in S3 is `s3://bucket/key`, the key of one object.", _FACTS)
        if bucket not in self.s3_buckets:
            raise SourceForbiddenError(
                f"Sources are not taken from the bucket {bucket} (setting DAILIES_INGEST__S3_BUCKETS).",
                {**_FACTS, "bucket": bucket},
            )

    def _check_address(self, source: str) -> None:
        try:
            parts = urlsplit(source)
            host = parts.hostname
        except ValueError as error:
            raise SourceInvalidError(f"The source is no address: {error}", _FACTS) from error
        schemes = ("https", "http") if self.allow_http else ("https",)
        if parts.scheme not in schemes or not host or not source.isprintable() or " " in source:
            raise SourceInvalidError(
                "A source is an absolute path, `upload:<id>`, an `https://` address or `s3://bucket/key`.", _FACTS
            )
        if parts.username or parts.password:
            # It would end up in logs and in Prefect's database.
            raise SourceInvalidError("The address may not carry a user name or password.", _FACTS)


def s3_place(source: str) -> tuple[str, str]:
    """Return the bucket and the key of an ``s3://`` source; either may be empty."""
    bucket, _, key = source.removeprefix(S3_SCHEME).partition("/")
    return bucket, key


def file_name(source: str) -> str:
    """Return the name of the file that a source points at.

    Empty where the source alone does not tell: an upload's name is in the catalogue, an address may have no path.

    Args:
        source: An absolute path, ``upload:<id>``, an ``https://`` address, or ``s3://bucket/key``.
    """
    kind = _kind(source)
    if kind is SourceKind.LOCAL:
        return PurePosixPath(source).name
    if kind is SourceKind.S3:
        return PurePosixPath(s3_place(source)[1]).name
    if kind is SourceKind.UPLOAD:
        return ""
    try:
        return PurePosixPath(urlsplit(source).path).name
    except ValueError:  # not an address either: ingest says so, in better words
        return ""


def _kind(source: str) -> SourceKind:
    """What a source is by how it begins; whether it is one at all is for the check to say."""
    if source.startswith("/"):
        return SourceKind.LOCAL
    if source.startswith(UPLOAD_SCHEME):
        return SourceKind.UPLOAD
    return SourceKind.S3 if source.startswith(S3_SCHEME) else SourceKind.WEB
