import pytest

from tasks.models.speaking import spoken_words


def said(text: str) -> str:
    return " ".join(word.said for word in spoken_words(text) if word.said)


@pytest.mark.parametrize(
    ("written", "aloud"),
    [
        ("In 1999, she left.", "In 19 99 she left"),
        ("the 1900s and 2005", "the 19 hundreds and 2005"),
        ("It cost $12.50 then", "It cost 12 dollars 50 then"),
        ("a $3 million grant", "a 3 million dollars grant"),
        ("£1 or €20", "1 pound or 20 euros"),
        ("1,250 people", "1250 people"),
        ("Dr. Smith & Co.", "doctor Smith and Co"),
        ("at 10:05am", "at 10 oh 5 a m"),
        ("5-10 minutes", "5 to 10 minutes"),
        ("visit example.com", "visit example dot com"),
        ("50% off", "50 percent off"),
        ("“Quoted” (really)", "Quoted really"),
        ("café naïve", "café naïve"),
    ],
)
def test_what_is_written_is_read_aloud_as_a_person_would(written: str, aloud: str) -> None:
    assert said(written) == aloud


def test_every_written_word_is_kept_as_it_is_written() -> None:
    text = "“In 1999,” — he paid $5! 🎉 東京"

    assert [word.written for word in spoken_words(text)] == text.split()


def test_what_no_english_voice_can_say_is_not_said() -> None:
    assert said("🎉 東京 Привет مرحبا {\\an8}") == "an8"


def test_marks_are_heard() -> None:
    assert [word.mark for word in spoken_words("Well, stop! Why? Because... it — ends.”")] == [
        ",",
        "!",
        "?",
        "…",
        "",
        "—",
        ".",
    ]
