"""``python -m flows asset analyze · analysis · events``: have a video looked at, and read what was found."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from flows.cli.client import Api, ApiError, AssetId, Document, asset_path, connected, job_path
from flows.cli.output import Json, local_time, print_facts, print_json, print_table, say

_MOST_ZONES_BYTES = 1_000_000

FileName = Literal[
    "events",
    "telemetry",
    "telemetry_csv",
    "frames",
    "frames_csv",
    "annotated",
    "events_chart",
    "heat_map",
    "summary",
    "summary_text",
]


def analyze(
    asset: Annotated[str, Parameter(help="Id of the asset; leave it out to have a `--source` looked at.")] = "",
    /,
    *,
    source: Annotated[
        str, Parameter(help="A file that is no asset yet: an absolute path, `upload:<id>` or an address.")
    ] = "",
    detector: Annotated[
        Literal["motion", "faces", "onnx", "mock"] | None, Parameter(help="What looks: `motion` by default.")
    ] = None,
    model: Annotated[str | None, Parameter(help="For `onnx`: a model in the folder of detectors.")] = None,
    fps: Annotated[float | None, Parameter(help="Frames a second to look at; each by default.")] = None,
    max_frames: Annotated[int | None, Parameter(help="Look at no more than so many.")] = None,
    ocr_interval: Annotated[float | None, Parameter(help="Read text in the picture so often, in seconds.")] = None,
    clustering_interval: Annotated[
        float | None, Parameter(help="Compare how tracks look so often, in seconds.")
    ] = None,
    min_confidence: Annotated[float | None, Parameter(help="Pass over what is less certain (0–1).")] = None,
    zones: Annotated[str | None, Parameter(help="Zones as JSON, or a file that holds it.")] = None,
    annotate: Annotated[bool, Parameter(help="Make a video that shows what was found.")] = True,
    priority: Annotated[Literal["high", "default", "low"], Parameter(help="The queue to wait in.")] = "default",
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Have every frame of a video looked at. Nothing is published; `asset analysis` shows what was found."""
    given: dict[str, Any] = {
        "detector": detector,
        "model": model,
        "fps": fps,
        "max_frames": max_frames,
        "ocr_interval": ocr_interval,
        "clustering_interval": clustering_interval,
        "min_confidence": min_confidence,
        "zones": _zones(zones),
        "annotate": None if annotate else False,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if bool(asset) == bool(source):
        raise ApiError("Name either an asset, or a --source.")
    body: Document = {"options": options, "priority": priority}
    with connected(api) as client:
        if source:
            job = client.call("POST", "/analyses", json={**body, "source": source})
        else:
            job = client.call("POST", asset_path(asset, "analyze"), json=body)
    if as_json:
        print_json(job)
        return
    say(f"Job {job['id']} looks at it: `python -m flows job watch {job['id']}`.")


def show_analysis(
    asset: AssetId,
    /,
    *,
    file: Annotated[FileName | None, Parameter(help="Fetch this file of it instead.")] = None,
    output: Annotated[Path | None, Parameter(help="Where to; `-` or nothing is standard output.")] = None,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Show what was found in a video, or fetch a file of it."""
    with connected(api) as client:
        found = client.get(asset_path(asset, "analysis"))
        if file is not None:
            address = found["urls"][file]
            if address is None:
                raise ApiError(f"This analysis has no {file}: it was not asked for.")
            client.download(address[address.index(asset_path(asset)) :], output)
            return
        if as_json:
            print_json(found)
            return
        for line in found["sentences"]:
            say(line)
        say("")
        print_facts(_facts(found, client.address))


def events(
    thing: Annotated[str, Parameter(help="Id of the asset; with `--job`, of a job.")],
    /,
    *,
    job: Annotated[bool, Parameter(negative=(), help="Those that a job found.")] = False,
    kind: Annotated[list[str] | None, Parameter(name="--type", help="Only these kinds.")] = None,
    track: Annotated[int | None, Parameter(help="Only those of this track.")] = None,
    zone: Annotated[str | None, Parameter(help="Only those of this zone or line.")] = None,
    since: Annotated[float | None, Parameter(name="--from", help="From this second on.")] = None,
    until: Annotated[float | None, Parameter(name="--to", help="Up to this second.")] = None,
    limit: Annotated[int, Parameter(help="Most events to list.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List what happened in a video, by time."""
    query = {"type": kind, "track": track, "zone": zone, "from": since, "to": until}
    path = job_path(thing, "events") if job else asset_path(thing, "events")
    with connected(api) as client:
        items = client.items(path, limit, **{name: value for name, value in query.items() if value is not None})
    if as_json:
        print_json(items)
        return
    print_table(("AT", "EVENT", "TRACK", "ZONE", "WHAT", "VALUE"), [_row(each) for each in items])


def _zones(given: str | None) -> Any:
    """Return zones as the API takes them; what begins like JSON is that, everything else a file.

    Raises:
        ApiError: The file cannot be read, or is larger than zones are.
    """
    if given is None or given.lstrip().startswith("["):
        return given
    try:
        with Path(given).open("rb") as file:
            content = file.read(_MOST_ZONES_BYTES + 1)
        if len(content) > _MOST_ZONES_BYTES:
            raise ApiError(f"The zones in {given} are more than {_MOST_ZONES_BYTES:,} bytes: that is no list of zones.")
        zones = content.decode()
        if not isinstance(json.loads(zones), list):
            raise ApiError(f'The zones in {given} are no list: write [{{"name": …, "points": …}}, …].')
        return zones
    except (OSError, ValueError) as error:
        raise ApiError(f"The zones in {given} cannot be read: {error}.") from error


def _facts(found: Document, address: Any) -> dict[str, str]:
    counts = found["summary"]["event_counts"]
    return {
        "Made": local_time(found["created_at"]),
        "Detector": found["summary"]["detector"],
        "Events": ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none",
        **{name.replace("_", " ").capitalize(): address(url) for name, url in found["urls"].items() if url},
    }


def _row(event: Document) -> tuple[str, ...]:
    minutes, seconds = divmod(event["at_seconds"], 60)
    value = event["value"]
    return (
        f"{int(minutes)}:{seconds:06.3f}",
        event["kind"],
        "" if event["track"] is None else str(event["track"]),
        event["zone"] or "",
        event["label"],
        "" if value is None else f"{value:g}",
    )
