"""A chain shows what somebody did to it. All without a database."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from data.domain.audit import (
    GENESIS,
    AuditEntry,
    AuditKind,
    ChainCheck,
    ChainedEntry,
    ChainHead,
    KeptHead,
    canonical,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def chain(count: int = 5) -> list[ChainedEntry]:
    head, entries = ChainHead(), []
    for number in range(count):
        at = NOON + timedelta(seconds=number)
        entry = AuditEntry(id=str(number), kind=AuditKind.ACCESS, at=at, user="ann", status=200)
        entries.append(ChainedEntry.after(head, entry))
        head = entries[-1].head
    return entries


def check(entries: list[ChainedEntry], told: ChainHead, *heads: KeptHead) -> ChainCheck:
    found = ChainCheck(ChainHead(), heads)
    found.follow(entries)
    found.finish(told)
    return found


def test_an_untouched_chain_is_right() -> None:
    entries = chain()

    found = check(entries, entries[-1].head, KeptHead.of(entries[2].head, NOON, None))

    assert found.fault is None
    assert found.checked == 5


def test_an_exported_line_can_be_checked_by_anybody() -> None:
    first, second, *_ = [each.line() for each in chain()]

    covered = {name: value for name, value in second.items() if name != "hash"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert second["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert second["previous"] == first["hash"]
    assert first["previous"] == GENESIS


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    value: dict[str, object] = {"b": 'é\n"\u0001€', "a": None, "c": 12}

    assert canonical(value) == '{"a":null,"b":"é\\n\\"\\u0001€","c":12}'.encode()


@pytest.mark.parametrize("field", ["user", "status", "at", "id"])
def test_a_changed_entry_is_named(field: str) -> None:
    entries = chain()
    changed = {"user": "bob", "status": 403, "at": NOON, "id": "x"}[field]
    entry = entries[2].entry.model_copy(update={field: changed})
    forged = entries[2].model_copy(update={"entry": entry})

    found = check([*entries[:2], forged, *entries[3:]], entries[-1].head)

    assert found.fault is not None
    assert (found.fault.sequence, found.fault.problem[:7]) == (3, "changed")


def test_an_entry_that_was_reckoned_anew_no_longer_leads_to_the_next() -> None:
    entries = chain()
    entry = entries[2].entry.model_copy(update={"user": "bob"})
    forged = ChainedEntry.after(entries[1].head, entry)

    found = check([*entries[:2], forged, *entries[3:]], entries[-1].head)

    assert found.fault is not None
    assert (found.fault.sequence, found.fault.problem[:12]) == (4, "out of place")


def test_a_removed_entry_is_named() -> None:
    entries = chain()

    found = check([*entries[:2], *entries[3:]], entries[-1].head)

    assert found.fault is not None
    assert (found.fault.sequence, found.fault.problem[:7]) == (3, "missing")


def test_two_entries_that_changed_places_are_found() -> None:
    entries = chain()
    third = entries[2].model_copy(update={"sequence": 4})
    fourth = entries[3].model_copy(update={"sequence": 3})

    found = check([*entries[:2], fourth, third, entries[4]], entries[-1].head)

    assert found.fault is not None
    assert found.fault.sequence == 3


def test_an_end_that_was_cut_off_is_seen_by_a_kept_head() -> None:
    entries = chain()
    kept = KeptHead.of(entries[-1].head, NOON, None)

    found = check(entries[:3], entries[2].head, kept)

    assert found.fault is not None
    assert (found.fault.sequence, found.fault.problem[:7]) == (4, "removed")


def test_an_end_that_was_cut_off_is_seen_by_the_count() -> None:
    entries = chain()

    found = check(entries[:3], entries[-1].head)

    assert found.fault is not None
    assert found.fault.sequence == 4


def test_a_chain_that_was_reckoned_anew_disagrees_with_a_kept_head() -> None:
    entries = chain()
    head, forged = ChainHead(), []
    for each in entries:
        forged.append(ChainedEntry.after(head, each.entry.model_copy(update={"user": "bob"})))
        head = forged[-1].head

    found = check(forged, head, KeptHead.of(entries[1].head, NOON, None))

    assert found.fault is not None
    assert (found.fault.sequence, found.fault.problem[:9]) == (2, "reckoned ")


def test_a_head_that_was_not_signed_with_the_key_is_not_believed() -> None:
    head = chain()[-1].head

    assert KeptHead.of(head, NOON, b"key").is_genuine(b"key")
    assert not KeptHead.of(head, NOON, b"other").is_genuine(b"key")
    assert not KeptHead.of(head, NOON, None).is_genuine(b"key")
    assert not KeptHead.of(head, NOON, b"key").model_copy(update={"sequence": 1}).is_genuine(b"key")
    assert KeptHead.of(head, NOON, b"key").is_genuine(None)
