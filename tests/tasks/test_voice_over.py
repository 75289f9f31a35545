from pathlib import Path

from tasks.media.captions import Word
from tasks.voice_over import SpokenText


def test_of_a_part_of_a_video_only_the_words_in_it_are_told_by_its_own_clock() -> None:
    words = (Word("Before", 1.0, 1.5), Word("within", 4.0, 4.5, joins_previous=True), Word("after", 8.0, 8.5))
    spoken = SpokenText(Path("voice.wav"), 8.5, words)

    heard = spoken.transcript(4.0, 3.0)

    assert heard.words == (Word("within", 1.0, 1.5, joins_previous=True),)
    assert spoken.transcript(10.0).words == words


def test_of_a_part_it_is_told_how_many_of_the_words_are_heard() -> None:
    spoken = SpokenText(Path("voice.wav"), 8.5, tuple(Word("word", at, at + 0.5) for at in (1.0, 4.0, 8.0)))

    assert spoken.words_told(0, None) == "3 words"
    assert spoken.words_told(2.0, 8.0) == "1 of 3 words"
    assert spoken.words_told(9.0, None) == "0 of 3 words"
