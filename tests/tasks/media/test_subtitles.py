from data.domain.recipes import BurnInOptions, CaptionOptions
from tasks.media.captions import Cue, Word
from tasks.media.subtitles import burned_in_cues, to_ass

WORDS = (Word("Hello", 1.0, 1.4), Word("there,", 1.5, 2.0), Word("world.", 2.0, 2.6))
CUE = Cue(0.9, 3.0, (WORDS[:2], WORDS[2:]))


def events(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Dialogue")]


def test_each_word_fills_while_it_is_spoken() -> None:
    [event] = events(to_ass((CUE,), BurnInOptions(style="karaoke"), (1280, 720)))

    assert event.startswith("Dialogue: 0,0:00:00.90,0:00:03.00,Spoken")
    assert event.endswith(r",,{\k10}{\kf40}Hello {\k10}{\kf50}there,\N{\kf60}world.")


def test_plain_captions_have_no_commands() -> None:
    [event] = events(to_ass((CUE,), BurnInOptions(style="plain"), (1280, 720)))

    assert event.endswith(r",,Hello there,\Nworld.")


def test_what_is_said_is_never_a_command() -> None:
    cue = Cue(0, 1, ((Word(r"{\b1}\N", 0, 1),),))

    [event] = events(to_ass((cue,), BurnInOptions(style="plain"), (1280, 720)))

    assert "{" not in event
    assert "\\" not in event


def test_colours_are_those_that_were_asked_for() -> None:
    text = to_ass((), BurnInOptions(style="karaoke", text_rgb="#112233", spoken_rgb="#AABBCC"), (1280, 720))

    style = next(line for line in text.splitlines() if line.startswith("Style"))
    assert style.split(",")[3:5] == ["&H00CCBBAA", "&H00332211"]


def test_an_upright_picture_gets_shorter_lines() -> None:
    words = [Word(f"word{index}", index * 0.3, index * 0.3 + 0.3) for index in range(40)]
    options = BurnInOptions(style="plain", size=0.08)

    upright = burned_in_cues(words, options, CaptionOptions(), (404, 720), 20.0)
    wide = burned_in_cues(words, options, CaptionOptions(), (1280, 720), 20.0)

    assert max(len(line) for cue in upright for line in cue.lines) <= 27
    assert max(len(line) for cue in wide for line in cue.lines) > 30
