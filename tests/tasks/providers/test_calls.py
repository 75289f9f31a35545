"""Small things about calls that the engines' contract does not come by."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tasks.providers.calls import retry_after_seconds
from tasks.providers.complaints import Answer, complaint_of


def test_patience_is_asked_for_in_seconds_or_until_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert retry_after_seconds({"retry-after": "12"}) == 12
    assert retry_after_seconds({"retry-after": in_a_minute}) == pytest.approx(60, abs=5)
    assert retry_after_seconds({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after_seconds({"retry-after": "soon"}) is None
    assert retry_after_seconds({}) is None


@pytest.mark.parametrize(
    ("body", "message", "policy", "money"),
    [
        (b'{"error": {"code": "moderation_blocked", "message": "No."}}', "No.", True, False),
        (b'{"error": {"code": null, "type": "content_policy_violation"}}', "content_policy_violation", True, False),
        (b'{"error": {"code": "insufficient_quota", "message": "Pay."}}', "Pay.", False, True),
        (
            b'{"error": {"type": "invalid_prompt", "message": "Failed"}, "node_errors": {"3": {'
            b'"class_type": "KSampler", "errors": [{"type": "value_not_in_list", "message": "Not in list", '
            b'"details": "sampler: x"}]}}}',
            "Failed: node 3 KSampler: Not in list: sampler: x",
            False,
            False,
        ),
        (b'{"error": "no prompt", "node_errors": []}', "no prompt", False, False),
        (b'{"detail": "Not\\n  found"}', "Not found", False, False),
        (b"<html>Bad Gateway</html>", "", False, False),
        (b"[1]", "", False, False),
        (b"\xff\xfe", "", False, False),
    ],
)
def test_complaints_come_in_many_forms(body: bytes, message: str, policy: bool, money: bool) -> None:
    complaint = complaint_of(Answer(400, {}, body))

    assert (complaint.message, complaint.is_about_policy, complaint.is_about_money) == (message, policy, money)
    assert complaint.is_structured == bool(message)
