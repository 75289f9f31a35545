"""Content Credentials in real files: written, read back, and no longer true after one byte was changed."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from data.domain.errors import CredentialsMissingError, SigningFailedError
from data.domain.provenance import Action, ActionName, Agent, Component, CredentialState, DigitalSource, Part
from tasks.media.certificates import SigningIdentity, read_anchors
from tasks.media.content_credentials import UNTRUSTED, Claim, ClaimedSource, read_credentials, sign, verified
from tasks.media.inspection import has_index_in_front
from tasks.media.local_certificate import AUTHORITY_FILE, LOCAL_NAME, local_identity
from tasks.media.tools import find_tools
from tests.tasks.media.test_certificates import operator_files

TOOLS = find_tools()
DAILIES = Agent(name="Dailies", version="1.2")
OPENED = Action(name=ActionName.OPENED, what="source", description="Taken in.", parts=(Part.PICTURE,), agent=DAILIES)
DUBBED = Action(
    name=ActionName.DUBBED,
    what="voice-over",
    description="A voice reads ünïcode.",
    parts=(Part.SOUND,),
    agent=DAILIES,
    models=(Agent(name="kokoro-82m", version="abc123"),),
    digital_source=DigitalSource.COMPOSITE_WITH_MODEL,
)
CREATED = DUBBED.model_copy(update={"name": ActionName.CREATED, "digital_source": DigitalSource.TRAINED_MODEL})
SOURCE = ClaimedSource("Source", "ab" * 32)
CLAIM = Claim("A title – ünïcode", DAILIES, (OPENED, DUBBED), SOURCE)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> SigningIdentity:
    return local_identity(tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("video") / "video.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart"]
    subprocess.run([TOOLS.ffmpeg, "-v", "error", *inputs, *encode, target], check=True)
    return target


@pytest.fixture
def signed(video: Path, identity: SigningIdentity, tmp_path: Path) -> Path:
    sign(video, tmp_path / "signed.mp4", CLAIM, identity)
    return tmp_path / "signed.mp4"


def decoded(path: Path) -> str:
    command = [TOOLS.ffmpeg, "-v", "error", "-i", path, "-map", "0", "-f", "framemd5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def boxes(path: Path) -> list[str]:
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += size
    return names


def test_what_is_said_is_read_back_with_models_and_signer(signed: Path) -> None:
    found = read_credentials(signed)

    assert (found.state, found.problems) == (CredentialState.UNTRUSTED, (UNTRUSTED,))
    assert found.title == CLAIM.title
    assert [action.name for action in found.actions] == ["c2pa.opened", "c2pa.dubbed"]
    assert found.actions[1].models == ("kokoro-82m abc123",)
    assert found.actions[1].description == "A voice reads ünïcode."
    assert found.actions[1].digital_source == DigitalSource.COMPOSITE_WITH_MODEL.value
    assert found.made_with.startswith("Dailies 1.2")
    assert (found.signer, found.sources, found.signed_at) == (LOCAL_NAME, ("Source",), None)


def test_further_files_are_ingredients_of_the_action_that_placed_them(
    video: Path, identity: SigningIdentity, tmp_path: Path
) -> None:
    import c2pa

    joined = OPENED.model_copy(update={"name": ActionName.PLACED, "what": "joined"})
    mark = joined.model_copy(update={"what": "watermark"})
    components = (
        Component(title="Watermark", sha256="cd" * 32, what="watermark"),
        Component(title="Intro", sha256="ef" * 32, what="joined"),
        Component(title="Outro", sha256="ef" * 32, what="joined"),
    )
    claim = replace(CLAIM, actions=(OPENED, mark, joined), components=components)

    found = sign(video, tmp_path / "signed.mp4", claim, identity)

    assert found.problems == (UNTRUSTED,)
    assert found.sources == ("Source", "Watermark", "Intro", "Outro")
    with (tmp_path / "signed.mp4").open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        document = json.loads(reader.json())
    manifest = document["manifests"][document["active_manifest"]]
    ingredients = {each["label"]: each for each in manifest["ingredients"]}
    assert [each["relationship"] for each in ingredients.values()] == ["parentOf", *["componentOf"] * 3]
    assert [each["instance_id"] for each in ingredients.values()] == [
        f"sha256:{digest * 32}" for digest in ("ab", "cd", "ef", "ef")
    ]
    (said,) = (each["data"] for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    titles = [
        [ingredients[each["url"].rsplit("/", 1)[1]]["title"] for each in action["parameters"]["ingredients"]]
        for action in said["actions"]
    ]
    assert titles == [["Source"], ["Watermark"], ["Intro", "Outro"]]
    assert said["allActionsIncluded"] is True


def test_nothing_is_claimed_of_ai_where_there_was_none(video: Path, identity: SigningIdentity, tmp_path: Path) -> None:
    found = sign(video, tmp_path / "signed.mp4", replace(CLAIM, actions=(OPENED,)), identity)

    assert [action.name for action in found.actions] == ["c2pa.opened"]
    assert found.actions[0].digital_source is None
    assert found.actions[0].models == ()
    assert b"trainedAlgorithmicMedia" not in (tmp_path / "signed.mp4").read_bytes()


def test_what_was_made_of_words_has_no_source(video: Path, identity: SigningIdentity, tmp_path: Path) -> None:
    found = sign(video, tmp_path / "signed.mp4", Claim("Made", DAILIES, (CREATED,)), identity)

    assert found.sources == ()
    assert found.actions[0].digital_source == DigitalSource.TRAINED_MODEL.value


def test_the_frames_are_the_same_and_the_index_stays_in_front(video: Path, signed: Path) -> None:
    assert decoded(signed) == decoded(video)
    assert has_index_in_front(signed)
    assert boxes(signed)[:3] == ["ftyp", "uuid", "moov"]
    assert signed.stat().st_size - video.stat().st_size < 20_000


@pytest.mark.parametrize("place", [0.5, 0.99])
def test_one_changed_byte_is_found(place: float, signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[int(len(data) * place)] ^= 1
    signed.write_bytes(data)

    found = read_credentials(signed)

    assert found.state is CredentialState.CHANGED
    assert "assertion.bmffHash.mismatch" in found.problems


def test_changed_words_are_found(signed: Path) -> None:
    data = signed.read_bytes()
    assert data.count(b"kokoro-82m") == 1
    signed.write_bytes(data.replace(b"kokoro-82m", b"nobody-82m"))

    assert read_credentials(signed).state is CredentialState.CHANGED


def test_what_is_damaged_or_says_something_else_is_not_let_through(signed: Path) -> None:
    with pytest.raises(SigningFailedError, match="says c2pa"):
        verified(signed, replace(CLAIM, actions=(OPENED,)))

    data = bytearray(signed.read_bytes())
    data[-1] ^= 1
    signed.write_bytes(data)
    with pytest.raises(SigningFailedError, match="do not hold"):
        verified(signed, CLAIM)


def test_half_a_manifest_is_a_change(signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    start = data.index(b"jumb")
    data[start : start + 200] = bytes(200)
    signed.write_bytes(data)

    assert read_credentials(signed).state is CredentialState.CHANGED


def test_whoever_trusts_the_authority_trusts_the_file(signed: Path, video: Path, tmp_path: Path) -> None:
    identity = local_identity(tmp_path / "mine")
    sign(video, tmp_path / "mine.mp4", CLAIM, identity)
    anchors = read_anchors(tmp_path / "mine" / AUTHORITY_FILE)

    assert read_credentials(tmp_path / "mine.mp4", anchors).state is CredentialState.TRUSTED
    assert read_credentials(signed, anchors).state is CredentialState.UNTRUSTED


def test_a_source_s_own_credentials_are_taken_over(
    signed: Path, video: Path, identity: SigningIdentity, tmp_path: Path
) -> None:
    target = tmp_path / "again.mp4"
    with signed.open("rb") as content:
        source = replace(SOURCE, media_type="video/mp4", content=content)
        sign(video, target, Claim("Again", DAILIES, (OPENED,), source), identity)

    assert b"kokoro-82m" in target.read_bytes()
    assert read_credentials(target).state is CredentialState.UNTRUSTED


def test_a_source_that_cannot_be_read_is_named_all_the_same(
    video: Path, identity: SigningIdentity, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 100)
    with (tmp_path / "broken.mp4").open("rb") as content:
        source = replace(SOURCE, media_type="video/mp4", content=content)
        found = sign(video, tmp_path / "signed.mp4", replace(CLAIM, source=source), identity)

    assert found.sources == ("Source",)


def test_a_still_is_signed_too(identity: SigningIdentity, tmp_path: Path) -> None:
    still = tmp_path / "still.jpg"
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:d=1", "-frames:v", "1", still]
    subprocess.run(command, check=True)

    found = sign(still, tmp_path / "signed.jpg", CLAIM, identity)

    assert [action.name for action in found.actions] == ["c2pa.opened", "c2pa.dubbed"]
    assert decoded(tmp_path / "signed.jpg") == decoded(still)


def test_files_without_credentials_are_said_to_have_none(video: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing")

    for path in (video, text):
        with pytest.raises(CredentialsMissingError, match="no Content Credentials"):
            read_credentials(path)


def test_a_time_stamp_that_cannot_be_had_is_a_failure_that_may_pass(
    video: Path, identity: SigningIdentity, tmp_path: Path
) -> None:
    asking = replace(identity, timestamp_url="http://127.0.0.1:9/stamp")

    with pytest.raises(SigningFailedError) as failure:
        sign(video, tmp_path / "signed.mp4", CLAIM, asking)
    assert failure.value.retryable


def test_a_certificate_that_has_ended_is_no_change_of_the_bytes_and_is_not_signed_with(
    video: Path, tmp_path: Path
) -> None:
    # What publishing refuses beforehand: the library itself signs with it, and its reader finds fault.
    certificate, key = operator_files(tmp_path, days=-1)
    ended = SigningIdentity(certificate.read_text(), key.read_text(), "es256", "Studio")

    with pytest.raises(SigningFailedError):
        sign(video, tmp_path / "signed.mp4", CLAIM, ended)
