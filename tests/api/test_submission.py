"""What cannot work is refused before a run is made for it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from data.database import Database
from data.repositories import UploadRepository

JOBS = "/api/v1/jobs"


def refused(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = api.post(JOBS, json=body)
    assert answer.status_code == 422, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("words", [{"prompt": "a rabbit in the morning"}, {"script": "Once there was a rabbit."}])
def test_a_job_may_begin_with_words(api: httpx.Client, words: dict[str, str]) -> None:
    answer = api.post(JOBS, json=words)

    assert answer.status_code == 202, answer.text
    assert answer.json()["title"] in ("a rabbit in the morning", "Once there was a rabbit")


@pytest.mark.parametrize("body", [{}, {"prompt": "  "}, {"source": "upload:1", "prompt": "a rabbit"}])
def test_a_job_begins_with_a_source_or_with_words(api: httpx.Client, body: dict[str, str]) -> None:
    assert "either a `source`" in refused(api, **body)["detail"]


def test_what_a_video_is_to_show_comes_from_where_sources_may_come_from(api: httpx.Client) -> None:
    problem = refused(api, prompt="a rabbit", overrides={"generation.references": ["/etc/passwd"]})

    assert problem["code"] == "DATA.SOURCE.FORBIDDEN"


def test_an_unknown_recipe_names_those_there_are(api: httpx.Client, media_folder: Path) -> None:
    problem = refused(api, source=f"{media_folder}/a.mp4", recipe="nice")

    assert problem["code"] == "DATA.RECIPE.UNKNOWN"
    assert "default" in problem["facts"]["available"]


@pytest.mark.parametrize("overrides", [{"captions.colour": "red"}, {"video.crf": 99}, {"name": "x"}])
def test_overrides_that_do_not_fit_are_refused(
    api: httpx.Client, media_folder: Path, overrides: dict[str, Any]
) -> None:
    assert refused(api, source=f"{media_folder}/a.mp4", overrides=overrides)["code"] == "DATA.RECIPE.INVALID"


def test_a_rehearsal_is_for_batches_only(api: httpx.Client, media_folder: Path) -> None:
    problem = refused(api, source=f"{media_folder}/a.mp4", recipe="rehearsal")

    assert problem["code"] == "DATA.RECIPE.FOR_BATCHES"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "clip.mp4",
        "http://media.example/a.mp4",
        "ftp://x/y",
        "https://",
        "https://u:p@x/y",
        "file:///etc/passwd",
        "s3://",
        "s3://x/",
    ],
)
def test_a_source_of_another_kind_is_refused(api: httpx.Client, source: str) -> None:
    assert refused(api, source=source)["code"] == "REQUEST.INVALID"


@pytest.mark.parametrize("path", ["/etc/passwd", "{media}/../catalogue.db", "{media}2/a.mp4", "{media}/a\nb.mp4"])
def test_a_path_outside_the_allowed_roots_is_refused(api: httpx.Client, media_folder: Path, path: str) -> None:
    assert refused(api, source=path.format(media=media_folder))["code"] == "DATA.SOURCE.FORBIDDEN"


def test_a_bucket_that_is_not_allowed_is_refused(api: httpx.Client) -> None:
    assert refused(api, source="s3://private/a.mp4")["code"] == "DATA.SOURCE.FORBIDDEN"


def test_a_link_that_leads_outside_is_for_ingest_to_refuse(api: httpx.Client, media_folder: Path) -> None:
    answer = api.post(JOBS, json={"source": f"{media_folder}/not there yet.mp4"})

    assert answer.status_code == 202


def test_an_https_address_is_taken(api: httpx.Client) -> None:
    job = api.post(JOBS, json={"source": "https://media.example/films/clip.mp4?token=x"}).json()

    assert job["title"] == "clip.mp4"


def test_an_upload_that_is_unknown_or_not_complete_is_refused(api: httpx.Client, database: Database) -> None:
    with database.session() as session:
        UploadRepository(session).create("half", key="uploads/half/a.mp4", original_name="a.mp4")

    for source in ("upload:half", "upload:nothing", "upload:"):
        assert refused(api, source=source)["code"] == "DATA.SOURCE.NOT_FOUND"


def test_a_job_without_a_title_is_called_as_its_uploaded_file_was(api: httpx.Client, database: Database) -> None:
    with database.session() as session:
        uploads = UploadRepository(session)
        uploads.create("named", key="uploads/named/a.mp4", original_name="Ein Füllen.mp4")
        uploads.complete("named", size_bytes=1, sha256="0" * 64)

    names = [api.post(JOBS, json={"source": "upload:named", "title": title}).json()["title"] for title in ("", "Foal")]

    assert names == ["Ein Füllen.mp4", "Foal"]


def test_metadata_is_kept_up_to_its_limit(api: httpx.Client, media_folder: Path) -> None:
    source = f"{media_folder}/a.mp4"
    taken = api.post(JOBS, json={"source": source, "metadata": {"show": {"season": 2}, "tags": ["a"]}}).json()

    assert api.get(taken["links"]["self"]).json()["metadata"] == {"show": {"season": 2}, "tags": ["a"]}
    problem = refused(api, source=source, metadata={"text": "x" * 17_000})
    assert problem["errors"][0]["field"] == "metadata"


def test_a_title_is_one_clean_line(api: httpx.Client, media_folder: Path) -> None:
    job = api.post(JOBS, json={"source": f"{media_folder}/a.mp4", "title": "  Two\nCities\x07 "}).json()

    assert job["title"] == "Two Cities"


def test_an_unknown_field_is_a_typing_slip_and_refused(api: httpx.Client, media_folder: Path) -> None:
    problem = refused(api, source=f"{media_folder}/a.mp4", prioritty="high")

    assert problem["errors"][0]["field"] == "prioritty"


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"edit.join.intro": "/etc/passwd"}, "edit.join.intro"),
        ({"edit.join.append": ["{media}/a.mp4", "/etc/passwd"]}, "edit.join.append.1"),
        ({"edit.sound": {"mode": "mix", "source": "/etc/passwd"}}, "edit.sound.source"),
    ],
)
def test_what_edits_work_with_comes_from_where_sources_may_come_from(
    api: httpx.Client, media_folder: Path, overrides: dict[str, Any], field: str
) -> None:
    placed = {
        name: [each.format(media=media_folder) for each in value] if isinstance(value, list) else value
        for name, value in overrides.items()
    }

    problem = refused(api, source=f"{media_folder}/a.mp4", overrides=placed)

    assert problem["code"] == "DATA.SOURCE.FORBIDDEN"
    assert problem["facts"]["field"] == field
    assert field in problem["detail"]


def test_an_upload_of_somebody_else_is_no_intro(api: httpx.Client, media_folder: Path, database: Database) -> None:
    with database.session() as session:
        uploads = UploadRepository(session)
        uploads.create("theirs", key="uploads/theirs/intro.mp4", original_name="intro.mp4", owner="somebody-else")
        uploads.complete("theirs", size_bytes=1, sha256="0" * 64)

    problem = refused(api, source=f"{media_folder}/a.mp4", overrides={"edit.join.intro": "upload:theirs"})

    assert problem["code"] == "DATA.SOURCE.NOT_FOUND"
    assert problem["facts"]["field"] == "edit.join.intro"


def test_a_content_address_is_no_source_of_anybodys(api: httpx.Client, media_folder: Path) -> None:
    overrides = {"edit.watermark.source": f"sha256:{'0' * 64}"}

    assert refused(api, source=f"{media_folder}/a.mp4", overrides=overrides)["code"] == "REQUEST.INVALID"
