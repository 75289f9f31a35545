"""The shapes of schedules: what the REST API takes and answers about them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from api.schemas import Answer, Call, Page
from data.domain.batches import BatchOptions
from data.domain.jobs import MAX_TITLE_CHARACTERS
from data.domain.sources import MAX_SOURCE_CHARACTERS
from data.domain.windows import ZoneName

_CRON_FIELDS = 5

ScheduleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["newsroom"])]


def _five_fields(cron: str) -> str:
    fields = len(cron.split())
    if fields != _CRON_FIELDS:
        raise ValueError(
            f"a cron has {_CRON_FIELDS} fields (minute hour day month weekday), not {fields}: `0 22 * * *` is 22:00"
        )
    return cron


Cron = Annotated[str, AfterValidator(_five_fields), Field(max_length=200, examples=["0 22 * * *"])]
MANIFEST = (
    "As in `POST /batches`; `{date}` becomes the date that the run is due, there and then, as `2026-11-22`. "
    "Without one, which only administrators may leave out: the manifest or the watched folder of the settings."
)


class ScheduleRequest(Call):
    """When a batch is to be made, and of what."""

    name: ScheduleName = Field(description="Yours to choose; known by it, in the Prefect UI too (`slug`).")
    cron: Cron
    time_zone: ZoneName = "UTC"
    is_active: bool = True
    manifest: str = Field(default="", max_length=MAX_SOURCE_CHARACTERS, description=MANIFEST)
    batch_name: str = Field(default="", max_length=MAX_TITLE_CHARACTERS)
    options: BatchOptions = BatchOptions()


class ScheduleChange(Call):
    """What to change about a schedule; what is not given stays."""

    cron: Cron | None = None
    time_zone: ZoneName | None = None
    is_active: bool | None = None
    manifest: str | None = Field(default=None, max_length=MAX_SOURCE_CHARACTERS, description=MANIFEST)
    batch_name: str | None = Field(default=None, max_length=MAX_TITLE_CHARACTERS)
    options: BatchOptions | None = None

    @field_validator("manifest", "batch_name")
    @classmethod
    def _trimmed(cls, text: str | None) -> str | None:
        return text if text is None else text.strip()


class Schedule(Answer):
    """A schedule of batches, as Prefect has it."""

    name: str = Field(description="Its slug in Prefect; the id of one that was made there without.")
    cron: str | None = Field(description="`null` for the other kinds of schedules that the Prefect UI can make.")
    time_zone: str
    is_active: bool
    owner: str | None = Field(
        description="Id of the user whose its batches are; `null` for one that names nobody: the account of the "
        "settings (`DAILIES_BATCH__OWNER`), else admins alone see them."
    )
    manifest: str
    batch_name: str
    options: dict[str, Any]
    next_runs: tuple[datetime, ...] = Field(
        description="The next ones, as Prefect has planned them: a few seconds after a change, none while not active."
    )
    links: dict[str, str]


class Schedules(Page[Schedule]):
    """Schedules, by name."""
