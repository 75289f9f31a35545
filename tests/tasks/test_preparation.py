from pathlib import Path
from typing import Any

import pytest

from data.domain.assets import Asset, Preparation
from data.domain.keys import artifact_prefix
from data.domain.recipes import Recipe
from data.storage import ObjectStore, open_store
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.preparation import RECORD, found_preparation, preparation_key
from tests.data.samples import sample_asset

TOOLS = find_tools()
MODELS = ModelStore(Path("unused"), auto_pull=False)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}")


def key(overrides: dict[str, Any]) -> str:
    return preparation_key(sample_asset(), Recipe().with_overrides(overrides), TOOLS, MODELS)


def kept(store: ObjectStore, asset: Asset) -> Preparation:
    prefix = artifact_prefix(asset.id, "prepare", "k")
    made = Preparation(key="k", media_key=f"{prefix}a.mp4", facts=asset.facts, sound_content=asset.sha256)
    store.put_bytes(b"video", made.media_key)
    store.put_bytes(made.model_dump_json().encode(), prefix + RECORD)
    return made


def test_only_what_changes_picture_or_sound_is_in_the_key() -> None:
    hidden = key({"anonymise.enabled": True})

    assert key({"anonymise.enabled": True, "video.crf": 30, "captions.language": "de"}) == hidden
    assert key({"anonymise.enabled": True, "anonymise.method": "pixelate"}) != hidden
    assert key({"anonymise.enabled": True, "burn_in.style": "plain"}) != hidden
    spoken = {"burn_in.style": "plain", "captions.language": "de"}
    assert key({**spoken, "captions.enabled": False}) == key(spoken) != key({"burn_in.style": "plain"})


def test_a_part_is_prepared_for_itself_whatever_else_is_edited() -> None:
    hidden = key({"anonymise.enabled": True})
    part = {"anonymise.enabled": True, "edit.trim.start_seconds": 5}

    assert key(part) != hidden
    assert key({**part, "edit.trim.cut": "keyframe"}) != key(part)
    assert key({"anonymise.enabled": True, "edit.speed": 2}) == hidden


def test_what_was_prepared_is_found_again_and_keeps_the_original(store: ObjectStore) -> None:
    asset = sample_asset()
    made = kept(store, asset)

    found = found_preparation(store, asset, "k")

    assert found is not None
    assert found.preparation == made
    assert (found.content, found.media_key, found.sound_content) == ("k", made.media_key, asset.sha256)
    assert (found.id, found.source_key, found.facts) == (asset.id, asset.source_key, asset.facts)


def test_a_record_without_its_video_is_none(store: ObjectStore) -> None:
    made = kept(store, sample_asset())
    store.delete(made.media_key)

    assert found_preparation(store, sample_asset(), "k") is None
    assert found_preparation(store, sample_asset(), "other") is None
