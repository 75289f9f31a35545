"""Votes, the ranking, and assets that are deleted."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.keys import asset_id as id_of
from data.domain.publications import PublicationManifest
from data.repositories import AssetRepository, PublicationRepository, VoteRepository
from data.storage import ObjectStore
from tests.api.conftest import Prefect
from tests.api.publishing import switch_to

ASSETS = "/api/v1/assets"
Publish = Callable[..., str]


@pytest.fixture
def publish(database: Database, store: ObjectStore, published: PublicationManifest) -> Publish:
    """Return a function that publishes another video, of the same look, with so many votes."""

    def make(votes: int = 0) -> str:
        sha256 = uuid.uuid4().hex * 2
        new_id = id_of(sha256)
        prefix = f"publications/{new_id}/v0001-x/"
        manifest = published.model_copy(
            update={
                "asset_id": new_id,
                "prefix": prefix,
                "job_id": str(uuid.uuid4()),
                "published_at": datetime.now(UTC),
            }
        )
        with database.session() as session:
            asset = AssetRepository(session).get(published.asset_id)
            key = f"sources/{sha256[:2]}/{sha256}"
            AssetRepository(session).record(
                asset.model_copy(update={"id": new_id, "sha256": sha256, "source_key": key})
            )
            PublicationRepository(session).record(manifest)
            for _ in range(votes):
                VoteRepository(session).give(new_id, uuid.uuid4().hex)
        store.put_bytes(b"source", key)
        store.put_bytes(b"file", f"{prefix}master.m3u8")
        switch_to(manifest, store)
        return new_id

    return make


def ranking(api: httpx.Client, between: Callable[[], object] = lambda: None) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = None
    while True:
        page = api.get(f"{ASSETS}/ranking", params={"limit": 2, **({"after": after} if after else {})}).json()
        items += page["items"]
        after = page["next"]
        if after is None:
            return items
        between()


def test_a_user_has_one_vote_and_can_take_it_back(api: httpx.Client, publish: Publish) -> None:
    asset = publish(votes=2)
    address = f"{ASSETS}/{asset}/vote"

    first, second = api.post(address).json(), api.post(address).json()

    assert first == second == {"asset_id": asset, "votes": 3, "voted": True}
    assert api.get(f"{ASSETS}/{asset}").json()["votes"] == 3
    assert api.delete(address).json() == api.delete(address).json() == {"asset_id": asset, "votes": 2, "voted": False}


def test_only_what_is_public_can_be_voted_for(api: httpx.Client, publish: Publish) -> None:
    asset = publish()
    api.post(f"{ASSETS}/{asset}/retract", json={"version": 1})

    assert api.post(f"{ASSETS}/{asset}/vote").status_code == 404
    assert api.post(f"{ASSETS}/nothing/vote").status_code == 404
    assert asset not in [each["asset_id"] for each in ranking(api)]


def test_the_ranking_is_read_whole_while_votes_come_in(api: httpx.Client, publish: Publish) -> None:
    few, many, none, later = publish(1), publish(5), publish(), publish(1)

    def goings_on() -> None:
        api.post(f"{ASSETS}/{none}/vote")
        publish(votes=9)

    read = [each["asset_id"] for each in ranking(api, goings_on)]

    assert len(read) == len(set(read))
    assert [each for each in read if each in (few, many, none, later)] == [many, later, few, none]
    assert ranking(api)[0]["votes"] == 9
    assert api.get(f"{ASSETS}/ranking", params={"after": "nonsense"}).status_code == 422


def test_assets_are_listed_by_whether_they_are_public(api: httpx.Client, publish: Publish) -> None:
    asset = publish()

    def listed(**query: Any) -> list[str]:
        return [each["id"] for each in api.get(ASSETS, params={"limit": 200, **query}).json()["items"]]

    assert asset in listed(public=True)
    assert asset not in listed(public=False)
    assert asset not in listed(mine=True)


def test_a_deleted_asset_leaves_nothing_public(
    api: httpx.Client, publish: Publish, store: ObjectStore, database: Database
) -> None:
    asset = publish(votes=1)

    deleted = api.delete(f"{ASSETS}/{asset}")

    assert deleted.status_code == 204, deleted.text
    assert api.get(f"{ASSETS}/{asset}").status_code == 404
    assert api.get(f"/media/{asset}/1/master.m3u8").status_code == 404
    assert [stored.key for stored in store.list(f"publications/{asset}/")] == [f"publications/{asset}/publication.json"]
    assert api.delete(f"{ASSETS}/{asset}").status_code == 404
    with database.session() as session:
        assert VoteRepository(session).counts([asset]) == {}


def test_an_asset_that_a_job_works_on_is_not_deleted(
    api: httpx.Client, publish: Publish, database: Database, submit: Callable[..., dict[str, Any]], prefect: Prefect
) -> None:
    asset, job_id = publish(), submit()["id"]
    with database.session() as session:
        AssetRepository(session).bind_job(job_id, asset)

    refused = api.delete(f"{ASSETS}/{asset}")
    prefect.force(job_id, State(type=StateType.COMPLETED))

    assert (refused.status_code, refused.json()["facts"]["jobs"]) == (409, [job_id])
    assert api.delete(f"{ASSETS}/{asset}").status_code == 204


def test_the_source_goes_and_what_is_public_stays(api: httpx.Client, publish: Publish, store: ObjectStore) -> None:
    asset = publish()
    source = next(store.list(f"sources/{asset[:2]}/{asset}"))

    deleted = api.delete(f"{ASSETS}/{asset}/source")

    assert deleted.status_code == 204, deleted.text
    assert store.stat(source.key) is None
    assert api.get(f"{ASSETS}/{asset}").json()["publication"]["version"] == 1
