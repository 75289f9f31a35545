"""``python -m flows asset …``: what is public, what waits for a decision, what was said in it, and whether it holds."""

import getpass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter

from data.domain.errors import CredentialsChangedError, SourceNotFoundError
from data.domain.provenance import CredentialState, ReadCredentials
from flows.cli.analyses import analyze, events, show_analysis
from flows.cli.client import Api, ApiError, AssetId, Document, asset_path, connected
from flows.cli.job_reading import print_copies
from flows.cli.output import Json, local_time, print_facts, print_json, print_table, say
from tasks.media.certificates import read_anchors
from tasks.media.content_credentials import read_credentials

app = App(name="asset", help="List, publish and retract videos, and search in them.")

app.command(analyze)
app.command(show_analysis, name="analysis")
app.command(events)

_TRUST = {
    CredentialState.TRUSTED: "somebody trusted vouches for the signer",
    CredentialState.UNTRUSTED: "nobody trusted vouches for the signer",
    CredentialState.CHANGED: "",
}
Reason = Annotated[str, Parameter(help="Why; it is kept with the decision.")]
By = Annotated[str, Parameter(help="Who decides; your name on this machine by default.")]


@app.command(name="list")
def list_assets(
    *,
    waiting: Annotated[bool, Parameter(negative=(), help="Only those that wait for a decision.")] = False,
    mine: Annotated[bool, Parameter(negative=(), help="Only your own.")] = False,
    public: Annotated[bool, Parameter(negative=(), help="Only what is public.")] = False,
    limit: Annotated[int, Parameter(help="Most assets to list.")] = 20,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List assets, the latest first."""
    chosen = {"waiting": waiting, "mine": mine, "public": public}
    query = {name: "true" for name, wanted in chosen.items() if wanted}
    with connected(api) as client:
        items = client.items("/assets", limit, **query)
    if as_json:
        print_json(items)
        return
    print_table(("ID", "PUBLIC", "CREATED", "TITLE", "WAITING"), [_row(each) for each in items])


@app.command
def show(asset: AssetId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Show an asset: what is public of it, and what waits."""
    with connected(api) as client:
        found = client.get(asset_path(asset))
        _show(found, as_json, client.address)


@app.command
def approve(
    asset: AssetId,
    /,
    *,
    reason: Reason = "",
    by: By = "",
    job: Annotated[str | None, Parameter(help="Of the candidate that you looked at: another one stays.")] = None,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Let the version that waits become public."""
    body = {"by": by or _me(), "reason": reason, "job_id": job}
    with connected(api) as client:
        _show(client.call("POST", asset_path(asset, "publish"), json=body), as_json, client.address)


@app.command
def retract(
    asset: AssetId,
    /,
    *,
    reason: Reason = "",
    by: By = "",
    public: Annotated[
        bool, Parameter(negative=(), help="Take down what is public, also where a candidate waits.")
    ] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Reject the version that waits; where none does, take down what is public."""
    with connected(api) as client:
        body = {"by": by or _me(), "reason": reason, **_named(client.get(asset_path(asset)), public)}
        _show(client.call("POST", asset_path(asset, "retract"), json=body), as_json, client.address)


@app.command
def withdraw(
    asset: AssetId,
    target: Annotated[str, Parameter(help="Name of the publish target, as the recipe had it.")],
    /,
    *,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Take away what a publish target has of an asset; what is public stays so, here and at other targets."""
    with connected(api) as client:
        _show(client.call("DELETE", asset_path(asset, "copies", quote(target, safe=""))), as_json, client.address)


@app.command
def delete(
    asset: AssetId,
    /,
    *,
    source: Annotated[
        bool, Parameter(negative=(), help="Only the source that was kept; what is public stays.")
    ] = False,
    api: Api = "",
) -> None:
    """Delete an asset with everything that was made of it, also what is public."""
    with connected(api) as client:
        client.call("DELETE", asset_path(asset, "source") if source else asset_path(asset))


@app.command
def vote(
    asset: AssetId,
    /,
    *,
    take_back: Annotated[bool, Parameter(negative=(), help="Take your vote back.")] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Vote for a public video, once."""
    with connected(api) as client:
        counted = client.call("DELETE" if take_back else "POST", asset_path(asset, "vote"))
    print_json(counted) if as_json else say("1 vote" if counted["votes"] == 1 else f"{counted['votes']} votes")


@app.command
def ranking(
    *,
    limit: Annotated[int, Parameter(help="Most videos to list.")] = 20,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List what is public, the most voted for first."""
    with connected(api) as client:
        items = client.items("/assets/ranking", limit)
    if as_json:
        print_json(items)
        return
    print_table(("ID", "VOTES", "TITLE"), [(each["asset_id"], str(each["votes"]), each["title"]) for each in items])


@app.command
def search(
    words: Annotated[str, Parameter(help="Words, or a sentence.")],
    /,
    *,
    limit: Annotated[int, Parameter(help="Most hits.")] = 10,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Find moments by what is said, shown and meant in public videos."""
    with connected(api) as client:
        hits = client.get("/search", q=words, limit=limit)["items"]
    if as_json:
        print_json(hits)
        return
    print_table(("ASSET", "AT", "KIND", "TITLE", "WORDS"), [_hit(each) for each in hits])


@app.command
def verify(
    file: Annotated[Path, Parameter(help="An MP4 or JPEG, from wherever.")],
    /,
    *,
    anchors: Annotated[
        Path | None, Parameter(help="PEM file of authorities to trust, as `<home>/credentials/authority.pem`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read the Content Credentials (C2PA) of a file on this machine: what it says, who says so, and whether it holds.

    Ends with status 1 where the bytes are not those that were signed, or nothing is said.
    """
    if not file.is_file():
        raise SourceNotFoundError(f"There is no file {file}.")
    found = read_credentials(file, read_anchors(anchors) if anchors else "")
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_credentials(found)
    if found.state is CredentialState.CHANGED:
        raise CredentialsChangedError(f"{file.name} is not as it was signed: {'; '.join(found.problems)}.")


def _show_credentials(found: ReadCredentials) -> None:
    facts = {
        "Bytes": "changed since" if found.state is CredentialState.CHANGED else "as they were signed",
        "Trust": _TRUST[found.state],
        "Codes": ", ".join(found.problems),
        "Title": found.title,
        "Signed by": f"{found.signer}, {found.issuer}" if found.signer else "",
        "Signed at": local_time(found.signed_at) if found.signer and found.signed_at else "",
        "Written by": found.made_with,
        "Made of": ", ".join(found.sources),
    }
    print_facts({name: value for name, value in facts.items() if value})
    if found.actions:
        print_table(
            ("ACTION", "BY", "MODELS", "WHAT"),
            [(each.name, each.agent, ", ".join(each.models), each.description) for each in found.actions],
        )


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, in a container
        return "unknown"


def _named(asset: Document, public: bool) -> dict[str, Any]:
    candidate, publication = asset["candidate"], asset["publication"]
    if candidate and candidate["state"] == "waiting" and not public:
        return {"candidate": candidate["job_id"]}
    if publication is None:
        raise ApiError(f"Nothing of {asset['id']} is public, and nothing waits.")
    return {"version": publication["version"]}


def _show(asset: Document, as_json: bool, address: Any) -> None:
    if as_json:
        print_json(asset)
        return
    publication, candidate, retraction = asset["publication"], asset["candidate"], asset["retraction"]
    facts = {"Asset": asset["id"], "Source": asset["original_name"]}
    if publication:
        facts["Public"] = f"version {publication['version']}, {publication['title']}"
        facts["Watch"] = address(publication["urls"]["watch"])
        facts["With AI"] = (publication.get("provenance") or {}).get("summary", "")
    if retraction:
        said = retraction["retracted"]
        facts["Taken down"] = (
            f"version {retraction['version']} by {said['by']}, {local_time(said['at'])} {said['reason']}"
        )
    if candidate:
        facts["Candidate"] = f"{candidate['state']}, of job {candidate['job_id']}"
        facts["Because"] = candidate["why"]
        facts["Frames"] = ", ".join(f"{each['at_seconds']:.1f} s ({each['score']:.2f})" for each in candidate["worst"])
        if candidate["urls"]:
            facts["Look at it"] = address(candidate["urls"]["mp4"])
        if candidate["decided_by"]:
            facts["Decided"] = (
                f"by {candidate['decided_by']}, {local_time(candidate['decided_at'])} {candidate['decision']}"
            )
    if not (publication or candidate or retraction):
        say("Nothing is public, and nothing waits.")
    print_facts({name: value for name, value in facts.items() if value})
    print_copies(asset.get("copies", ()))


def _row(asset: Document) -> tuple[str, ...]:
    version = f"v{asset['version']}" if asset["version"] else "–"
    title = asset["title"] or asset["original_name"]
    return asset["id"], version, local_time(asset["created_at"]), title, asset["waiting"] or ""


def _hit(hit: Document) -> tuple[str, ...]:
    minutes, seconds = divmod(int(hit["start_seconds"]), 60)
    return hit["asset_id"], f"{minutes}:{seconds:02d}", hit["kind"], hit["title"], hit["snippet"]
