from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from data.domain.recipes import Recipe
from tasks.media.chunks import SOUND, Chunk, black_seconds, planned_chunks, planned_pieces, why_untrue_joint, why_whole
from tasks.media.codecs import H264
from tasks.media.plan import EncodePlan, plan_encode
from tests.fakes.source_facts import source_facts


def planned(seconds: float, rate: Fraction = Fraction(25), segment_seconds: float = 4.0) -> EncodePlan:
    """The plan of a source of a length and a rate."""
    recipe = Recipe.parse({"video": {"segment_seconds": segment_seconds, "max_frame_rate": 120}})
    plan = plan_encode(source_facts(), recipe)
    return replace(plan, frame_rate=rate, frame_count=round(seconds * rate))


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1, 2)])
@pytest.mark.parametrize("seconds", [1201, 1234.5, 3601, 10800])
@pytest.mark.parametrize("segment_seconds", [4.0, 1.5, 6.006])
def test_every_frame_is_in_exactly_one_chunk(rate: Fraction, seconds: float, segment_seconds: float) -> None:
    plan = planned(seconds, rate, segment_seconds)

    chunks = planned_chunks(plan, 600)

    assert chunks[0].first_frame == 0
    assert chunks[-1].frame_count is None
    for before, after in pairwise(chunks):
        assert before.frame_count is not None
        assert before.first_frame + before.frame_count == after.first_frame
    assert sum(chunk.expected_frames for chunk in chunks) == plan.frame_count
    assert min(chunk.expected_frames for chunk in chunks) >= segment_seconds * rate - 1


def test_chunks_begin_where_segments_of_the_whole_begin() -> None:
    rate = Fraction(30000, 1001)

    chunks = planned_chunks(planned(1300, rate), 600)

    assert len(chunks) == 2
    # The first frame at or after 648 s, the 162nd segment.
    assert chunks[1].first_frame == 19421
    assert 19420 / rate < 648 <= 19421 / rate
    assert chunks[1].first_segment == 162
    assert chunks[1].keyframe_times == "expr:gte(t+0.014034333,n_forced*4)"


def test_chunks_are_of_about_the_same_length_and_never_shorter_than_asked_by_more_than_a_segment() -> None:
    lengths = [chunk.expected_seconds for chunk in planned_chunks(planned(1799), 600)]

    assert lengths == [900, 899]


@pytest.mark.parametrize(("seconds", "chunk_seconds"), [(1199, 600), (10_800, 0), (3, 1.5)])
def test_short_sources_are_not_cut(seconds: float, chunk_seconds: float) -> None:
    assert planned_pieces(planned(seconds), chunk_seconds) == ()


def test_the_sound_is_one_piece() -> None:
    pieces = planned_pieces(planned(1300), 600)

    assert [piece.name for piece in pieces] == [SOUND, "00000000-00016300", "00016300-end"]
    assert pieces[0].chunk is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"edit": {"speed": 2}}, "the recipe edits it"),
        ({"video": {"copy_conforming": True}}, "its pictures may be copied"),
        ({"video": {"target_vmaf": 90}}, "its quality is sought by trials"),
    ],
)
def test_what_cannot_be_cut_exactly_is_encoded_in_one_piece(changes: dict[str, object], reason: str) -> None:
    facts, recipe = source_facts(), Recipe.parse(changes)

    assert why_whole(facts, recipe, plan_encode(facts, recipe), H264) == reason


def test_what_has_no_index_or_a_hardware_encoder_is_encoded_in_one_piece() -> None:
    facts, recipe = source_facts(), Recipe()
    plan = plan_encode(facts, recipe)
    without_index = facts.model_copy(update={"container": "mpegts"})

    assert why_whole(without_index, recipe, plan, H264) == "its file has no index of keyframes"
    assert "machine's own" in why_whole(facts, recipe, plan, replace(H264, is_hardware=True))


def test_a_joint_is_true_if_both_sides_saw_the_same_frames() -> None:
    assert why_untrue_joint("abc", "abcd", 4.0) == ""
    assert "at 4.000 s" in why_untrue_joint("abc", "bcd", 4.0)
    assert "at 4.000 s" in why_untrue_joint("abc", "", 4.0)


def test_black_goes_on_across_joints() -> None:
    first, second = (Chunk(first, 50, 50, Fraction(25), 1.0, segment) for first, segment in ((0, 0), (50, 2)))

    # The last frame of the first chunk begins at 1.96: so does its spell end.
    assert black_seconds([(first, [(1.92, 1.96)]), (second, [(0.0, 0.04)])], 0.1) == pytest.approx(0.12)
    assert black_seconds([(first, [(1.0, 1.04)]), (second, [(0.0, 0.04)])], 0.1) == 0
    assert black_seconds([(first, [(0.0, 1.0)]), (second, [(1.0, 1.5)])], 0.1) == pytest.approx(1.5)
