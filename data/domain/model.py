"""The base of every domain value: frozen, complete, and strict about unknown fields."""

from pydantic import BaseModel, ConfigDict


class DomainModel(BaseModel):
    """A value. Equal by content, hashable, and never changed after it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")
