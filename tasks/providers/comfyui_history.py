"""What ComfyUI's queue and history say of a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

MAKES = "dailies_makes"
"""In the extra data of our prompts: ``video`` or ``picture``."""
_VIDEO = frozenset({".mp4", ".webm", ".mkv", ".mov", ".avi"})
_PICTURE = frozenset({".png", ".jpg", ".jpeg", ".webp"})


@dataclass(frozen=True)
class Entry:
    """A prompt as it stands in the queue or the history: number, id, workflow, extra data, outputs."""

    prompt_id: str
    node_count: int
    extra_data: Mapping[str, Any]
    is_running: bool = False


@dataclass(frozen=True)
class Output:
    """A file that a prompt has made."""

    query: Mapping[str, str]
    """By which ``/view`` finds it."""
    is_video: bool


def entry_of(item: Any, *, is_running: bool = False) -> Entry:
    """Return an item of the queue or the history; one without sense has an empty id."""
    fields = list(item) if isinstance(item, list) else []
    fields += [None] * (4 - len(fields))
    nodes, extra = fields[2], fields[3]
    return Entry(
        prompt_id=str(fields[1] or ""),
        node_count=len(nodes) if isinstance(nodes, dict) else 0,
        extra_data=extra if isinstance(extra, dict) else {},
        is_running=is_running,
    )


def failure_of(finished: Mapping[str, Any]) -> str:
    """Return why a prompt failed, in a sentence; empty where it did not."""
    status = finished.get("status")
    if not isinstance(status, dict) or status.get("status_str") != "error":
        return ""
    for kind, data in reversed([each for each in status.get("messages", []) if len(each) == 2]):
        if kind == "execution_error":
            where = data.get("node_type", "a node")
            return f"{where}: {str(data.get('exception_message', '')).strip()[:400]}"
        if kind == "execution_interrupted":
            return "it was interrupted"
    return "it does not say why"


def results_of(finished: Mapping[str, Any]) -> tuple[Output, ...]:
    """Return the files of the kind that a prompt was to make, those to be kept before previews."""
    makes = entry_of(finished.get("prompt")).extra_data.get(MAKES)
    found = [
        (entry.get("type") != "output", Output(_query(entry), is_video))
        for node in finished.get("outputs", {}).values()
        for entries in node.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and (is_video := _is_video(entry)) is (makes != "picture")
    ]
    return tuple(output for _, output in sorted(found, key=lambda each: each[0]))


def _is_video(entry: Mapping[str, Any]) -> bool | None:
    suffix = PurePosixPath(str(entry.get("filename", ""))).suffix.lower()
    return suffix in _VIDEO if suffix in _VIDEO | _PICTURE else None


def _query(entry: Mapping[str, Any]) -> dict[str, str]:
    return {
        "filename": str(entry["filename"]),
        "subfolder": str(entry.get("subfolder", "")),
        "type": str(entry.get("type", "output")),
    }
