"""From a request for a job to the parameters of the flow: everything that can be refused early is refused here."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api.dependencies import Services
from api.schemas import JobRequest
from data.domain.errors import (
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    SourceForbiddenError,
    SourceNotFoundError,
)
from data.domain.sources import UPLOAD_SCHEME, file_name
from data.recipes import load_recipe
from data.repositories import UploadRepository, UploadState


@dataclass(frozen=True)
class Submission:
    """A request that was found right."""

    title: str
    """What to call the run: the request's title, else the name of the file that it takes in."""
    parameters: dict[str, Any]
    """Those of ``process_asset``."""


async def checked_submission(request: JobRequest, services: Services) -> Submission:
    """Check a request and return what to submit.

    Raises:
        NotOfferedError: A prompt or script was given.
        RecipeUnknownError: No recipe has that name; the facts list those there are.
        RecipeInvalidError: The overrides do not fit the recipe.
        SourceNotFoundError: There is no such upload.
        SourceForbiddenError: The path lies outside the allowed roots.
        InvalidRequestError: The source is of no kind that is taken.
    """
    if request.prompt is not None or request.script is not None:
        raise NotOfferedError("Video from a prompt or a script comes with a later version; give a `source`.")
    if not request.source:
        raise InvalidRequestError("A job needs a `source`.", {"field": "source"})
    await asyncio.to_thread(_check_recipe, request)
    name = await asyncio.to_thread(_checked_source, request.source, services)
    parameters = {
        "source": request.source,
        "recipe": request.recipe,
        "overrides": request.overrides,
        "title": request.title,
        "metadata": request.metadata,
    }
    return Submission(request.title or name or "video", parameters)


def _check_recipe(request: JobRequest) -> None:
    load_recipe(request.recipe).with_overrides(request.overrides)


def _checked_source(source: str, services: Services) -> str:
    """Refuse a source that ingest would refuse, and return the name of its file."""
    if source.startswith(UPLOAD_SCHEME):
        return _upload_name(source.removeprefix(UPLOAD_SCHEME), services)
    if source.startswith("/"):
        _check_path(source, services.settings.source_roots)
    else:
        _check_address(source, allow_http=services.settings.ingest.allow_private_hosts)
    return file_name(source)


def _upload_name(upload_id: str, services: Services) -> str:
    facts = {"field": "source", "upload_id": upload_id}
    try:
        with services.database.session() as session:
            upload = UploadRepository(session).get(upload_id)
    except NotFoundError as error:
        raise SourceNotFoundError(error.message, facts) from error
    if upload.state is not UploadState.COMPLETE:
        raise SourceNotFoundError(f"The upload {upload_id} is not complete.", facts)
    return upload.original_name


def _check_path(source: str, allowed_roots: tuple[Path, ...]) -> None:
    """Refuse what ingest would refuse anyway; it has the last word, because it sees the disk of its own machine."""
    path = Path(source)
    if ".." in path.parts or not source.isprintable():
        raise SourceForbiddenError("A path may not contain `..` or control characters.", {"field": "source"})
    real = path.resolve()
    if not any(path.is_relative_to(root) or real.is_relative_to(root.resolve()) for root in allowed_roots):
        raise SourceForbiddenError(
            "The source lies outside the allowed roots (setting DAILIES_INGEST__ALLOWED_ROOTS).", {"field": "source"}
        )


def _check_address(source: str, *, allow_http: bool) -> None:
    try:
        parts = urlsplit(source)
        host = parts.hostname
    except ValueError as error:
        raise InvalidRequestError(f"The source is no address: {error}", {"field": "source"}) from error
    schemes = ("https", "http") if allow_http else ("https",)
    if parts.scheme not in schemes or not host or not source.isprintable() or " " in source:
        raise InvalidRequestError(
            "A source is an absolute path, `upload:<id>`, or an `https://` address.", {"field": "source"}
        )
    if parts.username or parts.password:
        # It would end up in logs and in Prefect's database.
        raise InvalidRequestError("The address may not carry a user name or password.", {"field": "source"})
