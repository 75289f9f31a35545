from pathlib import Path

import numpy as np
import pytest

from data.domain.errors import CorruptInputError, UnsupportedInputError
from tasks.models.audio import SAMPLE_RATE_HZ, read_blocks, sound_seconds
from tests.fakes.clips import clip
from tests.fakes.sounds import noise, samples_of, silence, write_wav


def test_blocks_join_to_the_whole_sound() -> None:
    blocks = list(read_blocks(clip("nagg_nell"), block_seconds=8))

    whole = samples_of(clip("nagg_nell"))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), whole)
    assert [round(block.start_seconds, 3) for block in blocks] == [
        round(sum(before.duration_seconds for before in blocks[:index]), 3) for index in range(len(blocks))
    ]


def test_a_block_ends_where_it_is_quiet(tmp_path: Path) -> None:
    sound = np.concatenate([noise(6), silence(1), noise(6)])

    first, *_ = read_blocks(write_wav(tmp_path / "a.wav", sound), block_seconds=10)

    assert 6 < first.duration_seconds < 7


def test_stereo_at_another_rate_and_surround_become_mono_at_16_khz() -> None:
    samples = samples_of(clip("bigbuckbunny"))

    assert samples.ndim == 1
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(5.312, abs=0.05)
    assert sound_seconds(clip("bigbuckbunny")) == pytest.approx(5.312, abs=0.05)


def test_a_file_without_sound_is_a_typed_error() -> None:
    with pytest.raises(UnsupportedInputError, match=r"bikes\.mp4 has no sound"):
        list(read_blocks(clip("bikes")))


def test_a_file_that_is_no_media_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"no sound" * 1000)

    with pytest.raises(CorruptInputError):
        list(read_blocks(tmp_path / "a.m4a"))
