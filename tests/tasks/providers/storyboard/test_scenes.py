import pytest

from data.domain.generations import GenerationRequest
from tasks.providers.storyboard.scenes import LONGEST_SCENE, clean, scenes_of


def texts(script: str) -> list[str]:
    return [scene.text for scene in scenes_of(GenerationRequest(script=script))]


def test_sentences_become_scenes() -> None:
    assert texts("The bees wake up at dawn. They fly to the red clover! Do they all know the way?") == [
        "The bees wake up at dawn.",
        "They fly to the red clover!",
        "Do they all know the way?",
    ]


def test_short_sentences_share_a_scene() -> None:
    assert texts("Yes. No. It is what it has always been.") == ["Yes. No. It is what it has always been."]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith met Mr. J. R. Jones at 3 p.m. and left.",
        "It costs 3.50 dollars at example.com today.",
        'He cried "Stop!" twice, and nobody listened.',
    ],
)
def test_marks_within_a_sentence_do_not_end_it(sentence: str) -> None:
    assert texts(sentence) == [sentence]


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    parts = texts("When the sun rises over the hills, " * 8 + "they go.")

    assert all(len(part) <= LONGEST_SCENE for part in parts)
    assert all(part.endswith(",") for part in parts[:-1])


@pytest.mark.parametrize("script", ["x" * 1000, "word " * 500, "a, b; " * 300, "東京は大きい。" * 90])
def test_no_scene_is_too_long_and_nothing_is_lost(script: str) -> None:
    parts = texts(script)

    assert all(len(part) <= LONGEST_SCENE + 1 for part in parts)
    assert "".join("".join(parts).split()) == "".join(script.split())


def test_a_bare_prompt_is_its_own_script() -> None:
    (scene,) = scenes_of(GenerationRequest(prompt="A calm morning by the sea"))

    assert (scene.text, scene.is_title, scene.is_said) == ("A calm morning by the sea", True, True)


def test_a_prompt_with_a_script_is_its_title_and_is_not_said() -> None:
    title, first = scenes_of(GenerationRequest(prompt="Bees", script="The bees wake up at dawn, always."))

    assert (title.text, title.is_title, title.is_said) == ("Bees", True, False)
    assert (first.is_title, first.is_said) == (False, True)


@pytest.mark.parametrize("prompt", ["...", "!!! ???", "\u200b\u200b.", "“”"])
def test_nothing_comes_of_nothing(prompt: str) -> None:
    assert list(scenes_of(GenerationRequest(prompt=prompt))) == []


def test_control_characters_and_overrides_are_taken_out() -> None:
    assert clean("a\x00b\x1b[31m\u202ec\u2066d\ne\u00adf") == "a b [31m c d ef"


def test_a_very_long_script_is_read_as_a_stream() -> None:
    request = GenerationRequest(script="The bees wake up at dawn again. " * 6000)

    assert next(iter(scenes_of(request))).text == "The bees wake up at dawn again."
    assert sum(1 for _ in scenes_of(request)) == 6000
