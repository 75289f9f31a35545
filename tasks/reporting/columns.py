"""The columns that a results manifest adds to the input's own: their names, types and meaning, in one place.

The input's columns come first, in their order and unchanged; ours follow and all begin with ``dailies_``. (Input
columns of exactly these names, as a results manifest that is handed in again has them, give way to ours.)

In the CSV, times are RFC 3339 in UTC, what is not known is empty, and our *text* columns are safe to open in a
spreadsheet: a text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe in front,
because titles of files and messages of servers are foreign text that a spreadsheet would run as a formula. The Parquet
file holds every text as it is. The input's own columns are in both as they were handed in: rows are joined by them.
"""

from dataclasses import dataclass

import pyarrow as pa

PREFIX = "dailies_"

TEXT = pa.string()
COUNT = pa.int32()
BYTES = pa.int64()
NUMBER = pa.float64()
MOMENT = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a results manifest; ``name`` is without the prefix."""

    name: str
    type: pa.DataType
    meaning: str


COLUMNS = (
    Column("row", COUNT, "Number of the data row in the manifest, from 1."),
    Column("custom_id", TEXT, "The row's own id, or the one that was given to it."),
    Column("source", TEXT, "What the row asks for: its source, or the beginning of its prompt or script."),
    Column("recipe", TEXT, "Name of the recipe that the row was worked on with."),
    Column("state", TEXT, "succeeded, failed, skipped, rejected or cancelled; empty: the row was never taken in."),
    Column("reason", TEXT, "Why it was skipped (unchanged, duplicate) or cancelled; `review`: it waits for a person."),
    Column("step", TEXT, "The step that it failed in."),
    Column("failure_class", TEXT, "DATA, TRANSIENT, PROVIDER, POLICY, INFRA, BUDGET or CANCELLED."),
    Column("code", TEXT, "Dotted code of the failure, for example DATA.INPUT.CORRUPT."),
    Column("message", TEXT, "What happened, in a sentence."),
    Column("attempts", COUNT, "How often it was started."),
    Column("started_at", MOMENT, "When its work began."),
    Column("ended_at", MOMENT, "When it reached its state."),
    Column("wall_seconds", NUMBER, "Seconds from the beginning of its work to its end."),
    Column("cost", NUMBER, "What was paid for it, in the batch's currency."),
    Column("run_id", TEXT, "Its flow run in Prefect; several short items may share one."),
    Column("asset_id", TEXT, "Id of the asset."),
    Column("version", COUNT, "Version of the publication."),
    Column("title", TEXT, "Title of the publication."),
    Column("source_sha256", TEXT, "Digest of the source's content."),
    Column("source_bytes", BYTES, "Size of the source."),
    Column("duration_seconds", NUMBER, "Playing time of the publication."),
    Column("renditions", COUNT, "Number of renditions of the picture."),
    Column("content_key", TEXT, "Digest of what was published: the same again is not published twice."),
    Column("published_bytes", BYTES, "Size of everything that is public."),
    Column("published_at", MOMENT, "When that version was published; before the batch for an unchanged row."),
    Column("hls_key", TEXT, "HLS playlist in the object store."),
    Column("dash_key", TEXT, "DASH manifest in the object store."),
    Column("mp4_key", TEXT, "Progressive MP4 in the object store."),
    Column("poster_key", TEXT, "Poster in the object store."),
    Column("captions_keys", TEXT, "WebVTT captions in the object store, separated by spaces."),
    Column("caption_languages", TEXT, "Their languages in the same order, separated by spaces."),
    Column("copied_to", TEXT, "Publish targets that have a copy of that version, separated by spaces."),
    Column("copied_bytes", BYTES, "Size of these copies together."),
)
"""In the order of the file."""

SCHEMA = pa.schema(
    [pa.field(PREFIX + column.name, column.type, metadata={"meaning": column.meaning}) for column in COLUMNS]
)
"""Our columns as Parquet has them; each field carries its meaning."""

TEXT_COLUMNS = tuple(field.name for field in SCHEMA if field.type == TEXT)
"""Those of ours that are guarded in the CSV."""
