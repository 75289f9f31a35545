"""ComfyUI workflows as templates: JSON in ComfyUI's API format, with placeholders for what a request decides.

In the ComfyUI window: build and try the workflow, *Export (API)*, then write placeholders into its inputs. An input
that is nothing but ``"{{width}}"`` becomes a number; within a text they are replaced as text. There are
``{{prompt}}`` (which has to be there), ``{{negative_prompt}}``, ``{{width}}``, ``{{height}}``, ``{{frames}}``,
``{{fps}}``, ``{{seed}}`` and ``{{image}}`` (the name of the uploaded picture, for image→video).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.domain.errors import ProviderMisconfiguredError
from data.domain.generations import Capability

PLACEHOLDERS = ("prompt", "negative_prompt", "width", "height", "frames", "fps", "seed", "image")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Fillings = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Workflow:
    """A workflow that was read and found in order."""

    path: Path
    nodes: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """24 hex digits by which the template is known."""
        return hashlib.sha256(json.dumps(self.nodes, sort_keys=True).encode()).hexdigest()[:24]

    def filled(self, fillings: Fillings) -> dict[str, Any]:
        """Return the workflow for one request. What is filled in is never looked through for placeholders itself."""
        return {node: _filled(content, fillings) for node, content in self.nodes.items()}


def read_workflow(path: Path, capability: Capability) -> Workflow:
    """Read a workflow template.

    Raises:
        ProviderMisconfiguredError: It is not there, not in the API format, or its placeholders are not right.
    """
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unfit(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _unfit(path, f"is not JSON: {error}") from error
    if isinstance(nodes, dict) and isinstance(nodes.get("nodes"), list):
        raise _unfit(path, "was saved for the ComfyUI window: export it with “Export (API)” instead")
    if not isinstance(nodes, dict) or not nodes:
        raise _unfit(path, "is not an object of nodes")
    for name, node in nodes.items():
        if not (isinstance(node, dict) and "class_type" in node and isinstance(node.get("inputs"), dict)):
            raise _unfit(path, f"has a node {name!r} without class_type and inputs")
    _check_placeholders(path, set(_placeholders(nodes)), capability)
    return Workflow(path, nodes)


def _check_placeholders(path: Path, found: set[str], capability: Capability) -> None:
    if unknown := sorted(found - set(PLACEHOLDERS)):
        known = ", ".join(PLACEHOLDERS)
        raise _unfit(path, f"has placeholders that nothing fills: {', '.join(unknown)}; there are {known}")
    needed = {"prompt", "image"} if capability is Capability.IMAGE_TO_VIDEO else {"prompt"}
    if missing := sorted(needed - found):
        raise _unfit(path, f"has no placeholder {' and no '.join(f'{{{{{name}}}}}' for name in missing)}")
    if "image" in found - needed:
        raise _unfit(path, f"wants an {{{{image}}}}, but is to make {capability}, which brings none")


def _placeholders(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _placeholders(each)
    elif isinstance(value, list):
        for each in value:
            yield from _placeholders(each)


def _filled(value: Any, fillings: Fillings) -> Any:
    if isinstance(value, str):
        if whole := _PLACEHOLDER.fullmatch(value.strip()):
            return fillings[whole[1]]
        return _PLACEHOLDER.sub(lambda found: str(fillings[found[1]]), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, fillings) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, fillings) for each in value]
    return value


def _unfit(path: Path, reason: str) -> ProviderMisconfiguredError:
    return ProviderMisconfiguredError(f"The workflow {path.name} {reason}.", {"path": str(path)})
