from pathlib import Path

from tasks.media.measures import parse_log

# As ffmpeg 9.0 writes it with -loglevel verbose.
LOG = """\
[Parsed_blackdetect_9 @ 0x55d0] black_start:0 black_end:1.5 black_duration:1.5
[Parsed_blackdetect_9 @ 0x55d0] black_start:4 black_end:5 black_duration:1
[silencedetect @ 0x7f01] silence_start: 0
[silencedetect @ 0x7f01] silence_end: 2.5 | silence_duration: 2.5
[Parsed_ebur128_14 @ 0x7f9c] Summary:

  Integrated loudness:
    I:         -36.9 LUFS
    Threshold: -47.0 LUFS
[out#0/mp4 @ 0x55e0] Output file #0 (/scratch/rung-720p (1).mp4):
[out#0/mp4 @ 0x55e0]   Output stream #0:0 (video): 120 frames encoded; 120 packets muxed (483075 bytes);
[out#1/mp4 @ 0x55e0] Output file #1 (/scratch/sound.mp4):
[out#1/mp4 @ 0x55e0]   Output stream #1:0 (audio): 235 frames encoded (240000 samples); 236 packets muxed (8 bytes);
[in#0/mov @ 0x55e0] Input file #0 (/in/a (1).mp4):
[in#0/mov @ 0x55e0]   Input stream #0:0 (video): 168 packets read (250135 bytes); 156 frames decoded; 3 decode errors;
[in#0/mov @ 0x55e0]   Input stream #0:1 (audio): 289 packets read (107310 bytes); 280 frames decoded; 0 decode errors \
(286720 samples);
"""
SECOND_INPUT = """\
[in#1/mov @ 0x55e0] Input file #1 (/in/b.mp4):
[in#1/mov @ 0x55e0]   Input stream #1:0 (video): 50 packets read (135 bytes); 48 frames decoded; 1 decode errors;
"""
PEAKS = """\
  Loudness range:
    LRA:         0.5 LU

  True peak:
    Peak:       -7.4 dBFS
"""


def test_a_log_tells_what_was_decoded_and_encoded() -> None:
    log = parse_log(LOG.splitlines())

    video = log.decoded["video"]
    assert (video.packets, video.frames, video.errors) == (168, 156, 3)
    assert log.frames_to(Path("/scratch/rung-720p (1).mp4")) == 120
    assert log.encoded["/scratch/sound.mp4", "audio"].samples == 240_000


def test_a_log_tells_inputs_apart() -> None:
    log = parse_log((LOG + SECOND_INPUT).splitlines())

    assert log.decoded["video"].frames == 204
    assert log.of_input(Path("/in/a (1).mp4")).decoded["video"].frames == 156
    assert log.of_input("/in/b.mp4").decoded["video"].errors == 1
    assert log.of_input("/in/c.mp4").decoded == {}


def test_peaks_are_told_where_they_were_asked_for() -> None:
    assert parse_log(PEAKS.splitlines()).true_peak_dbtp == -7.4
    assert parse_log(LOG.splitlines()).true_peak_dbtp is None


def test_an_output_that_the_log_does_not_name_has_no_frames() -> None:
    assert parse_log(LOG.splitlines()).frames_to("/scratch/other.mp4") == 0


def test_stretches_become_shares_of_the_duration() -> None:
    measures = parse_log(LOG.splitlines()).measures(5.0, has_audio=True)

    assert measures.black_share == 0.5
    assert measures.silence_share == 0.5
    assert measures.loudness_lufs == -36.9
    assert measures.decoded_frames == 156


def test_a_silence_that_never_ends_lasts_to_the_end() -> None:
    log = parse_log(["[silencedetect @ 0x7f01] silence_start: 4"])

    assert log.measures(10.0, has_audio=True).silence_share == 0.6


def test_silent_sound_has_no_loudness() -> None:
    for value in ("-70.0", "-inf"):
        assert parse_log([f"    I:         {value} LUFS"]).loudness_lufs is None


def test_a_source_without_sound_has_neither_silence_nor_loudness() -> None:
    measures = parse_log(LOG.splitlines()).measures(5.0, has_audio=False)

    assert measures.silence_share is None
    assert measures.loudness_lufs is None


def test_a_share_is_never_more_than_all() -> None:
    assert parse_log(LOG.splitlines()).measures(1.0, has_audio=True).black_share == 1.0


def test_frames_that_were_counted_by_name_are_found_also_where_the_graph_was_tried_before() -> None:
    log = parse_log(
        [
            "[fps@edit.join.intro @ 0x55ee] 0 frames in, 0 frames out; 0 frames dropped, 0 frames duplicated.",
            "[fps@edit.join.intro @ 0x7f28] 30 frames in, 25 frames out; 5 frames dropped, 0 frames duplicated.",
            "[Parsed_fps_3 @ 0x7f29] 50 frames in, 50 frames out; 0 frames dropped, 0 frames duplicated.",
        ]
    )

    assert log.counted == {"edit.join.intro": 25}
