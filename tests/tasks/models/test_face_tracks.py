from tasks.models.face_tracks import hidden_areas
from tasks.models.faces import FaceBox


def face(left: float, score: float = 0.9, size: float = 40) -> FaceBox:
    return FaceBox(left=left, top=50, width=size, height=size, score=score)


def hidden_frames(found: list[tuple[FaceBox, ...]], hold: int = 3, cuts: tuple[int, ...] = ()) -> list[int]:
    return [index for index, areas in enumerate(hidden_areas(found, cuts, hold, 0.1)) if areas]


def test_a_face_is_hidden_before_it_is_found_and_after_it_is_lost() -> None:
    found = [(face(100),) if 8 <= frame <= 12 else () for frame in range(20)]

    assert hidden_frames(found) == list(range(5, 16))


def test_a_face_that_is_lost_for_a_moment_is_hidden_on_its_way() -> None:
    found = [(face(100 + 4.0 * frame),) if frame < 5 or frame > 9 else () for frame in range(15)]

    areas = hidden_areas(found, (), 3, 0.0)

    for frame, [area] in enumerate(areas):
        assert area.left <= 100 + 4 * frame
        assert area.right >= 140 + 4 * frame


def test_what_is_hidden_covers_the_face_a_little_earlier_and_later() -> None:
    found = [(face(100 + 10.0 * frame),) for frame in range(9)]

    [area] = hidden_areas(found, (), 0, 0.0)[4]

    assert area.left <= 120
    assert area.right >= 200


def test_nothing_is_held_across_a_cut() -> None:
    found = [(face(100),) if frame < 10 else () for frame in range(20)]

    assert hidden_frames(found, cuts=(10,)) == list(range(10))


def test_what_is_seen_once_and_never_surely_is_no_face() -> None:
    found: list[tuple[FaceBox, ...]] = [() for _ in range(10)]
    found[4] = (face(100, score=0.32),)

    assert hidden_frames(found) == []


def test_what_is_seen_again_and_again_is_a_face_however_unsure() -> None:
    found = [(face(100, score=0.32),) for _ in range(5)]

    assert hidden_frames(found) == list(range(5))


def test_two_faces_are_followed_apart() -> None:
    found = [(face(20), face(220)) if frame % 3 else (face(220),) for frame in range(10)]

    assert all(len(areas) == 2 for areas in hidden_areas(found, (), 2, 0.0))
