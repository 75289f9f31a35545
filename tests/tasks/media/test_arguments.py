import hashlib
from pathlib import Path
from typing import Any

import pytest

from data.domain.assets import AudioFacts, SourceFacts
from data.domain.recipes import Recipe
from tasks.media.arguments import WorkFiles, encode_arguments, sound_arguments
from tasks.media.chunks import planned_chunks
from tasks.media.conforming import Copied
from tasks.media.opening import Opener, paired
from tasks.media.plan import plan_encode
from tests.fakes.source_facts import source_facts

WORK = WorkFiles(Path("/scratch"))


def arguments(facts: SourceFacts, recipe: Recipe | None = None, *, threads: int = 2, **choices: Any) -> list[str]:
    chosen = recipe or Recipe()
    return encode_arguments(
        Path("/sources/clip.mp4"),
        facts,
        chosen,
        plan_encode(facts, chosen),
        WORK,
        Opener(("-protocol_whitelist", "file", "-max_pixels", "100"), threads),
        **choices,
    )


def graph(facts: SourceFacts, recipe: Recipe | None = None) -> str:
    built = arguments(facts, recipe)
    return built[built.index("-filter_complex") + 1]


def options_of(output: Path, built: list[str]) -> dict[str, str]:
    """Options of one output: everything from its ``-map`` to its name."""
    end = built.index(str(output))
    start = max(index for index in range(end) if built[index] == "-map")
    return paired(built[start:end])


def test_without_edits_the_command_is_what_it_was_before_there_were_any() -> None:
    changes = ({}, {"is_interlaced": True}, {"picture_delay_seconds": 0.5}, {"audio": None}, {"is_hdr": True})
    words = [word for change in (*changes, {"frame_rate": "120"}) for word in arguments(source_facts(**change))]

    # A change here makes every package anew: let it be meant, and count up the version of the tools.
    assert hashlib.sha256("\n".join(words).encode()).hexdigest()[:16] == "0e78c0f6f33c80b9"


def test_the_source_is_opened_once_and_safely() -> None:
    built = arguments(source_facts())

    assert built.count("-i") == 1
    opened = built[: built.index("-i")]
    assert opened[opened.index("-protocol_whitelist") + 1] == "file"
    assert opened[opened.index("-max_pixels") + 1] == "100"


def test_every_rung_is_scaled_from_the_next_larger_one() -> None:
    chain = graph(source_facts())

    sizes = ("scale=1920:1080", "scale=1280:720", "scale=852:480", "scale=426:240")
    places = [chain.index(size) for size in sizes]
    assert places == sorted(places)
    assert all(chain.count(size) == 1 for size in sizes)


def test_all_rungs_have_their_keyframes_at_the_same_times() -> None:
    built = arguments(source_facts(frame_rate="24000/1001"))

    for name in ("1080p", "720p", "480p", "240p"):
        options = options_of(WORK.rung(name), built)
        assert options["force_key_frames"] == "expr:gte(t,n_forced*4)"
        assert options["sc_threshold"] == "0"
        assert options["g"] == "96"


def test_quality_is_capped_by_the_bitrate_of_each_rung() -> None:
    options = options_of(WORK.rung("720p"), arguments(source_facts()))

    assert (options["crf"], options["maxrate"], options["bufsize"]) == ("23", "3000k", "6000k")


def test_nothing_of_the_sources_metadata_gets_into_an_output() -> None:
    built = arguments(source_facts())

    for output in (WORK.rung("1080p"), WORK.rung("240p"), WORK.audio):
        options = options_of(output, built)
        assert (options["map_metadata"], options["map_chapters"]) == ("-1", "-1")


@pytest.mark.parametrize(
    ("threads", "by_rung"), [(1, "1 1 1 1"), (2, "2 1 1 1"), (4, "4 2 1 1"), (8, "8 4 2 1")], ids=str
)
def test_decoder_filters_and_encoders_have_the_threads_that_were_granted(threads: int, by_rung: str) -> None:
    built = arguments(source_facts(), threads=threads)

    opened = paired(built[built.index("-filter_complex_threads") : built.index("-i")])
    assert (opened["filter_complex_threads"], opened["threads"]) == (str(threads), str(threads))
    rungs = [options_of(WORK.rung(name), built)["threads"] for name in ("1080p", "720p", "480p", "240p")]
    assert " ".join(rungs) == by_rung


def test_a_source_without_sound_has_no_sound_anywhere() -> None:
    built = arguments(source_facts(audio=None))

    assert str(WORK.audio) not in built
    assert "aresample" not in graph(source_facts(audio=None))


def test_sound_is_taken_from_the_stream_that_probing_chose() -> None:
    sound = AudioFacts(stream_index=4, codec="ac3", channels=6, sample_rate_hz=48_000)

    assert "[0:4]aresample=48000" in graph(source_facts(audio=sound))


def test_sound_is_made_stereo_and_as_long_as_the_picture() -> None:
    chain = graph(source_facts(duration_seconds=10))

    assert "channel_layouts=stereo" in chain
    assert "first_pts=0" in chain
    assert "apad=whole_len=480000" in chain
    assert "atrim=end_sample=480000" in chain


def test_picture_and_sound_are_moved_alike_when_the_picture_starts_late() -> None:
    chain = graph(source_facts(picture_delay_seconds=0.8))

    assert "[0:0]setpts=PTS-0.800000/TB" in chain
    assert "[0:1]atrim=start=0.800000" in chain
    assert "asetpts=PTS-0.800000/TB" in chain


def test_only_interlaced_pictures_are_deinterlaced() -> None:
    assert "bwdif=deint=interlaced:mode=send_frame" in graph(source_facts(is_interlaced=True))
    assert "bwdif" not in graph(source_facts())


def test_hdr_is_tone_mapped_after_it_was_made_small() -> None:
    chain = graph(source_facts(3840, 2160, is_hdr=True, bit_depth=10, pixel_format="yuv420p10le"))

    assert chain.index("scale=1920:1080") < chain.index("tonemap=hable")


def test_unlabelled_hd_colours_are_taken_for_bt709() -> None:
    assert "in_color_matrix=bt709" in graph(source_facts())
    assert "in_color_matrix" not in graph(source_facts(color_matrix="smpte170m"))
    assert "in_color_matrix" not in graph(source_facts(720, 576))


def test_every_output_is_labelled_bt709() -> None:
    assert "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv" in graph(source_facts())


def test_measurements_ride_along_in_the_same_process() -> None:
    chain = graph(source_facts())

    assert all(name in chain for name in ("blackdetect", "silencedetect", "ebur128"))


def test_names_that_mean_something_to_ffmpeg_stay_one_argument() -> None:
    facts = source_facts()
    recipe = Recipe()
    name = Path("/in/-i %03d [0:v];,'\".mp4")

    built = encode_arguments(name, facts, recipe, plan_encode(facts, recipe), WORK, Opener((), 2))

    assert built[built.index("-i") + 1] == str(name)


def test_a_rung_has_the_quality_that_was_found_for_it() -> None:
    built = arguments(source_facts(), crfs={"720p": 28.5})

    assert options_of(WORK.rung("720p"), built)["crf"] == "28.5"
    assert options_of(WORK.rung("480p"), built)["crf"] == "23"


def test_a_copied_rung_is_not_encoded_and_the_others_follow_its_keyframes() -> None:
    built = arguments(source_facts(), copied=Copied("1080p", 1500, "0.000000,3.980000", 120))

    top = options_of(WORK.rung("1080p"), built)
    assert (top["map"], top["c:v"]) == ("0:0", "copy")
    assert top["bsf:v"].startswith("filter_units=remove_types=6,h264_metadata=colour_primaries=1")
    for name in ("720p", "480p", "240p"):
        options = options_of(WORK.rung(name), built)
        assert (options["force_key_frames"], options["g"]) == ("0.000000,3.980000", "120")
    threads = [options_of(WORK.rung(name), built)["threads"] for name in ("720p", "480p", "240p")]
    assert threads == ["2", "1", "1"]


def test_the_sound_alone_is_encoded_from_the_same_samples_unless_it_is_the_same() -> None:
    for kind, encoder, kbps in (("mp3", "libmp3lame", "320k"), ("opus", "libopus", "400k")):
        recipe = Recipe().with_overrides({"audio": {"kbps": 400, "rendition": kind}})
        built = arguments(source_facts(), recipe)
        options = options_of(WORK.sound_file(kind), built)
        assert (options["c:a"], options["b:a"]) == (encoder, kbps)
        assert graph(source_facts(), recipe).count("asplit=2") == 1

    built = arguments(source_facts(), Recipe().with_overrides({"audio.rendition": "m4a"}))
    assert not any("sound-file" in argument for argument in built)


def chunk_arguments(number: int, **facts: Any) -> list[str]:
    source = source_facts(duration_seconds=60, **facts)
    chunk = planned_chunks(plan_encode(source, Recipe()), 20)[number]
    return arguments(source, chunk=chunk)


def test_a_chunk_picks_its_frames_by_the_clock_of_the_whole() -> None:
    built = chunk_arguments(1, picture_delay_seconds=0.25)

    assert {"-copyts", "-start_at_zero"} <= set(built[: built.index("-i")])
    assert built[built.index("-ss") + 1] == "19.250000"
    # Eight frames of the next chunk are looked at, and only looked at.
    chain = built[built.index("-filter_complex") + 1]
    assert "setpts=PTS-0.250000/TB" in chain
    assert "fps=fps=25:start_time=0" in chain
    assert "trim=end_frame=1008:start_frame=500" in chain
    assert "trim=start_frame=500" in chain
    assert "trim=end_frame=500" in chain
    assert options_of(WORK.beyond, built)["f"] == "framemd5"
    assert options_of(WORK.opening, built)["f"] == "framemd5"


def test_the_ends_of_a_source_are_compared_with_nothing() -> None:
    first, last = chunk_arguments(0), chunk_arguments(2)

    assert "-ss" not in first
    assert (str(WORK.opening) in first, str(WORK.beyond) in first) == (False, True)
    assert (str(WORK.opening) in last, str(WORK.beyond) in last) == (True, False)


def test_a_chunk_is_encoded_as_the_whole_is_but_for_its_clock() -> None:
    whole, chunk = (options_of(WORK.rung("720p"), built) for built in (arguments(source_facts()), chunk_arguments(1)))

    differing = {"force_key_frames", "map"}
    assert {name: value for name, value in chunk.items() if name not in differing} == {
        name: value for name, value in whole.items() if name not in differing
    }
    assert chunk["force_key_frames"] == "expr:gte(t+0.000001000,n_forced*4)"
    assert not {str(WORK.audio)} & set(chunk_arguments(1))


def test_stills_of_a_chunk_are_those_of_the_whole() -> None:
    built = chunk_arguments(1)

    # Every 38th frame for the poster: the first of them here is the 532nd of all, 32 frames from the beginning.
    assert "not(mod(n+6,38))" in built[built.index("-filter_complex") + 1].replace("\\", "")


def test_the_sound_alone_is_that_of_the_whole() -> None:
    facts, recipe = source_facts(), Recipe.parse({"audio": {"rendition": "mp3"}})
    built = sound_arguments(
        Path("/sources/clip.mp4"),
        facts,
        recipe,
        plan_encode(facts, recipe),
        WORK,
        Opener(("-protocol_whitelist", "file"), 2),
    )

    whole = arguments(facts, recipe)
    for target in (WORK.audio, WORK.sound_file("mp3")):
        wanted, found = options_of(target, whole), options_of(target, built)
        assert {**found, "map": ""} == {**wanted, "map": ""}
    assert "-copyts" not in built
    assert str(WORK.tiles) not in built
