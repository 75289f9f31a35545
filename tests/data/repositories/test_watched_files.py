from data.database import Database
from data.domain.watching import FileLook
from data.repositories import WatchedFileRepository


def test_files_are_remembered_by_folder_until_they_are_gone(database: Database) -> None:
    look = FileLook(10, 20)
    with database.session() as session:
        files = WatchedFileRepository(session, "/in")
        files.note({"/in/a.mp4": look, "/in/b.mp4": look})
        files.take(["/in/a.mp4"], "batch")
        files.forget(["/in/b.mp4"])

    with database.session() as session:
        [(path, seen)] = WatchedFileRepository(session, "/in").seen().items()
        assert (path, seen.look, seen.is_taken) == ("/in/a.mp4", look, True)
        assert WatchedFileRepository(session, "/other").seen() == {}


def test_a_file_that_was_replaced_is_new_again(database: Database) -> None:
    with database.session() as session:
        files = WatchedFileRepository(session, "/in2")
        files.note({"/in2/a.mp4": FileLook(10, 20)})
        files.take(["/in2/a.mp4"], "batch")
        files.note({"/in2/a.mp4": FileLook(10, 21)})

    with database.session() as session:
        assert not WatchedFileRepository(session, "/in2").seen()["/in2/a.mp4"].is_taken
