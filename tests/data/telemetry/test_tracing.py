"""Traces without a collector: ids go on all the same, and the SDK is not even imported."""

import subprocess
import sys

import pytest

from data.telemetry.tracing import TRACE_LABEL, current_trace_id, request_span, span, trace_id_of, trace_labels

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_request_goes_on_in_the_trace_that_its_caller_names() -> None:
    with request_span("GET", {"traceparent": PARENT}):
        assert current_trace_id() == TRACE
        assert trace_id_of(str(trace_labels()[TRACE_LABEL])) == TRACE


@pytest.mark.parametrize(
    "bad", ["", "nonsense", f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad-01", "x" * 9999]
)
def test_a_request_without_a_sound_traceparent_begins_a_trace(bad: str) -> None:
    found = []
    for _ in range(2):
        with request_span("GET", {"traceparent": bad}):
            found.append(current_trace_id())

    assert all(each and len(each) == 32 and each != TRACE for each in found)
    assert found[0] != found[1]
    assert current_trace_id() is None


def test_a_piece_of_work_belongs_to_its_given_parent_where_nothing_is_under_way() -> None:
    with span("ffmpeg", parent=PARENT):
        assert current_trace_id() == TRACE


@pytest.mark.slow
def test_the_sdk_costs_nothing_where_nothing_is_exported() -> None:
    code = (
        "import sys, api.app, flows.process_asset; print([n for n in sys.modules if n.startswith('opentelemetry.sdk')])"
    )

    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
