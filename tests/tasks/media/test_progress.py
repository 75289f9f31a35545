from tasks.media.progress import Progress, staged


def test_a_part_of_the_work_goes_from_one_share_to_another() -> None:
    told: list[float | None] = []
    tell = staged(lambda progress: told.append(progress.share), 0.25, 0.75)
    assert tell is not None

    for share in (0.0, 0.5, 1.0):
        tell(Progress(out_seconds=1, frame_count=1, frames_per_second=1, speed=1, share=share))

    assert told == [0.25, 0.5, 0.75]
    assert staged(None, 0, 1) is None
