"""Which provider is asked, and in which order."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from data.domain.errors import (
    DailiesError,
    EngineMissingError,
    NoProviderError,
    ProviderMisconfiguredError,
    RecipeInvalidError,
)
from data.domain.generations import GenerationRequest
from data.domain.ledger import ProviderHealth
from tasks.providers.base import Provider, ProviderConfig, ProviderLimits, ProviderProfile
from tasks.providers.registry import Registry

Policy = Literal["order", "cheapest", "fastest"]


@dataclass(frozen=True)
class Candidate:
    """A provider that can do what is asked for."""

    request: GenerationRequest
    config: ProviderConfig
    provider: Provider
    price: float
    """Of this request, in the settings' currency."""
    key: str
    """Digest of the request and of who is asked: equal ones have equal results."""


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
        errors = [each for each in problems.values() if isinstance(each, DailiesError)]
        if len(errors) == len(problems) == 1:
            raise errors[0]
        why = [f"{name}: {problem}" for name, problem in problems.items()]
        raise NoProviderError(f"No provider can do {request.capability.value}. {' '.join(why)}", {"providers": why})
    if named or policy == "order":
        return tuple(found)
    if policy == "cheapest":
        return tuple(sorted(found, key=lambda each: each.price))
    return tuple(sorted(found, key=lambda each: _making_seconds(each, health)))


def candidate(request: GenerationRequest, config: ProviderConfig, provider: Provider) -> Candidate:
    """Return a provider with what this request costs there."""
    limits, wanted = effective_limits(config, provider.profile), request.options.duration_seconds
    price = provider.profile.cost_of(wanted if wanted is not None else limits.max_duration_seconds)
    who = [request.digest(), config.name, config.engine, config.model, provider.profile.version]
    key = hashlib.sha256(json.dumps(who, separators=(",", ":")).encode()).hexdigest()[:24]
    return Candidate(request, config, provider, price, key)


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
) -> tuple[list[Candidate], dict[str, object]]:
    """Return who can, and why the others cannot."""
    found: list[Candidate] = []
    problems: dict[str, object] = {}
    for name in names:
        config = registry.configs[name]
        try:
            provider = registry.provider(name)
        except (EngineMissingError, ProviderMisconfiguredError) as error:  # one of several must not stop the others
            problems[name] = error
            continue
        if problem := _problem(request, provider.profile, effective_limits(config, provider.profile)):
            problems[name] = problem
        else:
            found.append(candidate(request, config, provider))
    return found, problems


def _problem(request: GenerationRequest, profile: ProviderProfile, limits: ProviderLimits) -> str:
    if request.capability not in profile.capabilities:
        return "it is made for something else."
    wanted, longest = request.options.duration_seconds, limits.max_duration_seconds
    if wanted is not None and longest is not None and wanted > longest:
        return f"it makes at most {longest:g} s, not {wanted:g} s."
    most = limits.max_prompt_characters
    if most is not None and len(request.prompt) > most:
        return f"it takes prompts of at most {most} characters."
    return ""


def _making_seconds(each: Candidate, health: Mapping[str, ProviderHealth]) -> float:
    known = health.get(each.config.name)
    return (known.making_seconds if known else None) or 0.0
