"""Content Credentials: provenance written into a file, signed, and read back, with the C2PA project's own library.

Only whole files: MP4 and JPEG. The library can check signed CMAF segments but not sign them, so what plays by HLS and
DASH has its facts in the publication manifest alone. Nothing is ever fetched from addresses that a file names. The
library hashes in blocks of 256 MB, two at a time: of a large file it holds as much, for a moment.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from data.domain.errors import CredentialsMissingError, SigningFailedError
from data.domain.provenance import Action, ActionName, Agent, Component, CredentialState, ReadAction, ReadCredentials
from tasks.media.certificates import SigningIdentity

MEDIA_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".m4v": "video/mp4"}
"""Of files that are signed, by suffix."""
UNTRUSTED = "signingCredential.untrusted"
"""C2PA's code for a whole file of a signer whom nobody vouches for."""

_ABOUT_THE_SIGNER = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
"""How the codes of C2PA begin that say nothing against the bytes."""
_MODELS = "org.dailies.models"
_SOURCE = "source"
_QUIET = {
    # An address in somebody's file is no reason to call there, and no thumbnail of ours says more than the video.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},
}


@dataclass(frozen=True)
class ClaimedSource:
    """The file that was taken in, as what was made of it names it."""

    title: str
    sha256: str
    media_type: str = ""
    content: BinaryIO | None = None
    """To take over the credentials that it carries itself; ``None`` leaves them out."""


@dataclass(frozen=True)
class Claim:
    """What is to be said in a file."""

    title: str
    generator: Agent
    actions: tuple[Action, ...]
    source: ClaimedSource | None = None
    """``None`` where there was none: everything was made."""
    components: tuple[Component, ...] = ()
    """Further files in it, each by one of the actions."""


def sign(source: Path, target: Path, claim: Claim, identity: SigningIdentity) -> ReadCredentials:
    """Write a copy of a file that carries a claim, signed; return what a reader then finds in it.

    Picture and sound are not touched: one box (MP4) or segment (JPEG) is put near the beginning.

    Args:
        source: An MP4 or JPEG, told by its suffix.
        target: The new file.
        claim: What to say.
        identity: Who says it.

    Raises:
        SigningFailedError: It was not written, or what was written does not hold.
    """
    import c2pa  # here: it loads a library, and most processes never sign

    media_type = MEDIA_TYPES[target.suffix.lower()]
    try:
        with (
            c2pa.Context.from_dict(_QUIET) as context,
            c2pa.Builder(_document(claim), context=context) as builder,
            c2pa.Signer.from_info(_signer_info(identity)) as signer,
            source.open("rb") as opened,
            target.open("w+b") as made,
        ):
            _add_source(builder, claim.source)
            for label, component in _labelled(claim):
                _add_component(builder, component, label)
            builder.sign(signer, media_type, opened, made)
    except c2pa.C2paError as error:
        raise SigningFailedError(f"Content Credentials could not be written: {error}", {"file": target.name}) from error
    return verified(target, claim)


def verified(path: Path, claim: Claim) -> ReadCredentials:
    """Return the credentials of a file that was just signed, as the library's reader finds them.

    Raises:
        SigningFailedError: They do not hold, or say something else than the claim.
    """
    try:
        found = read_credentials(path)
    except CredentialsMissingError as error:
        raise SigningFailedError(f"{path.name} was signed, and carries no Content Credentials.") from error
    said, named = [action.name for action in found.actions], [each.title for each in claim.components]
    problems = [problem for problem in found.problems if problem != UNTRUSTED]  # which a certificate of our own is
    if said != [action.name.value for action in claim.actions]:
        problems.append(f"it says {', '.join(said) or 'nothing'}")
    if [title for title in found.sources if title in named] != named:
        problems.append(f"it names {', '.join(found.sources) or 'nothing'} as what it was made of")
    if problems:
        raise SigningFailedError(
            f"The Content Credentials of {path.name} do not hold: {'; '.join(problems)}", {"problems": problems}
        )
    return found


def read_credentials(path: Path, anchors_pem: str = "") -> ReadCredentials:
    """Read and check the Content Credentials of a file.

    Args:
        path: A file of any kind that C2PA knows.
        anchors_pem: Certificates of those who are trusted to vouch for a signer.

    Raises:
        CredentialsMissingError: It carries none, or is not of a kind that can.
    """
    import c2pa  # here: it loads a library, and most processes never read

    trust = {"trust": {"trust_anchors": anchors_pem}} if anchors_pem else {}
    with c2pa.Context.from_dict({**_QUIET, **trust}) as context, path.open("rb") as file:
        try:
            with c2pa.Reader(MEDIA_TYPES.get(path.suffix.lower()), file, context=context) as reader:
                return _understood(json.loads(reader.json()))
        except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported) as error:
            message = f"{path.name} carries no Content Credentials."
            raise CredentialsMissingError(message, {"file": path.name}) from error
        except c2pa.C2paError as error:
            return ReadCredentials(state=CredentialState.CHANGED, problems=(str(error),))


def _signer_info(identity: SigningIdentity) -> Any:
    import c2pa

    return c2pa.C2paSignerInfo(
        identity.algorithm.encode(),
        identity.chain_pem.encode(),
        identity.key_pem.encode(),
        identity.timestamp_url.encode() or None,
    )


def _document(claim: Claim) -> dict[str, Any]:
    """Return the claim as the library takes it."""
    actions = [_action(each, _ingredients(each, claim)) for each in claim.actions]
    return {
        "claim_generator_info": [{"name": claim.generator.name, "version": claim.generator.version}],
        "title": claim.title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions, "allActionsIncluded": True}}],
    }


def _labelled(claim: Claim) -> Iterator[tuple[str, Component]]:
    return ((f"component-{number}", each) for number, each in enumerate(claim.components, start=1))


def _ingredients(action: Action, claim: Claim) -> list[str]:
    """Return the labels of the files that an action takes in."""
    labels = [label for label, component in _labelled(claim) if component.what == action.what]
    return [_SOURCE, *labels] if action.name is ActionName.OPENED and claim.source is not None else labels


def _action(action: Action, ingredients: list[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if action.models:
        parameters[_MODELS] = [model.model_dump() for model in action.models]
    if ingredients:
        parameters["ingredientIds"] = ingredients
    said: dict[str, Any] = {
        "action": action.name.value,
        "description": action.description,
        "softwareAgent": {"name": action.agent.name, "version": action.agent.version},
        "digitalSourceType": action.digital_source.value if action.digital_source else None,
        "parameters": parameters,
    }
    return {name: value for name, value in said.items() if value}


def _add_source(builder: Any, source: ClaimedSource | None) -> None:
    """Name the source, and take over its own credentials where it has any that can be read."""
    import c2pa

    if source is None:
        return
    named = {
        "title": source.title,
        "relationship": "parentOf",
        "label": _SOURCE,
        "instance_id": f"sha256:{source.sha256}",
    }
    if source.content is not None:
        source.content.seek(0)
        try:
            builder.add_ingredient(named, source.media_type, source.content)
        except c2pa.C2paError:  # it is damaged, or of no kind that C2PA knows: it has a name all the same
            pass
        else:
            return
    _add_name(builder, named)


def _add_component(builder: Any, component: Component, label: str) -> None:
    """Name a further file by what part it plays, and by its content."""
    named = {
        "title": component.title,
        "relationship": "componentOf",
        "label": label,
        "instance_id": f"sha256:{component.sha256}",
    }
    _add_name(builder, named)


def _add_name(builder: Any, named: dict[str, str]) -> None:
    # Of Matroska the library knows nothing, so it looks for no credentials in it.
    builder.add_ingredient(named, "video/x-matroska", io.BytesIO(b"\0"))


def _understood(document: dict[str, Any]) -> ReadCredentials:
    """Return what the library's reader says in our own words."""
    manifest = document["manifests"][document["active_manifest"]]
    results = document.get("validation_results", {}).get("activeManifest", {})
    problems = tuple(dict.fromkeys(each["code"] for each in results.get("failure", ())))
    signature, generators = manifest.get("signature_info", {}), manifest.get("claim_generator_info", [])
    return ReadCredentials(
        state=_state(problems),
        problems=problems,
        title=manifest.get("title", ""),
        actions=tuple(_read_action(each) for each in _actions(manifest)),
        made_with=", ".join(_agent(each) for each in generators),
        signer=signature.get("common_name", ""),
        issuer=signature.get("issuer", ""),
        signed_at=signature.get("time"),
        sources=tuple(each.get("title", "") for each in manifest.get("ingredients", ())),
    )


def _state(problems: tuple[str, ...]) -> CredentialState:
    if not problems:
        return CredentialState.TRUSTED
    is_whole = all(problem.startswith(_ABOUT_THE_SIGNER) for problem in problems)
    return CredentialState.UNTRUSTED if is_whole else CredentialState.CHANGED


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions", ())
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", ())
    ]


def _read_action(action: dict[str, Any]) -> ReadAction:
    models = (action.get("parameters") or {}).get(_MODELS, ())
    return ReadAction(
        name=action["action"],
        description=action.get("description", ""),
        agent=_agent(action.get("softwareAgent") or {}),
        models=tuple(_agent(model) for model in models),
        digital_source=action.get("digitalSourceType"),
    )


def _agent(said: Any) -> str:
    if isinstance(said, str):  # as C2PA's first version has it
        return said
    return f"{said.get('name', '')} {said.get('version', '')}".strip()
