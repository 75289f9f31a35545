import pytest

from api.playback import byte_range, served_part

ETAG = '"abc"'


def served(**headers: str) -> tuple[int, dict[str, str], int, int | None]:
    request = {name.replace("_", "-"): value for name, value in headers.items()}
    part = served_part(request, etag=ETAG, size_bytes=1000, content_type="video/mp4")
    return part.status, part.headers, part.start, part.end_exclusive


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-200", (800, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=900-5000", (900, 1000)),
        ("Bytes = 1-2", (1, 3)),
        ("bytes=1000-", (1000, 1000)),
        ("bytes=-0", (1000, 0)),
        ("bytes=5-1", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_a_range_header_is_read_as_rfc_9110_has_it(header: str, span: tuple[int, int] | None) -> None:
    assert byte_range(header, 1000) == span


def test_the_whole_file_comes_without_a_range() -> None:
    status, headers, start, end = served()

    assert (status, start, end) == (200, 0, 1000)
    assert headers["Content-Length"] == "1000"
    assert headers["Accept-Ranges"] == "bytes"
    assert "immutable" in headers["Cache-Control"]


def test_a_range_is_partial_content() -> None:
    status, headers, start, end = served(Range="bytes=100-199")

    assert (status, start, end) == (206, 100, 200)
    assert headers["Content-Range"] == "bytes 100-199/1000"
    assert headers["Content-Length"] == "100"


def test_a_range_past_the_end_cannot_be_satisfied() -> None:
    for header in ("bytes=1000-", "bytes=-0"):
        status, headers, *_ = served(Range=header)

        assert (status, headers["Content-Range"]) == (416, "bytes */1000")


def test_several_ranges_get_the_whole_file() -> None:
    assert served(Range="bytes=0-1,10-11")[0] == 200


@pytest.mark.parametrize(("if_range", "status"), [(ETAG, 206), ('"old"', 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)])
def test_a_range_of_a_changed_file_gets_the_whole_of_the_new_one(if_range: str, status: int) -> None:
    assert served(Range="bytes=0-1", If_Range=if_range)[0] == status


@pytest.mark.parametrize("header", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
def test_a_file_that_the_client_has_is_not_sent_again(header: str) -> None:
    status, headers, start, end = served(If_None_Match=header, Range="bytes=0-1")

    assert (status, headers["ETag"]) == (304, ETAG)
    assert start == end


def test_if_match_compares_strongly() -> None:
    assert served(If_Match=f"W/{ETAG}")[0] == 412
    assert served(If_Match=ETAG)[0] == 200
