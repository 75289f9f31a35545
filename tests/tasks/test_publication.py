"""A publication is there whole, or it is not there; and the one before it stays until then."""

import hashlib
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from data.domain.assets import Asset, Preparation, SourceFacts, VideoFacts
from data.domain.errors import OutputRefusedError, PublicationConflictError, StoreUnavailableError
from data.domain.findings import Decision, ModerationVerdict
from data.domain.provenance import Action, ActionName, Agent, Part, Provenance
from data.domain.publications import (
    CaptionTrack,
    Chapter,
    EditRecord,
    GateCheck,
    GateReport,
    GeneratedArtifacts,
    Package,
    PosterCandidate,
    PosterChoice,
    PublicationManifest,
    Rendition,
    Retraction,
    SourceMeasures,
    SpriteSheet,
    ToolVersions,
)
from data.domain.recipes import Recipe
from data.publishing import Standing, current_publication, is_whole, standing
from data.storage import ObjectStore, open_store
from tasks.publication import assemble_candidate, draft_manifest, refuse_unfit, release, why_held
from tests.fakes.failing_store import FailingStore
from tests.fakes.sightings import store_report

MASTER = """#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="avc1.64001f",RESOLUTION=426x240
240p.m3u8
"""
MPD = """<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period id="0">
<AdaptationSet id="1" contentType="video"/></Period></MPD>
"""
FILES = {
    "240p.mp4": b"picture" * 100,
    "240p.m3u8": b"#EXTM3U\n240p.mp4\n",
    "master.m3u8": MASTER.encode(),
    "manifest.mpd": MPD.encode(),
    "video.mp4": b"progressive" * 100,
    "poster.jpg": b"plain poster",
    "sprite.jpg": b"sprite",
    "thumbnails.vtt": b"WEBVTT\n",
    "candidates/01.jpg": b"a frame",
}
FACTS = SourceFacts(
    container="mov,mp4",
    duration_seconds=10,
    size_bytes=1000,
    video=VideoFacts(
        stream_index=0,
        codec="h264",
        width=426,
        height=240,
        coded_width=426,
        coded_height=240,
        frame_rate=Fraction(25),
    ),
)
ASSET = Asset(id="a" * 24, sha256="a" * 64, source_key="sources/aa/a", original_name="clip.mp4", facts=FACTS)
CAPTIONS = CaptionTrack(
    language="en",
    label="English",
    vtt_key="artifacts/a/captions.vtt",
    srt_key="artifacts/a/captions.srt",
    transcript_key="artifacts/a/transcript.json",
    word_count=2,
    cue_count=1,
    model="whisper-base",
)
POSTER = PosterChoice(
    key="artifacts/a/poster.jpg", at_seconds=3, width=426, height=240, face_count=1, sharpness=9, reason="A face."
)
ARTIFACTS = GeneratedArtifacts(
    captions=(CAPTIONS,),
    chapters=(
        Chapter(start_seconds=0, end_seconds=5, title="One"),
        Chapter(start_seconds=5, end_seconds=10, title="Two"),
    ),
    poster=POSTER,
)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path / 'store'}")
    for name, content in FILES.items():
        store.put_bytes(content, f"packages/a/k/{name}")
    store.put_bytes(b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello there\n", CAPTIONS.vtt_key)
    store.put_bytes(b"1\n00:00:00,000 --> 00:00:01,000\nHello there\n", CAPTIONS.srt_key)
    store.put_bytes(b"chosen poster", POSTER.key)
    return store


def package() -> Package:
    rendition = Rendition(
        name="240p",
        width=426,
        height=240,
        frame_rate="25",
        size_bytes=700,
        average_kbps=300,
        frame_count=250,
        codec="avc1.64001f",
        media_prefix="240p/",
        playlist_path="240p.m3u8",
    )
    return Package(
        asset_id=ASSET.id,
        key="k",
        prefix="packages/a/k/",
        duration_seconds=10,
        renditions=(rendition,),
        audio=None,
        mp4_path="video.mp4",
        poster_path="poster.jpg",
        poster_at_seconds=1,
        poster_candidates=(PosterCandidate(path="candidates/01.jpg", at_seconds=1, score=1),),
        sprite=SpriteSheet(
            image_path="sprite.jpg",
            vtt_path="thumbnails.vtt",
            tile_width=160,
            tile_height=90,
            columns=1,
            count=1,
            interval_seconds=1,
        ),
        measures=SourceMeasures(decoded_frames=250, black_share=0),
        tools=ToolVersions(ffmpeg="9", packager="3", encoder_threads=0),
        files={name: len(content) for name, content in FILES.items()},
    )


def publish(
    store: ObjectStore, scratch: Path, job: str = "job-one", artifacts: GeneratedArtifacts = ARTIFACTS
) -> PublicationManifest:
    current, etag = current_publication(store, ASSET.id)
    version = current.version + 1 if current else 1
    draft = draft_manifest(ASSET, package(), artifacts, Recipe(), "A title", version, job)
    candidate = assemble_candidate(scratch, store, package(), artifacts)
    return release(store, candidate, package(), draft, etag)


def test_a_publication_holds_every_file_that_it_names(store: ObjectStore, tmp_path: Path) -> None:
    manifest = publish(store, tmp_path / "one")

    assert is_whole(store, manifest)
    assert current_publication(store, ASSET.id)[0] == manifest
    added = {"captions-en.vtt", "captions-en.srt", "captions-en.m3u8", "chapters.vtt"}
    assert set(manifest.files) == (set(FILES) | added) - {"candidates/01.jpg"}
    assert store.get_bytes(manifest.prefix + "poster.jpg") == b"chosen poster"
    assert 'SUBTITLES="subs"' in store.get_bytes(manifest.prefix + "master.m3u8").decode()
    assert "captions-en.vtt" in store.get_bytes(manifest.prefix + "manifest.mpd").decode()


def test_publishing_does_not_change_the_package(store: ObjectStore, tmp_path: Path) -> None:
    publish(store, tmp_path / "one")

    assert {name: store.get_bytes(f"packages/a/k/{name}") for name in FILES} == FILES


def test_a_store_that_fails_at_any_write_leaves_the_last_publication(store: ObjectStore, tmp_path: Path) -> None:
    before = publish(store, tmp_path / "before")
    counting = FailingStore(store, fails_at=-1)
    last = publish(counting, tmp_path / "count", job="job-count")
    assert counting.writes == len(last.files) + 1

    for number in range(1, counting.writes + 1):
        failing = FailingStore(store, fails_at=number)
        with pytest.raises(StoreUnavailableError):
            publish(failing, tmp_path / f"fail-{number}", job=f"job-{number:04d}")
        assert current_publication(store, ASSET.id)[0] == last

    assert is_whole(store, last)
    assert is_whole(store, before)
    prefixes = {stored.key.split("/")[2] for stored in store.list(f"publications/{ASSET.id}/v")}
    assert prefixes == {before.prefix.split("/")[2], last.prefix.split("/")[2]}


def test_of_two_publishers_one_is_told_to_try_again(store: ObjectStore, tmp_path: Path) -> None:
    _, etag = current_publication(store, ASSET.id)
    winner = publish(store, tmp_path / "winner", job="winner")
    draft = draft_manifest(ASSET, package(), ARTIFACTS, Recipe(), "Late", 1, "latecomer")
    candidate = assemble_candidate(tmp_path / "late", store, package(), ARTIFACTS)

    with pytest.raises(PublicationConflictError):
        release(store, candidate, package(), draft, etag)

    assert current_publication(store, ASSET.id)[0] == winner
    assert is_whole(store, winner)


def test_a_version_that_is_held_is_written_whole_and_not_switched_to(store: ObjectStore, tmp_path: Path) -> None:
    before = publish(store, tmp_path / "before")
    now = standing(store, ASSET.id)
    draft = draft_manifest(ASSET, package(), ARTIFACTS, Recipe(), "Held", now.next_version, "held")
    candidate = assemble_candidate(tmp_path / "held", store, package(), ARTIFACTS)

    held = release(store, candidate, package(), draft.model_copy(update={"held_because": "Look."}), now.etag)

    assert held.awaits_review
    assert is_whole(store, held)
    assert current_publication(store, ASSET.id)[0] == before


@pytest.mark.parametrize(("score", "is_held"), [(0.49, False), (0.5, True), (0.93, True)])
def test_a_score_from_the_threshold_on_holds_publication(score: float, is_held: bool) -> None:
    verdict = ModerationVerdict(score=score, threshold=0.5, frame_count=3, worst=(), report_key="r", model="m")

    why = why_held(ARTIFACTS.model_copy(update={"moderation": verdict}), Standing(), Recipe())

    assert bool(why) is is_held


def test_what_a_person_took_down_is_held() -> None:
    said = Decision(by="Ann", at=datetime(2026, 5, 1, tzinfo=UTC), reason="Rights.")
    now = Standing(retraction=Retraction(asset_id=ASSET.id, version=3, retracted=said))

    assert why_held(ARTIFACTS, now, Recipe()) == "Ann took version 3 down on 2026-05-01: Rights."
    assert now.next_version == 4


def test_captions_in_two_languages_are_two_tracks_of_every_playlist(store: ObjectStore, tmp_path: Path) -> None:
    spoken = CAPTIONS.model_copy(update={"language": "de", "label": "Deutsch"})
    translated = CAPTIONS.model_copy(update={"label": "English (translated)", "is_translation": True})
    manifest = publish(
        store, tmp_path / "two", artifacts=ARTIFACTS.model_copy(update={"captions": (spoken, translated)})
    )

    master = store.get_bytes(manifest.prefix + "master.m3u8").decode()
    mpd = store.get_bytes(manifest.prefix + "manifest.mpd").decode()
    assert [(track.language, track.is_translation) for track in manifest.captions] == [("de", False), ("en", True)]
    subtitles = [line for line in master.splitlines() if "TYPE=SUBTITLES" in line]
    assert ['LANGUAGE="de"' in subtitles[0], 'NAME="English (translated)"' in subtitles[1]] == [True, True]
    assert all(f"captions-{language}.vtt" in mpd for language in ("de", "en"))


def test_the_same_content_has_the_same_key_and_another_title_another() -> None:
    drafts = [draft_manifest(ASSET, package(), ARTIFACTS, Recipe(), title, 1, "job") for title in ("A", "A", "B")]

    assert drafts[0].content_key == drafts[1].content_key
    assert drafts[0].content_key != drafts[2].content_key


def test_a_refused_candidate_says_why() -> None:
    gate = GateReport(checks=(GateCheck(name="duration", outcome="refused", detail="5 s instead of 10 s"),))

    with pytest.raises(OutputRefusedError, match="5 s instead of 10 s"):
        refuse_unfit(gate)


def test_publications_from_before_provenance_are_still_read(store: ObjectStore, tmp_path: Path) -> None:
    manifest = publish(store, tmp_path / "old")
    older = manifest.model_dump(mode="json", exclude={"provenance"})

    assert PublicationManifest.model_validate(older).provenance is None


def test_what_is_said_of_its_provenance_is_part_of_what_is_published() -> None:
    said = Provenance(actions=())
    drafts = [draft_manifest(ASSET, package(), ARTIFACTS, Recipe(), "A", 1, "job", each) for each in (None, said, said)]

    assert drafts[0].content_key != drafts[1].content_key
    assert drafts[1].content_key == drafts[2].content_key


def test_what_was_found_is_published_with_the_video(store: ObjectStore, tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    report = store_report(store, "artifacts/a/analysis/k/one/", found)

    manifest = publish(store, tmp_path / "one", artifacts=GeneratedArtifacts(analysis=report))

    assert is_whole(store, manifest)
    assert manifest.analysis is not None
    assert set(manifest.analysis.paths) == set(report.files)
    assert {name: manifest.files[path] for name, path in manifest.analysis.paths.items()} == report.files
    assert manifest.analysis.options == report.options


def test_without_an_analysis_the_content_key_is_what_it_was() -> None:
    plain = draft_manifest(ASSET, package(), GeneratedArtifacts(), Recipe(), "", 1, "job-1")

    artifacts = GeneratedArtifacts().model_dump_json(exclude={"analysis"})
    parts = [package().key, artifacts, Recipe().gate.model_dump_json(), ASSET.original_name]
    assert plain.content_key == hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def prepared(*done: str) -> Asset:
    agent = Agent(name="Dailies")
    actions = tuple(
        Action(name=ActionName.EDITED, what=what, description=what, parts=(Part.PICTURE,), agent=agent) for what in done
    )
    preparation = Preparation(key="p", media_key="m", facts=FACTS, sound_content="s", actions=actions)
    return ASSET.model_copy(update={"preparation": preparation})


def notes(asset: Asset, **recipe: Any) -> tuple[str, ...]:
    edited = package().model_copy(update={"edit": EditRecord(digest="e", duration_seconds=10)})
    return draft_manifest(asset, edited, GeneratedArtifacts(), Recipe.parse(recipe), "", 1, "job").notes


def test_what_was_prepared_before_edits_is_said_to_keep_to_the_sources_clock() -> None:
    both = prepared("captions in the picture", "voice-over", "reframed")

    assert notes(both, edit={"trim": {"start_seconds": 2}}) == (
        "Captions in the picture and voice-over came before the edits: by the source's clock, and edited with it.",
    )
    assert notes(prepared("reframed"), edit={"speed": 2}) == ()
    assert notes(ASSET, edit={"speed": 2}) == ()


def test_faces_in_clips_that_come_in_by_edits_are_said_not_to_be_hidden() -> None:
    hidden, faces = prepared("faces hidden"), {"enabled": True, "other_clips": "show"}

    assert notes(hidden, anonymise=faces, edit={"join": {"intro": "/in/intro.mp4"}}) == (
        "Faces were hidden in the source alone, not in the clips that are joined to it or shown in it.",
    )
    assert notes(hidden, anonymise=faces, edit={"watermark": {"text": "Draft"}}) == ()
