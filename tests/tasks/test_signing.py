"""The files of a candidate carry its provenance, signed, and nothing of the package is touched."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.domain.analysis import AnalysisOptions, AnalysisReport, AnalysisSummary
from data.domain.assets import Asset
from data.domain.errors import SigningMisconfiguredError
from data.domain.provenance import Action, ActionName, Agent, CredentialState, DigitalSource, Part, Provenance
from data.domain.publications import GeneratedArtifacts, Package, PublicationManifest
from data.domain.recipes import Recipe
from data.publishing import is_whole
from data.settings import ProvenanceSettings, Settings
from data.storage import ObjectStore, open_store
from tasks.media.certificates import SigningIdentity
from tasks.media.content_credentials import Claim, read_credentials, sign
from tasks.media.local_certificate import LOCAL_NAME, local_identity
from tasks.media.tools import find_tools
from tasks.provenance import provenance_of
from tasks.publication import annotated_path, assemble_candidate, draft_manifest, release
from tasks.signing import claimed_source, sign_candidate, signing_identity, to_be_signed
from tests.tasks.media.test_certificates import operator_files
from tests.tasks.test_publication import ASSET, CAPTIONS, FILES, package

TOOLS = find_tools()
VOICE = Action(
    name=ActionName.DUBBED,
    what="voice-over",
    description="A voice reads.",
    parts=(Part.SOUND,),
    agent=Agent(name="Dailies"),
    models=(Agent(name="kokoro-82m", version="1"),),
)


@pytest.fixture
def identity(tmp_path: Path) -> SigningIdentity:
    return local_identity(tmp_path / "credentials")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A package with a real MP4 and a real poster, of a real source, and captions beside it."""
    store = open_store(f"file://{tmp_path / 'store'}")
    for name, arguments in {"video.mp4": ["-t", "1", "-c:v", "libx264"], "poster.jpg": ["-frames:v", "1"]}.items():
        made = tmp_path / name
        command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10", *arguments, made]
        subprocess.run(command, check=True)
    real = {name: (tmp_path / name).read_bytes() for name in ("video.mp4", "poster.jpg")}
    for name, content in {**FILES, **real}.items():
        store.put_bytes(content, f"packages/a/k/{name}")
    store.put_bytes(real["video.mp4"], ASSET.source_key)
    store.put_bytes(b"WEBVTT\n", CAPTIONS.vtt_key)
    store.put_bytes(b"", CAPTIONS.srt_key)
    return store


def packaged(store: ObjectStore) -> Package:
    files = {each.key.removeprefix("packages/a/k/"): each.size_bytes for each in store.list("packages/a/k/")}
    return package().model_copy(update={"files": files})


def asset_in(store: ObjectStore) -> Asset:
    found = store.stat(ASSET.source_key)
    assert found is not None
    return ASSET.model_copy(update={"facts": ASSET.facts.model_copy(update={"size_bytes": found.size_bytes})})


def published(
    store: ObjectStore,
    identity: SigningIdentity | None,
    scratch: Path,
    *,
    is_private: bool = False,
    analysis: AnalysisReport | None = None,
) -> PublicationManifest:
    made, asset = packaged(store), asset_in(store)
    artifacts = GeneratedArtifacts(captions=(CAPTIONS,), analysis=analysis)
    facts = provenance_of(asset, made, artifacts, None, lambda name: Agent(name=name))
    facts = facts.model_copy(update={"actions": (facts.actions[0], VOICE, *facts.actions[1:])})
    said = to_be_signed(facts, made, identity, annotated_path(artifacts))
    draft = draft_manifest(asset, made, artifacts, Recipe(), "A title", 1, "job", said)
    scratch.mkdir()
    candidate = assemble_candidate(scratch / "candidate", store, made, artifacts)
    if identity is not None:
        sign_candidate(candidate, draft, identity, claimed_source(asset, store, said, is_private=is_private), scratch)
    return release(store, candidate, made, draft, None)


def test_the_published_mp4_and_poster_say_it_and_so_does_the_manifest(
    store: ObjectStore, identity: SigningIdentity, tmp_path: Path
) -> None:
    manifest = published(store, identity, tmp_path / "scratch")

    assert is_whole(store, manifest)
    assert manifest.provenance is not None
    assert (manifest.provenance.signed, manifest.provenance.signer) == (("video.mp4", "poster.jpg"), LOCAL_NAME)
    assert [each.what for each in manifest.provenance.actions] == ["source", "voice-over", "encoded", "captions"]
    video = read_credentials(store.fetch(manifest.prefix + "video.mp4", tmp_path / "public.mp4"))
    assert [each.name for each in video.actions] == ["c2pa.opened", "c2pa.dubbed", "c2pa.transcoded"]
    poster = read_credentials(store.fetch(manifest.prefix + "poster.jpg", tmp_path / "public.jpg"))
    assert [each.name for each in poster.actions] == ["c2pa.opened", "c2pa.transcoded"]
    assert {video.title, poster.title} == {"A title"}


@pytest.mark.parametrize(("detector", "models"), [("faces", ("centerface 1",)), ("motion", ())])
def test_the_video_into_which_an_analysis_was_drawn_says_so(
    detector: str, models: tuple[str, ...], store: ObjectStore, identity: SigningIdentity, tmp_path: Path
) -> None:
    options = AnalysisOptions.model_validate({"enabled": True, "annotate": True, "detector": detector})
    summary = AnalysisSummary(detector="centerface 1", frame_count=1, size=(16, 9), duration_seconds=1)
    store.put_bytes(store.get_bytes("packages/a/k/video.mp4"), "analysis/a/annotated.mp4")
    report = AnalysisReport(
        key="k", prefix="analysis/a/", options=options, summary=summary, sentences=(), files={"annotated.mp4": 1}
    )

    manifest = published(store, identity, tmp_path / "scratch", analysis=report)

    assert is_whole(store, manifest)
    assert manifest.provenance is not None
    assert manifest.provenance.signed == ("video.mp4", "poster.jpg", "analysis/annotated.mp4")
    found = read_credentials(store.fetch(manifest.prefix + "analysis/annotated.mp4", tmp_path / "public.mp4"))
    assert [each.name for each in found.actions][-2:] == ["c2pa.transcoded", "c2pa.edited"]
    assert (found.actions[-1].models, found.sources) == (models, ("Source",))


def test_the_package_stays_as_it_was(store: ObjectStore, identity: SigningIdentity, tmp_path: Path) -> None:
    before = {each.key: store.get_bytes(each.key) for each in store.list("packages/")}

    manifest = published(store, identity, tmp_path / "scratch")

    assert {each.key: store.get_bytes(each.key) for each in store.list("packages/")} == before
    assert manifest.files["video.mp4"] > len(before["packages/a/k/video.mp4"])


def test_where_nothing_is_signed_the_manifest_says_it_alone(store: ObjectStore, tmp_path: Path) -> None:
    manifest = published(store, None, tmp_path / "scratch")

    assert manifest.provenance is not None
    assert manifest.provenance.signed == ()
    assert manifest.provenance.summary == "voice-over (kokoro-82m); captions (whisper-base)"
    assert store.get_bytes(manifest.prefix + "video.mp4") == store.get_bytes("packages/a/k/video.mp4")


@pytest.mark.parametrize("is_private", [False, True])
def test_credentials_of_the_source_are_taken_over_unless_somebody_is_to_stay_unknown(
    is_private: bool, store: ObjectStore, identity: SigningIdentity, tmp_path: Path
) -> None:
    camera = Action(
        name=ActionName.CREATED,
        what="shot",
        description="Shot by Ann Archer.",
        parts=(Part.PICTURE,),
        agent=Agent(name="A camera"),
        digital_source=DigitalSource.COMPOSED,
    )
    source = store.fetch(ASSET.source_key, tmp_path / "source.mp4")
    sign(source, tmp_path / "shot.mp4", Claim("Raw", Agent(name="Camera", version="1"), (camera,)), identity)
    store.put_file(tmp_path / "shot.mp4", ASSET.source_key)

    manifest = published(store, identity, tmp_path / "scratch", is_private=is_private)

    content = store.get_bytes(manifest.prefix + "video.mp4")
    assert (b"Ann Archer" in content) is not is_private
    found = read_credentials(store.fetch(manifest.prefix + "video.mp4", tmp_path / "public.mp4"))
    assert (found.state, found.sources) == (CredentialState.UNTRUSTED, ("Source",))


class CountedReads:
    """A store that counts the bytes that are read of an object."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.size_bytes = 0

    def read_range(self, key: str, start: int = 0, end_exclusive: int | None = None) -> Iterator[bytes]:
        for chunk in self._store.read_range(key, start, end_exclusive):
            self.size_bytes += len(chunk)
            yield chunk


def test_of_a_source_without_credentials_hardly_anything_is_read(
    store: ObjectStore, identity: SigningIdentity, tmp_path: Path
) -> None:
    video = store.get_bytes(ASSET.source_key)
    filler = (4 << 20).to_bytes(4, "big") + b"free" + bytes((4 << 20) - 8)
    store.put_bytes(video + filler, ASSET.source_key)
    counted, said = CountedReads(store), provenance_of(ASSET, package(), GeneratedArtifacts(), None, Agent)
    source = claimed_source(asset_in(store), counted, said, is_private=False)
    local = store.fetch("packages/a/k/video.mp4", tmp_path / "video.mp4")

    sign(local, tmp_path / "signed.mp4", Claim("T", Agent(name="Dailies"), said.actions, source), identity)

    assert source is not None
    assert 0 < counted.size_bytes < 2 << 20


def test_the_name_of_the_source_is_nobody_s_business(
    store: ObjectStore, identity: SigningIdentity, tmp_path: Path
) -> None:
    manifest = published(store, identity, tmp_path / "scratch")

    assert ASSET.original_name.encode() not in store.get_bytes(manifest.prefix + "video.mp4")


def test_what_was_made_of_words_claims_no_source(store: ObjectStore) -> None:
    made = Provenance(actions=(VOICE.model_copy(update={"name": ActionName.CREATED}),))

    assert claimed_source(ASSET, store, made, is_private=False) is None


def test_the_settings_say_who_signs(tmp_path: Path) -> None:
    certificate, key = operator_files(tmp_path)
    given = ProvenanceSettings(certificate=certificate, private_key=key, timestamp_url="https://time.example")

    studio = signing_identity(Settings(_env_file=None, home=tmp_path, provenance=given))
    ours = signing_identity(Settings(_env_file=None, home=tmp_path))
    nobody = signing_identity(Settings(_env_file=None, home=tmp_path, provenance=ProvenanceSettings(enabled=False)))

    assert studio is not None
    assert (studio.name, studio.timestamp_url) == ("Studio", "https://time.example")
    assert ours is not None
    assert ours.name == LOCAL_NAME
    assert (tmp_path / "credentials" / "signing.pem").is_file()
    assert nobody is None


def test_a_certificate_that_is_not_there_says_which_setting_to_look_at(tmp_path: Path) -> None:
    given = ProvenanceSettings(certificate=tmp_path / "no.pem", private_key=tmp_path / "no.key")

    with pytest.raises(SigningMisconfiguredError, match="DAILIES_PROVENANCE__CERTIFICATE"):
        signing_identity(Settings(_env_file=None, home=tmp_path, provenance=given))
