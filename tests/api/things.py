"""Things of the tests that have an owner."""

import uuid
from datetime import UTC, datetime

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from pydantic import SecretStr

from api.gateway.schedules import NIGHTLY
from data.credentials import new_key
from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.identity import Scope, owner_tag
from data.domain.jobs import JOB_TAG
from data.domain.webhooks import Endpoint, Event, EventType, new_secret
from data.repositories import (
    ApiKeyRepository,
    AssetRepository,
    BatchRepository,
    WebhookEndpointRepository,
    WebhookOutbox,
)
from tests.api.conftest import Prefect
from tests.data.samples import sample_asset

NOBODY = str(uuid.UUID(int=0))
"""An id of nothing."""


class Things:
    """Makes things that have an owner."""

    def __init__(self, database: Database, prefect: Prefect) -> None:
        self._database = database
        self._prefect = prefect

    def make(self, thing: str, owner: str) -> str:
        """Make a thing of somebody's and return its id."""
        return str(getattr(self, f"_{thing}")(owner)) if thing else NOBODY

    def _job(self, owner: str) -> uuid.UUID:
        run = self._prefect.client.create_flow_run_from_deployment(
            self._prefect.deployment_id, parameters={"source": "/a.mp4"}, tags=[JOB_TAG, owner_tag(owner)]
        )
        return run.id

    def _batch(self, owner: str) -> str:
        batch = Batch(
            id=str(uuid.uuid4()),
            name="Night",
            manifest_uri="/media/night.csv",
            options=BatchOptions(),
            state=BatchState.RECEIVED,
            owner=owner,
            created_at=datetime.now(UTC),
        )
        with self._database.session() as session:
            BatchRepository(session).create(batch)
        return batch.id

    def _schedule(self, owner: str) -> str:
        client, name = self._prefect.client, uuid.uuid4().hex
        schedule = DeploymentScheduleCreate(
            schedule=CronSchedule(cron="0 22 * * *"), active=False, slug=name, parameters={"owner": owner}
        )
        client.create_deployment_schedules(client.read_deployment_by_name(NIGHTLY).id, [schedule])
        return name

    def _asset(self, owner: str) -> str:
        asset = sample_asset(uuid.uuid4().hex)
        with self._database.session() as session:
            AssetRepository(session).record(asset)
            AssetRepository(session).own([asset.id], owner)
        return asset.id

    def _key(self, owner: str) -> str:
        drawn = new_key()
        with self._database.session() as session:
            key = ApiKeyRepository(session).create(
                owner, name="a key", prefix=drawn.prefix, secret_sha256=drawn.sha256, scopes=[Scope.READ]
            )
        return key.id

    def _webhook(self, owner: str) -> str:
        return self._endpoint(owner).id

    def _delivery(self, owner: str) -> str:
        event = Event(
            id=f"evt_{uuid.uuid4().hex}",
            type=EventType.WEBHOOK_TEST,
            subject="test",
            owner=owner,
            occurred_at=datetime.now(UTC),
            data={},
        )
        endpoint = self._endpoint(owner)
        with self._database.session() as session:
            return WebhookOutbox(session).add(event, endpoint).id

    def _endpoint(self, owner: str) -> Endpoint:
        endpoint = Endpoint(
            id=f"we_{uuid.uuid4().hex}",
            owner=owner,
            url="https://receiver.invalid/hook",
            events=(EventType.JOB_SUCCEEDED,),
            secret=SecretStr(new_secret()),
            created_at=datetime.now(UTC),
            listening_since=datetime.now(UTC),
        )
        with self._database.session() as session:
            WebhookEndpointRepository(session).add(endpoint)
        return endpoint
