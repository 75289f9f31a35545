"""Which provider is asked, in which order, and for what exactly.

A job asks for video of words, and may have files shown in it. A provider that composes shows them itself
(``shows_references``); a model takes one picture and sets it in motion, so it is asked for that; one that takes words
alone is passed over, with the reason on record: no file of the user's is ever left out in silence.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from data.domain.errors import (
    DailiesError,
    EngineMissingError,
    GenerationRejectedError,
    NoProviderError,
    ProviderMisconfiguredError,
    RecipeInvalidError,
)
from data.domain.generations import Capability, GenerationRequest
from data.domain.ledger import PassedOver, ProviderHealth
from tasks.providers.base import Provider, ProviderConfig, ProviderLimits, ProviderProfile
from tasks.providers.registry import Registry

Policy = Literal["order", "cheapest", "fastest"]


@dataclass(frozen=True)
class Candidate:
    """A provider that can do what is asked for."""

    request: GenerationRequest
    """As this provider is asked."""
    request_digest: str
    """Of what the job asked for, which is the same for every provider."""
    config: ProviderConfig
    provider: Provider
    price: float
    """Of this request, in the settings' currency."""
    key: str
    """Digest of the request and of who is asked: equal ones have equal results."""
    passed_over: tuple[PassedOver, ...] = ()
    """Who cannot do what the job asked for, and why."""


def candidates(
    request: GenerationRequest, registry: Registry, policy: Policy, health: Mapping[str, ProviderHealth]
) -> tuple[Candidate, ...]:
    """Return the providers that can do what is asked for, the one to ask first in front.

    A recipe that names providers has its own order; others are ordered by policy. Of providers that are alike, the
    first in the settings wins; one that has not made anything yet counts as fast, so that it is tried.

    Raises:
        RecipeInvalidError: The recipe names a provider that the settings do not know.
        EngineMissingError: The only provider has an engine that is not installed here.
        ProviderMisconfiguredError: The only provider's settings do not fit its engine.
        NoProviderError: There is none, or none that can; the facts say why.
    """
    named = request.options.providers
    if unknown := [name for name in named if name not in registry.configs]:
        raise RecipeInvalidError(f"The settings know no provider {unknown[0]!r}.", {"providers": unknown})
    found, problems = _able(request, registry, named or tuple(registry.configs))
    if not found:
        if len(problems) == 1 and not isinstance(error := next(iter(problems.values())), GenerationRejectedError):
            raise error
        why = [f"{name}: {problem.message}" for name, problem in problems.items()]
        raise NoProviderError(f"No provider can do {request.capability.value}. {' '.join(why)}", {"providers": why})
    passed_over = tuple(PassedOver(provider=name, code=e.code, message=e.message) for name, e in problems.items())
    found = [replace(each, passed_over=passed_over) for each in found]
    if named or policy == "order":
        return tuple(found)
    if policy == "cheapest":
        return tuple(sorted(found, key=lambda each: each.price))
    return tuple(sorted(found, key=lambda each: _making_seconds(each, health)))


def candidate(request: GenerationRequest, config: ProviderConfig, provider: Provider) -> Candidate:
    """Return a provider with what this request is there, and what it costs."""
    asked, request = request, as_asked(request, provider.profile)
    limits, wanted = effective_limits(config, provider.profile), request.options.duration_seconds
    price = provider.profile.cost_of(wanted if wanted is not None else limits.max_duration_seconds)
    who = [request.digest(), config.name, config.engine, config.model, provider.profile.version]
    key = hashlib.sha256(json.dumps(who, separators=(",", ":")).encode()).hexdigest()[:24]
    return Candidate(request, asked.digest(), config, provider, price, key)


def as_asked(request: GenerationRequest, profile: ProviderProfile) -> GenerationRequest:
    """Return what one provider is asked for: where it does not show files itself, to set the picture in motion."""
    wants_words_only = request.capability is not Capability.TEXT_TO_VIDEO or not request.shown
    if wants_words_only or profile.shows_references:
        return request
    return request.model_copy(update={"capability": Capability.IMAGE_TO_VIDEO})


def effective_limits(config: ProviderConfig, profile: ProviderProfile) -> ProviderLimits:
    """Return the tighter of what the settings and the engine say."""
    seconds = [each.max_duration_seconds for each in (config.limits, profile.limits) if each.max_duration_seconds]
    return ProviderLimits(
        max_duration_seconds=min(seconds, default=None),
        max_prompt_characters=profile.limits.max_prompt_characters,
        requests_per_minute=config.limits.requests_per_minute or profile.limits.requests_per_minute,
    )


def _able(
    request: GenerationRequest, registry: Registry, names: Sequence[str]
) -> tuple[list[Candidate], dict[str, DailiesError]]:
    """Return who can, and why the others cannot."""
    found: list[Candidate] = []
    problems: dict[str, DailiesError] = {}
    for name in names:
        config = registry.configs[name]
        try:
            provider = registry.provider(name)
        except (EngineMissingError, ProviderMisconfiguredError) as error:  # one of several must not stop the others
            problems[name] = error
            continue
        asked = as_asked(request, provider.profile)
        if problem := _problem(asked, provider.profile, effective_limits(config, provider.profile)):
            problems[name] = GenerationRejectedError(problem, {"provider": name})
        else:
            found.append(candidate(request, config, provider))
    return found, problems


def _problem(request: GenerationRequest, profile: ProviderProfile, limits: ProviderLimits) -> str:
    if problem := _problem_of_kind(request, profile):
        return problem
    wanted, longest = request.options.duration_seconds, limits.max_duration_seconds
    if wanted is not None and longest is not None and wanted > longest:
        return f"it makes at most {longest:g} s, not {wanted:g} s."
    most = limits.max_prompt_characters
    if most is not None and len(request.prompt) > most:
        return f"it takes prompts of at most {most} characters."
    return ""


def _problem_of_kind(request: GenerationRequest, profile: ProviderProfile) -> str:
    able, sets_in_motion = profile.capabilities, request.capability is Capability.IMAGE_TO_VIDEO
    if request.capability not in able:
        if sets_in_motion and Capability.TEXT_TO_VIDEO in able:
            return "it makes video of words alone, and does not show the files that are to be shown."
        if request.capability is Capability.TEXT_TO_VIDEO and Capability.IMAGE_TO_VIDEO in able:
            return "it sets a picture in motion, and there is none."
        return "it is made for something else."
    if sets_in_motion and not profile.shows_references and [each.kind for each in request.shown] != ["image"]:
        return f"it sets one picture in motion; there are {len(request.shown)} files to be shown, or a video."
    return ""


def _making_seconds(each: Candidate, health: Mapping[str, ProviderHealth]) -> float:
    known = health.get(each.config.name)
    return (known.making_seconds if known else None) or 0.0
