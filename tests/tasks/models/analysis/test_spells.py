from data.domain.analysis import EventKind
from tasks.models.analysis.spells import Spell


def test_what_lasts_is_told_when_it_is_over() -> None:
    spell = Spell(EventKind.BLACK, 0.5)
    told = [spell.look(10 <= frame < 16, frame, frame / 10) for frame in range(20)]

    (event,) = told[16]
    assert (event.kind, event.frame, event.at_seconds, event.value) == ("black", 10, 1.0, 0.6)
    assert not any(told[:16] + told[17:])


def test_what_is_too_short_is_not_told() -> None:
    spell = Spell(EventKind.BLACK, 0.5)

    assert [event for frame in range(20) for event in spell.look(10 <= frame < 14, frame, frame / 10)] == []


def test_what_lasts_to_the_end_is_told_then() -> None:
    spell = Spell(EventKind.FREEZE, 0.5)
    spell.look(False, 0, 0.0)
    spell.look(True, 10, 1.0)

    assert [event.value for event in spell.end(3.0)] == [2.0]
    assert spell.end(4.0) == []
    assert not spell.is_throughout


def test_what_is_so_from_beginning_to_end_is_no_event() -> None:
    spell = Spell(EventKind.BLACK, 0.5)
    told = [event for frame in range(20) for event in spell.look(True, frame, frame / 10)]

    assert told + spell.end(2.0) == []
    assert spell.is_throughout


def test_what_was_never_looked_at_is_not_throughout() -> None:
    spell = Spell(EventKind.BLACK, 0.5)

    assert spell.end(2.0) == []
    assert not spell.is_throughout
