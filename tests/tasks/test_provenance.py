"""What is said of a publication follows from what is on record about how it was made, and from nothing else."""

from datetime import UTC, datetime
from typing import Any

from data.domain.assets import Preparation
from data.domain.edits import EditOptions
from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.ledger import Generation, Subject
from data.domain.provenance import Action, ActionName, Agent, DigitalSource, Part, Provenance
from data.domain.publications import AudioRendition, EditRecord, GeneratedArtifacts, KeptPart
from tasks.provenance import edited, provenance_of
from tests.tasks.test_publication import ASSET, CAPTIONS, package

SOUND = AudioRendition(
    channels=2,
    sample_rate_hz=48_000,
    size_bytes=1,
    average_kbps=128,
    codec="mp4a.40.2",
    media_prefix="audio/",
    playlist_path="audio.m3u8",
)
HIDDEN = Action(
    name=ActionName.EDITED,
    what="faces hidden",
    description="Faces were hidden in 20 of 20 frames, at most 1 at a time.",
    parts=(Part.PICTURE,),
    agent=Agent(name="Dailies", version="prepare-1"),
    models=(Agent(name="centerface", version="abc"),),
)


def agent_of(name: str) -> Agent:
    return Agent(name=name, version="1")


def said(
    made: Generation | None = None,
    preparation: Preparation | None = None,
    artifacts: GeneratedArtifacts | None = None,
) -> Provenance:
    asset = ASSET.model_copy(update={"preparation": preparation})
    return provenance_of(asset, package(), artifacts or GeneratedArtifacts(), made, agent_of)


def generation(engine: str, details: dict[str, Any], model: str = "") -> Generation:
    return Generation(
        id="g",
        key="k",
        request_digest="d",
        idempotency_key="i",
        subject=Subject(job_id="j"),
        provider="mine",
        engine=engine,
        model=model,
        capability=Capability.TEXT_TO_VIDEO,
        state=GenerationState.STORED,
        request=GenerationRequest(prompt="A fox."),
        details=details,
        created_at=datetime.now(UTC),
    )


def prepared(**values: Any) -> Preparation:
    return Preparation(key="p", media_key="m", facts=ASSET.facts, sound_content=ASSET.sha256, **values)


def test_without_ai_a_file_was_taken_in_and_encoded() -> None:
    found = said()

    assert [action.name for action in found.actions] == [ActionName.OPENED, ActionName.TRANSCODED]
    assert not any(action.models or action.digital_source for action in found.actions)
    assert found.actions[1].agent == Agent(name="ffmpeg", version="9")
    assert found.actions[1].parts == (Part.PICTURE,)


def test_what_a_model_made_names_it() -> None:
    found = said(generation("diffusers", {"model": "Wan2.1", "model_sha256": "0123456789abcdef"}))

    created = found.actions[0]
    assert created.name is ActionName.CREATED
    assert created.digital_source is DigitalSource.TRAINED_MODEL
    assert created.models == (Agent(name="Wan2.1", version="0123456789ab"),)
    assert found.is_ai_generated
    assert "from words by" in created.description


def test_a_picture_that_was_set_in_motion_is_told() -> None:
    made = generation("openai-videos", {"model": "sora"}).model_copy(update={"capability": Capability.IMAGE_TO_VIDEO})

    assert "from words and a picture by sora" in said(made).actions[0].description


def test_a_service_is_named_by_its_model_and_a_workflow_by_its_digest() -> None:
    service = said(generation("openai-videos", {"model": "sora", "provider_id": "x"}))
    workflow = said(generation("comfyui", {"workflows": {"text_to_video": "f" * 64}}))
    nothing = said(generation("other", {}))

    assert service.summary == "video (sora)"
    assert workflow.actions[0].models == (Agent(name="workflow of mine", version="f" * 12),)
    assert nothing.summary == "video (mine)"


def test_a_storyboard_is_composed_and_only_its_voice_is_made_by_a_model() -> None:
    models = {"centerface": "centerface-aa", "kokoro-82m": "kokoro-82m-bb", "barlow": "barlow-cc"}
    spoken = said(generation("storyboard", {"version": "storyboard-1", "models": models, "voice": "af_heart"}))
    silent = said(generation("storyboard", {"version": "storyboard-1", "models": models, "voice": None}))

    assert spoken.actions[0].digital_source is DigitalSource.COMPOSITE_WITH_MODEL
    assert spoken.actions[0].models == (Agent(name="kokoro-82m", version="bb"), Agent(name="centerface", version="aa"))
    assert silent.actions[0].digital_source is DigitalSource.COMPOSED
    assert silent.actions[0].models == (Agent(name="centerface", version="aa"),)
    assert (spoken.is_ai_generated, silent.is_ai_generated) == (True, False)


def test_what_was_prepared_comes_between_source_and_encode() -> None:
    found = said(preparation=prepared(notes=(HIDDEN.description,), actions=(HIDDEN,)))

    assert [action.what for action in found.actions] == ["source", "faces hidden", "encoded"]
    assert found.is_ai_edited


def test_a_preparation_that_changed_nothing_is_not_mentioned() -> None:
    found = said(preparation=prepared(notes=("Not upscaled: 720 pixels are enough.",), actions=()))

    assert [action.what for action in found.actions] == ["source", "encoded"]


def test_of_an_older_preparation_its_notes_are_told() -> None:
    found = said(preparation=prepared(notes=("No faces were found.", "Reframed to 9:16.", "Not upscaled.")))

    assert [action.description for action in found.actions[1:-1]] == ["Reframed to 9:16."]


def test_captions_and_translations_name_their_model_and_are_not_in_the_video() -> None:
    translated = CAPTIONS.model_copy(update={"is_translation": True, "label": "English (translated)"})
    found = said(artifacts=GeneratedArtifacts(captions=(CAPTIONS, translated)))

    written, translation = found.actions[2:]
    assert (written.name, translation.name) == (ActionName.ADDED_TEXT, ActionName.TRANSLATED)
    assert written.models == (Agent(name="whisper-base", version="1"),)
    assert not written.is_in_file
    assert not found.is_ai_edited
    assert found.summary == "captions (whisper-base); translation (whisper-base)"


def test_a_watermark_of_text_is_text_also_once_it_was_drawn_and_taken_in() -> None:
    written = EditOptions.model_validate({"watermark": {"text": "Draft"}})

    (action,) = edited(written.addressed({}, f"sha256:{'a' * 64}"))

    assert (action.name, action.description) == (ActionName.ADDED_TEXT, "A text was laid over it, to be seen.")


def test_edits_are_told_and_are_no_ai() -> None:
    edits = EditOptions.model_validate(
        {
            "trim": {"start_seconds": 1.5},
            "deinterlace": "always",
            "stabilise": True,
            "crop": {"left": 0.1, "width": 0.5},
            "rotate": {"degrees": 90},
            "speed": 2,
            "canvas": {"aspect_ratio": "1:1"},
            "picture_in_picture": {"source": "/a.mp4"},
            "watermark": {"text": "Draft"},
            "sound": {"mode": "replace", "source": "/c.mp3"},
            "fade": {"in_seconds": 1},
            "join": {"outro": "/b.mp4"},
            "loudness": {"target_lufs": -14},
        }
    )

    heard = package().model_copy(update={"audio": SOUND})

    found = provenance_of(ASSET, heard, GeneratedArtifacts(), None, agent_of, edits)

    assert [action.what for action in found.actions[1:-1]] == [
        "trimmed",
        "de-interlaced",
        "stabilised",
        "cropped",
        "rotated",
        "speed",
        "canvas",
        "picture in picture",
        "watermark",
        "sound replaced",
        "fades",
        "joined",
        "loudness",
    ]
    assert found.actions[1].description == "Kept from 1.5 s to its end."
    assert (found.is_ai_edited, found.summary) == (False, "")
    assert edited(EditOptions()) == ()


def test_further_files_are_named_by_their_part_and_content() -> None:
    edits = EditOptions.model_validate(
        {
            "picture_in_picture": {"source": "/pip.mp4"},
            "watermark": {"source": "/logo.png"},
            "sound": {"mode": "mix", "source": "/music.mp3"},
            "join": {"intro": "/both.mp4", "append": ["/more.mp4"], "outro": "/both.mp4"},
        }
    )
    taken_in = edits.addressed({source: f"sha256:{source[1]}" for source in edits.sources})

    found = provenance_of(ASSET, package(), GeneratedArtifacts(), None, agent_of, taken_in)

    placed = {action.what for action in found.actions if action.name is ActionName.PLACED}
    assert placed == {each.what for each in found.components}
    assert [(each.title, each.sha256) for each in found.components] == [
        ("Picture in picture", "p"),
        ("Watermark", "l"),
        ("Sound", "m"),
        ("Intro", "b"),
        ("Further clip", "m"),
        ("Outro", "b"),
    ]
    assert "Sound" not in [each.title for each in found.of_picture().components]


def test_a_drawn_text_is_no_file_of_anybody_s() -> None:
    drawn = EditOptions.model_validate({"watermark": {"text": "Draft"}}).addressed({}, f"sha256:{'a' * 64}")

    assert provenance_of(ASSET, package(), GeneratedArtifacts(), None, agent_of, drawn).components == ()


def test_of_a_video_without_sound_no_loudness_is_said_to_be_set() -> None:
    edits = EditOptions.model_validate({"sound": {"mode": "mute"}, "loudness": {"target_lufs": -14}})

    found = provenance_of(ASSET, package(), GeneratedArtifacts(), None, agent_of, edits)

    assert [action.what for action in found.actions[1:-1]] == ["sound muted"]


def test_what_has_no_effect_is_not_said_to_have_been_done() -> None:
    idle = {"canvas": {"pad_rgb": "#FFFFFF"}, "watermark": {"position": "top"}, "fade": {"in_seconds": 1}}

    assert [action.what for action in edited(EditOptions.model_validate(idle))] == ["fades"]


def test_a_cut_at_a_keyframe_is_said_with_the_ends_that_it_has() -> None:
    edits = EditOptions.model_validate({"trim": {"start_seconds": 3, "end_seconds": 4, "cut": "keyframe"}})
    kept = KeptPart(start_seconds=2.5, end_seconds=4.04, cut="keyframe")
    cut = package().model_copy(update={"edit": EditRecord(digest="d", duration_seconds=1.54, kept=kept)})

    found = provenance_of(ASSET, cut, GeneratedArtifacts(), None, agent_of, edits)

    assert found.actions[1].description == "Kept from 2.5 s to 4.04 s."
