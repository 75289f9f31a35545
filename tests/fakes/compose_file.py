"""What Docker Compose makes of our files, as far as our tests ask: variables filled in, environments of services."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.components import PROJECT

FOLDER = PROJECT / "deployments" / "docker"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\}")


class VariableMissingError(Exception):
    """A variable that has no default is not given."""


@dataclass(frozen=True)
class ComposeFile:
    """One file, with the variables of an `.env`."""

    document: dict[str, Any]
    given: Mapping[str, str]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return dict(self.document["services"])

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that run our image."""
        return {name: each for name, each in self.services.items() if "build" in each}

    def environment(self, service: str) -> dict[str, str]:
        """The variables that a service's container gets."""
        found = self.services[service]
        from_file = self.given if found.get("env_file") else {}
        return {**from_file, **{name: str(value) for name, value in found.get("environment", {}).items()}}


def compose_file(given: Mapping[str, str], name: str = "compose.yaml") -> ComposeFile:
    """Read one of our files."""
    document = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return ComposeFile(_filled(document, given), given)


def required_variables(path: Path = FOLDER / "compose.yaml") -> set[str]:
    """The variables without which nothing starts."""
    found = _VARIABLE.finditer(path.read_text(encoding="utf-8"))
    return {each["name"] for each in found if each["kind"] == ":?"}


def seconds(text: str) -> float:
    """What a duration of Compose's is in seconds."""
    parts = re.findall(r"(\d+)(h|m|s)", text)
    return float(sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts))


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, given) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, given) for each in value]
    return _VARIABLE.sub(lambda match: _value(match, given), value) if isinstance(value, str) else value


def _value(match: re.Match[str], given: Mapping[str, str]) -> str:
    name, kind = match["name"], match["kind"]
    if given.get(name):
        return given[name]
    if kind == ":?":
        raise VariableMissingError(f"{name}: {match['rest']}")
    assert kind == ":-", f"{name} has neither a default nor a word for who forgets it"
    return str(match["rest"])
