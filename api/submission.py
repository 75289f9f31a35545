"""From a request for a job to the parameters of the flow: everything that can be refused early is refused here."""

import asyncio
from dataclasses import dataclass
from typing import Any

from api.dependencies import Services
from api.schemas import JobRequest
from data.domain.edits import NamedInput
from data.domain.errors import (
    DataError,
    InvalidRequestError,
    NotFoundError,
    SourceInvalidError,
    SourceNotFoundError,
)
from data.domain.generations import Words
from data.domain.recipes import Recipe
from data.domain.sources import UPLOAD_SCHEME, SourceKind, SourceRules, file_name
from data.domain.targets import TargetRules
from data.recipes import load_recipe
from data.repositories import UploadRepository, UploadState
from data.settings import Settings


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
        RecipeUnknownError: No recipe has that name; the facts list those there are.
        RecipeInvalidError: The overrides do not fit the recipe.
        RecipeForBatchesError: The recipe only rehearses.
        TargetForbiddenError: A target of the recipe is none that the settings allow.
        SourceNotFoundError: There is no such upload, of the source or of what the recipe's edits work with.
        SourceForbiddenError: The path or the bucket is not one that sources may come from.
        InvalidRequestError: The source is of no kind that is taken, or there is not exactly one thing to begin with.
    """
    words = Words(prompt=request.prompt or "", script=request.script or "")
    if bool(request.source) == bool(words):
        raise InvalidRequestError("A job needs either a `source`, or a `prompt` or `script`.", {"field": "source"})
    recipe = await asyncio.to_thread(_checked_recipe, request, services.settings)
    for named in recipe.edit.inputs:
        await asyncio.to_thread(_check_input, named, services)
    if request.source:
        name = await checked_source(request.source, services)
    else:
        name = words.title
        for reference in recipe.generation.sources:
            await checked_source(reference, services)
    parameters = {
        "source": request.source or "",
        **words.model_dump(),
        "recipe": request.recipe,
        "overrides": request.overrides,
        "title": request.title,
        "metadata": request.metadata,
    }
    return Submission(request.title or name or "video", parameters)


async def checked_source(source: str, services: Services) -> str:
    """Check a source and return the name of its file.

    Raises:
        SourceNotFoundError: There is no such upload.
        SourceForbiddenError: The path or the bucket is not one that sources may come from.
        InvalidRequestError: The source is of no kind that is taken.
    """
    return await asyncio.to_thread(_checked_source, source, services)


def _checked_recipe(request: JobRequest, settings: Settings) -> Recipe:
    recipe = load_recipe(request.recipe, settings.recipe_folder).with_overrides(request.overrides).for_one_asset()
    TargetRules(**settings.target_options).check(recipe.publish.targets)
    return recipe


def _checked_source(source: str, services: Services) -> str:
    """Refuse a source that ingest would refuse, and return the name of its file."""
    try:
        kind = SourceRules(**services.settings.source_options).check(source)
    except SourceInvalidError as error:
        raise InvalidRequestError(error.message, error.facts) from error
    return upload_name(source.removeprefix(UPLOAD_SCHEME), services) if kind is SourceKind.UPLOAD else file_name(source)


def _check_input(named: NamedInput, services: Services) -> None:
    """Refuse something that a recipe's edits work with, if ingest would; the refusal names the recipe's field."""
    try:
        _checked_source(named.source, services)
    except (DataError, InvalidRequestError) as error:
        raise type(error)(f"{named.field}: {error.message}", {**error.facts, "field": named.field}) from error


def upload_name(upload_id: str, services: Services) -> str:
    """Return the name of the file that was uploaded.

    Raises:
        SourceNotFoundError: There is no such upload, or it is not complete.
    """
    facts = {"field": "source", "upload_id": upload_id}
    try:
        with services.database.session() as session:
            upload = UploadRepository(session).get(upload_id, services.caller.id)
    except NotFoundError as error:
        raise SourceNotFoundError(error.message, facts) from error
    if upload.state is not UploadState.COMPLETE:
        raise SourceNotFoundError(f"The upload {upload_id} is not complete.", facts)
    return upload.original_name
