from itertools import pairwise

from data.domain.findings import SeenText, TextBox
from data.domain.passages import PassageKind
from data.search.passages import MAX_CHARACTERS, MAX_SECONDS, shown_passages, spoken_passages

BOX = TextBox(left=0, top=0, width=1, height=0.1)


def cues(count: int, text: str = "Some words of a sentence") -> list[tuple[str, float, float]]:
    return [(text + ("." if n % 3 == 2 else ","), 3.0 * n, 3.0 * n + 2.5) for n in range(count)]


def test_passages_hold_every_cue_once_and_keep_their_limits() -> None:
    spoken = cues(50)

    passages = spoken_passages(spoken, "en")

    assert " ".join(passage.text for passage in passages) == " ".join(text for text, _, _ in spoken)
    assert all(passage.end_seconds - passage.start_seconds <= MAX_SECONDS for passage in passages)
    assert all(len(passage.text) <= MAX_CHARACTERS + 30 for passage in passages)
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(passages))
    assert all(passage.text.endswith(".") for passage in passages[:-1])


def test_one_cue_that_is_too_long_is_a_passage_of_its_own() -> None:
    (long, short) = spoken_passages([("word " * 200, 0, 40), ("Next.", 40, 41)], "en")

    assert (long.end_seconds, short.text) == (40, "Next.")


def test_lines_that_come_up_together_are_read_together() -> None:
    lines = [
        SeenText(text=text, start_seconds=at, end_seconds=at + 4, box=BOX, confidence=1)
        for text, at in (("Jane Doe", 1.0), ("Correspondent", 1.5), ("Weather", 20.0))
    ]

    passages = shown_passages(lines)

    assert [(passage.text, passage.start_seconds) for passage in passages] == [
        ("Jane Doe Correspondent", 1.0),
        ("Weather", 20.0),
    ]
    assert {passage.kind for passage in passages} == {PassageKind.TEXT}
