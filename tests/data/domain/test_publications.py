from datetime import UTC, datetime
from fractions import Fraction

import pytest
from pydantic import ValidationError

from data.domain.assets import Asset, VideoFacts
from data.domain.publications import EditRecord, GateCheck, GateReport, Package, PublicationManifest
from tests.data.samples import sample_asset, sample_facts, sample_manifest, sample_package


def test_values_go_through_json_unchanged() -> None:
    asset = sample_asset()
    package, manifest = sample_package(asset), sample_manifest(asset)

    assert Asset.model_validate_json(asset.model_dump_json()) == asset
    assert Package.model_validate_json(package.model_dump_json()) == package
    assert PublicationManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.published_at == datetime(2026, 1, 1, 12, 1, tzinfo=UTC)


def test_frame_rates_stay_exact() -> None:
    video = VideoFacts.model_validate_json(sample_facts().video.model_dump_json())

    assert video.frame_rate == Fraction(30000, 1001)
    assert '"30000/1001"' in video.model_dump_json()


def test_the_short_side_names_portrait_and_landscape_alike() -> None:
    video = sample_facts().video

    assert video.short_side == 720
    assert video.model_copy(update={"width": 720, "height": 1280}).short_side == 720


def test_values_are_frozen_and_know_no_other_fields() -> None:
    asset = sample_asset()

    with pytest.raises(ValidationError):
        asset.id = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Asset.model_validate(asset.model_dump() | {"unknown": 1})


def test_only_a_refusal_refuses() -> None:
    checks = tuple(GateCheck(name=outcome, outcome=outcome, detail="") for outcome in ("passed", "warned", "refused"))

    assert [check.name for check in GateReport(checks=checks).refusals] == ["refused"]


def test_what_is_seen_and_heard_is_decided_by_the_source_and_its_edits() -> None:
    package = sample_package(sample_asset())
    edited = package.model_copy(update={"edit": EditRecord(digest="d", duration_seconds=4)})

    assert package.content_after("source") == "source"
    assert edited.content_after("source") not in ("source", edited.content_after("another"))
