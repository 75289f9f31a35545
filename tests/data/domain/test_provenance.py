"""What may be said of AI: as much as there was, and no more."""

from data.domain.provenance import Action, ActionName, Agent, DigitalSource, Part, Provenance

OPENED = Action(
    name=ActionName.OPENED, what="source", description="Taken in.", parts=(Part.PICTURE,), agent=Agent(name="Dailies")
)
TRANSCODED = OPENED.model_copy(update={"name": ActionName.TRANSCODED, "what": "encoded"})
CREATED = OPENED.model_copy(
    update={
        "name": ActionName.CREATED,
        "what": "video",
        "models": (Agent(name="wan", version="2"),),
        "digital_source": DigitalSource.TRAINED_MODEL,
    }
)
VOICE = OPENED.model_copy(
    update={
        "name": ActionName.DUBBED,
        "what": "voice-over",
        "parts": (Part.SOUND,),
        "models": (Agent(name="kokoro", version="1"),),
    }
)
CAPTIONS = VOICE.model_copy(update={"what": "captions", "parts": (Part.CAPTIONS,), "models": (Agent(name="whisper"),)})


def test_without_ai_nothing_is_claimed() -> None:
    said = Provenance(actions=(OPENED, TRANSCODED))

    assert (said.is_ai_generated, said.is_ai_edited, said.summary) == (False, False, "")


def test_what_a_model_made_is_generated_and_not_edited() -> None:
    said = Provenance(actions=(CREATED, TRANSCODED))

    assert (said.is_ai_generated, said.is_ai_edited, said.summary) == (True, False, "video (wan)")


def test_what_a_model_changed_is_edited() -> None:
    said = Provenance(actions=(OPENED, VOICE, TRANSCODED))

    assert (said.is_ai_generated, said.is_ai_edited, said.summary) == (False, True, "voice-over (kokoro)")


def test_captions_beside_the_video_change_nothing_in_it_and_are_named() -> None:
    said = Provenance(actions=(OPENED, TRANSCODED, CAPTIONS))

    assert (said.is_ai_generated, said.is_ai_edited, said.summary) == (False, False, "captions (whisper)")
    assert not CAPTIONS.is_in_file


def test_what_is_composed_without_a_model_is_not_generated() -> None:
    composed = CREATED.model_copy(update={"models": (), "digital_source": DigitalSource.COMPOSED})

    assert not Provenance(actions=(composed,)).is_ai_generated


def test_a_still_says_nothing_about_sound() -> None:
    said = Provenance(actions=(OPENED, VOICE, TRANSCODED, CAPTIONS))

    assert said.of_picture().actions == (OPENED, TRANSCODED)
