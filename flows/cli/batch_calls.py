"""The calls about batches that take more than a line."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import orjson
from cyclopts import Parameter

from data.domain.batches import BatchOptions
from data.domain.windows import AtEnd, NightWindow
from flows.cli.client import ApiError, Client, Document

_POLL_SECONDS = 0.5
_BEFORE_PLANNED = ("received", "validating", "planning")
_SPAN = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen for a batch."""

    name: Annotated[str, Parameter(help="For people; the manifest's by default.")] = ""
    recipe: Annotated[str, Parameter(help="For rows that name none.")] = "default"
    priority: Annotated[Literal["high", "default", "low"], Parameter(help="For rows that name none.")] = "default"
    window: Annotated[str | None, Parameter(help="Start work only then: `22:00-06:00`.")] = None
    time_zone: Annotated[str, Parameter(help="Of the window.")] = "UTC"
    at_end: Annotated[AtEnd, Parameter(help="What happens when the window closes.")] = AtEnd.FINISH
    finish_by: Annotated[
        str | None,
        Parameter(
            help="Deadline: `8h` from now, or a time as `2026-11-23T06:00+01:00`. A batch that is short of time gets a "
            "larger share of the machines."
        ),
    ] = None
    on_invalid: Annotated[
        Literal["reject_all", "accept_valid"], Parameter(help="What happens when rows are invalid.")
    ] = "reject_all"
    canary: Annotated[int, Parameter(help="So many rows go first, alone.")] = 0
    max_failed: Annotated[float | None, Parameter(help="Stop when more than this share fails (0–1).")] = None
    max_failed_after: Annotated[
        int | None, Parameter(help="… once so many rows have succeeded or failed; 20 by default.")
    ] = None
    same_code: Annotated[int | None, Parameter(help="Stop when so many in a row fail with one code; 0: never.")] = None
    max_cost: Annotated[float | None, Parameter(help="Start nothing more once this is spent.")] = None
    approve_above_cost: Annotated[float | None, Parameter(help="Wait for `start` when the plan costs more.")] = None
    approve_above_hours: Annotated[float | None, Parameter(help="Wait for `start` when the plan takes longer.")] = None
    max_concurrency: Annotated[int | None, Parameter(help="Most runs of the batch at once.")] = None
    pack_seconds: Annotated[
        float | None, Parameter(help="Short items share a run up to so much work; 0: each has its own.")
    ] = None
    item_attempts: Annotated[int | None, Parameter(help="How often an item is tried when machines are at fault.")] = (
        None
    )
    in_place: Annotated[
        bool,
        Parameter(negative=(), help="Hand in the path, not the file: relative sources then count from its folder."),
    ] = False

    def document(self) -> dict[str, Any]:
        """Return the options as the API takes them.

        Raises:
            ApiError: The window is none, or the deadline is no time.
        """
        budget = _given(share=self.max_failed, min_items=self.max_failed_after, same_code=self.same_code)
        given = _given(
            failure_budget=budget or None,
            max_concurrency=self.max_concurrency,
            pack_seconds=self.pack_seconds,
            item_attempts=self.item_attempts,
        )
        try:
            window = self.window and NightWindow.parse(self.window, self.time_zone, self.at_end)
            options = BatchOptions(
                recipe=self.recipe,
                priority=self.priority,
                window=window or None,
                finish_by=deadline(self.finish_by),
                on_invalid=self.on_invalid,
                canary_items=self.canary,
                max_cost=self.max_cost,
                approve_above_cost=self.approve_above_cost,
                approve_above_hours=self.approve_above_hours,
                **given,
            )
        except ValueError as error:  # pydantic's is one
            raise ApiError(f"These options do not fit: {' '.join(str(error).split())}") from error
        return options.model_dump(mode="json", exclude_defaults=True)


Choices = Annotated[Options, Parameter(name="*")]


def batch_path(batch_id: str, *more: str) -> str:
    """Return the path of a batch, or of something that belongs to it; whatever was typed stays one part of it."""
    return "/".join(("/batches", quote(batch_id, safe=""), *more))


def hand_in(client: Client, path: str, manifest: str, options: Options, webhooks: Sequence[str] = ()) -> Document:
    """Hand in a manifest: the file itself if it is one here, else its address."""
    file, chosen = Path(manifest), options.document()
    told: dict[str, Any] = {"webhooks": list(webhooks)} if webhooks else {}
    if options.in_place or not file.is_file():
        address = str(file.resolve()) if options.in_place or file.is_dir() else manifest
        return client.call("POST", path, json={"manifest": address, "name": options.name, "options": chosen, **told})
    fields = {name: orjson.dumps(document).decode() for name, document in {"options": chosen, **told}.items()}
    if options.name:
        fields["name"] = options.name
    with file.open("rb") as content:
        return client.call("POST", path, files={"manifest": (file.name, content)}, data=fields)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def settled(client: Client, batch: Document) -> Document:
    """Wait until a batch is planned, or refused."""
    while batch["state"] in _BEFORE_PLANNED:
        time.sleep(_POLL_SECONDS)
        batch = client.get(batch_path(batch["id"]))
    return batch


def moment(text: str | None) -> str | None:
    """Read ``2h`` (ago) or a time as a time of the API; without a zone it is one of this machine's.

    Raises:
        ApiError: It is neither.
    """
    return None if text is None else _time(text, -1).isoformat()


def deadline(text: str | None) -> datetime | None:
    """Read ``8h`` (from now) or a time; without a zone it is one of this machine's.

    Raises:
        ApiError: It is neither.
    """
    return None if text is None else _time(text, 1)


def _time(text: str, direction: int) -> datetime:
    try:
        if found := _SPAN.fullmatch(text.strip()):
            return datetime.now(UTC) + direction * timedelta(**{_UNITS[found[2]]: int(found[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ApiError(f"{text!r} is neither a span (`2h`, `30m`, `1d`) nor a time.") from error
