"""Recipes: what a job or a row of a batch can ask for by name."""

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.cursors import page_by_name
from api.dependencies import ServicesDependency
from api.privacy import without_local_paths
from api.routes.jobs import After, Limit
from api.schemas import BrokenRecipe, Problem, RecipeAnswer, Recipes, RecipeSummary
from data.domain.errors import NotFoundError, RecipeUnknownError
from data.domain.identity import Scope
from data.recipes import FoundRecipe, find_recipe, list_recipes

router = APIRouter(prefix="/recipes", tags=["recipes"])

INVALID: dict[int | str, dict[str, Any]] = {422: {"model": Problem}}


@router.get("", dependencies=[allow(Scope.READ)], operation_id="list_recipes", responses=INVALID)
async def all_recipes(services: ServicesDependency, after: After = None, limit: Limit = 200) -> Recipes:
    """List the recipes by name: those that ship with Dailies, and those of the operator's own folder, which win."""
    recipes = await run_in_threadpool(list_recipes, services.settings.recipe_folder)
    page, following = page_by_name(map(_summary, recipes.found), after, limit)
    return Recipes(
        items=page,
        next=following,
        broken=tuple(
            BrokenRecipe(name=each.name, origin=each.origin, problem=without_local_paths(each.problem.message))
            for each in recipes.broken
        ),
    )


@router.get(
    "/{name}",
    dependencies=[allow(Scope.READ)],
    operation_id="get_recipe",
    responses={404: {"model": Problem}, **INVALID},
)
async def one_recipe(name: str, services: ServicesDependency) -> RecipeAnswer:
    """Read a recipe as it takes effect: with everything that it inherits, and every default."""
    try:
        found = await run_in_threadpool(find_recipe, name, services.settings.recipe_folder)
    except RecipeUnknownError as error:
        raise NotFoundError(error.message, error.facts) from error
    return RecipeAnswer(**_summary(found).model_dump(), recipe=found.recipe)


def _summary(found: FoundRecipe) -> RecipeSummary:
    recipe = found.recipe
    return RecipeSummary(
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        origin=found.origin,
        extends=found.extends,
        rehearsal=recipe.rehearsal,
        digest=recipe.digest(),
    )
