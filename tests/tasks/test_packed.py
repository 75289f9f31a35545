from tasks.packed import packed_job, working_for
from tasks.workspace import job_id


def test_code_works_for_an_item_while_it_is_told_so() -> None:
    assert packed_job() is None
    with working_for("run:17"):
        assert job_id() == "run:17"
        with working_for("run:18"):
            assert job_id() == "run:18"
        assert job_id() == "run:17"
    assert job_id() == ""
