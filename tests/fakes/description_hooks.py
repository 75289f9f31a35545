"""Tells schemathesis of things that exist: of ids made at random, all it would ever see is 404.

Schemathesis loads this file as a module of hooks; :data:`IDS` is how a test says what there is.
"""

import json
import os
import zlib
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

IDS = "KNOWN_IDS"
"""Environment variable: a JSON object, names of path parameters to ids; ``operation:parameter`` wins over both."""

KNOWN: dict[str, str] = json.loads(os.environ.get(IDS, "{}"))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Name a thing that exists in two of three well-formed calls."""
    path = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
    if path is None or path.mode.is_negative:
        return
    operation = case.operation.definition.raw.get("operationId", "")
    for name, drawn in list((case.path_parameters or {}).items()):
        known = KNOWN.get(f"{operation}:{name}", KNOWN.get(name))
        if known is not None and zlib.crc32(str(drawn).encode()) % 3:
            case.path_parameters[name] = known
