"""What is several people's is not taken from one of them by another."""

import httpx
import pytest
from pydantic import SecretStr

from data.database import Database
from data.domain.identity import Role
from data.domain.publications import PublicationManifest
from data.repositories import AssetRepository
from data.settings import AuthSettings, Settings
from deployments.stack import Stack
from tests.api.callers import calling, make_user, person
from tests.api.conftest import Prefect, ServeApi


@pytest.fixture(scope="module")
def locked_url(serve_api: ServeApi, settings: Settings, database: Database, prefect_server: Stack) -> str:
    auth = AuthSettings(required=True, secrets=[SecretStr("0123456789abcdef" * 3)])
    return serve_api(settings.model_copy(update={"auth": auth}), prefect_server.prefect_api_url)


def test_a_source_that_is_anothers_too_stays_until_one_is_its_only_owner(
    locked_url: str, prefect: Prefect, database: Database, published: PublicationManifest
) -> None:
    asset = published.asset_id
    with httpx.Client(base_url=locked_url) as client:
        ada = person(client, database, "ada-of-sources", Role.OPERATOR)
    bob = make_user(database, "bob-of-sources", Role.OPERATOR)
    with database.session() as session:
        owners = (ada.user.id, bob.id)
        for owner in owners:
            AssetRepository(session).own([asset], owner)
    with calling(locked_url, ada) as api:
        refused = api.delete(f"/api/v1/assets/{asset}/source")
    with database.session() as session:
        for owner in owners:
            AssetRepository(session).disown(asset, owner)

    assert (refused.status_code, refused.json()["code"]) == (409, "REQUEST.ILLEGAL_MOVE")
    assert "theirs" in refused.json()["detail"]
