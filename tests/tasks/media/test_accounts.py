from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.errors import CorruptInputError, EncodeFailedError, TruncatedInputError
from data.domain.recipes import Recipe
from tasks.media.accounts import blamed, is_true_copy, verified_frame_count
from tasks.media.arguments import WorkFiles
from tasks.media.conforming import Copied
from tasks.media.measures import Decoded, Encoded, ToolLog
from tasks.media.plan import plan_encode
from tests.fakes.source_facts import source_facts

WORK = WorkFiles(Path("/scratch"))
FACTS = source_facts(duration_seconds=10, packet_count=250)


def verify(decoded: Decoded, encoded: int, facts: SourceFacts = FACTS, **odd_rungs: int) -> int:
    plan = plan_encode(facts, Recipe())
    counts = {rung.spec.name: odd_rungs.get(f"r{rung.spec.name}", encoded) for rung in plan.rungs}
    log = ToolLog(
        decoded={"video": decoded},
        encoded={(str(WORK.rung(name)), "video"): Encoded(frames=count) for name, count in counts.items()},
    )
    return verified_frame_count(log, facts, plan, WORK)


def test_a_whole_source_gives_the_frames_that_it_promised() -> None:
    assert verify(Decoded(250, 250, 0), 250) == 250


def test_half_a_second_may_be_missing_at_the_end() -> None:
    assert verify(Decoded(240, 240, 0), 238) == 238


def test_a_source_that_ends_early_is_truncated() -> None:
    with pytest.raises(TruncatedInputError, match="250 frames and gave 230"):
        verify(Decoded(231, 230, 1), 230, source_facts(duration_seconds=10))


def test_a_source_that_ends_early_with_damage_is_corrupt() -> None:
    with pytest.raises(CorruptInputError):
        verify(Decoded(250, 230, 20), 230)


def test_frozen_pictures_in_place_of_undecodable_ones_are_noticed() -> None:
    with pytest.raises(CorruptInputError, match="Only 120 of 250"):
        verify(Decoded(250, 120, 130), 250)


def test_pictures_that_an_edit_list_hides_are_no_damage() -> None:
    assert verify(Decoded(337, 241, 0), 250) == 250


def test_what_was_decoded_ahead_of_a_part_makes_up_for_no_damage_in_it() -> None:
    facts = source_facts(duration_seconds=60).model_copy(update={"container": "mpegts"})
    plan = plan_encode(facts, Recipe.parse({"edit": {"trim": {"start_seconds": 40, "end_seconds": 50}}}))
    encoded = {(str(WORK.rung(rung.spec.name)), "video"): Encoded(frames=250) for rung in plan.rungs}

    assert verified_frame_count(ToolLog({"video": Decoded(1260, 1250, 0)}, encoded), facts, plan, WORK) == 250
    with pytest.raises(CorruptInputError, match="Only 1000 of 1260"):
        verified_frame_count(ToolLog({"video": Decoded(1260, 1000, 250)}, encoded), facts, plan, WORK)


def test_of_a_sped_up_part_as_much_of_the_source_may_be_missing() -> None:
    plan = plan_encode(FACTS, Recipe.parse({"edit": {"speed": 4}}))

    def encoded(frames: int) -> ToolLog:
        counts = {(str(WORK.rung(rung.spec.name)), "video"): Encoded(frames=frames) for rung in plan.rungs}
        return ToolLog({"video": Decoded(240, 240, 0)}, counts)

    assert plan.frame_count == 62
    assert verified_frame_count(encoded(59), FACTS, plan, WORK) == 59
    with pytest.raises(TruncatedInputError):
        verified_frame_count(encoded(57), FACTS, plan, WORK)


def test_nothing_decoded_is_corrupt() -> None:
    with pytest.raises(CorruptInputError):
        verify(Decoded(250, 0, 250), 0)


def test_fields_that_come_as_packets_of_their_own_are_no_damage() -> None:
    facts = source_facts(duration_seconds=10, packet_count=500, is_interlaced=True)

    assert verify(Decoded(500, 250, 0), 250, facts) == 250


def test_time_stamps_that_start_over_are_corrupt() -> None:
    with pytest.raises(CorruptInputError, match="start over"):
        verify(Decoded(250, 250, 0), 300)


def test_rungs_of_different_length_are_an_encoders_fault() -> None:
    with pytest.raises(EncodeFailedError, match="different numbers"):
        verify(Decoded(250, 250, 0), 250, r240p=249)


@pytest.mark.parametrize(
    ("log", "tail", "expected"),
    [
        (ToolLog(decoded={"video": Decoded(10, 0, 10)}), "Conversion failed!", CorruptInputError),
        (ToolLog(decoded={"video": Decoded(10, 5, 5)}), "Conversion failed!", CorruptInputError),
        (ToolLog(), "Error opening input: Invalid data found when processing input", CorruptInputError),
        (ToolLog(), "Error initializing filters", EncodeFailedError),
    ],
)
def test_a_failure_is_blamed_on_the_source_only_where_the_log_shows_it(
    log: ToolLog, tail: str, expected: type[Exception]
) -> None:
    error = blamed(EncodeFailedError("ffmpeg ended with exit code 1", {"stderr_tail": tail}), log)

    assert type(error) is expected


@pytest.mark.parametrize(("errors", "encoded", "is_true"), [(0, 250, True), (1, 250, False), (0, 249, False)])
def test_a_copy_holds_where_all_was_decoded_and_the_other_rungs_have_as_many_frames(
    errors: int, encoded: int, is_true: bool
) -> None:
    plan = plan_encode(FACTS, Recipe())
    copied = Copied(plan.rungs[0].spec.name, 250, "0", 100)
    names = [rung.spec.name for rung in plan.rungs[1:]]
    log = ToolLog(
        decoded={"video": Decoded(250, 250, errors)},
        encoded={(str(WORK.rung(name)), "video"): Encoded(frames=encoded) for name in names},
    )

    assert is_true_copy(log, plan, WORK, copied) is is_true
