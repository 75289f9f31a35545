"""What providers say when they do not do as asked: error bodies in the dialects that are about, in our terms."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

_LONGEST_SAYING = 500
# OpenAI's own codes, and those of servers that speak its language.
_POLICY = ("moderation", "content_policy", "content_filter", "policy_violation", "safety", "sentinel_block", "nsfw")
_MONEY = ("insufficient_quota", "billing", "insufficient_credits", "payment")


@dataclass(frozen=True)
class Answer:
    """A provider's answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the provider has done as asked."""
        return 200 <= self.status < 300

    @cached_property
    def json(self) -> Any:
        """What the body says; ``None`` where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Complaint:
    """Why something was not done, in the provider's words."""

    code: str
    message: str
    is_structured: bool
    """It is an error object, so the provider's own and not the page of a proxy before it."""

    @property
    def is_about_policy(self) -> bool:
        """Whether it is not allowed, rather than not possible."""
        return any(word in self.code.lower() for word in _POLICY)

    @property
    def is_about_money(self) -> bool:
        """Whether it is not paid for: patience does not help."""
        return any(word in self.code.lower() for word in _MONEY)


def complaint_of(answer: Answer) -> Complaint:
    """Return what an unsuccessful answer complains about."""
    found = answer.json.get("error", answer.json) if isinstance(answer.json, dict) else None
    if isinstance(found, str):
        return Complaint("", _shortened(found), is_structured=True)
    if isinstance(found, dict):
        complaint = complaint_in(found)
        wrong = _wrong_nodes(answer.json.get("node_errors"))
        return replace(complaint, message=_shortened(f"{complaint.message}: {wrong}")) if wrong else complaint
    return Complaint("", "", is_structured=False)


def complaint_in(error: Mapping[str, Any]) -> Complaint:
    """Return what an error object complains about."""
    code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
    said = [str(error[name]) for name in ("message", "detail", "details") if error.get(name)]
    return Complaint(code, _shortened(": ".join(said) or code), is_structured=bool(code or said))


def _wrong_nodes(errors: Any) -> str:
    """Return what ComfyUI finds wrong with the nodes of a workflow."""
    nodes = errors.items() if isinstance(errors, dict) else ()
    found = [(name, node.get("class_type", ""), each) for name, node in nodes for each in node.get("errors", [])]
    return "; ".join(f"node {name} {kind}: {complaint_in(each).message}" for name, kind, each in found)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SAYING else f"{line[:_LONGEST_SAYING]}…"
