"""Names of things in the object store, and the keys that decide whether work is already done."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from data.domain.publications import ToolVersions


def step_key(step: str, content: str, options: dict[str, Any], tools: ToolVersions | str) -> str:
    """Return the cache key of a step: content + options + tool versions, 24 hex digits of sha256 over canonical JSON.

    Args:
        step: The step's name (``transcode``, ``captions``).
        content: The sha256 of what goes in, or the key of the step before.
        options: The part of the recipe that the step depends on, as plain JSON values.
        tools: Versions of the programs or models that make the output.
    """
    versions = tools if isinstance(tools, str) else tools.of_key()
    text = json.dumps([step, content, options, versions], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def item_job_id(run: str, row: int) -> str:
    """Return the id under which a row of a batch is worked on by a run that works on several."""
    return f"{run}:{row}"


def work_key(asset: str, recipe_digest: str, title: str, tools: str) -> str:
    """Return the key of everything that is asked of an asset at once; equal ones are published once.

    Args:
        asset: The asset's id, which its content decides.
        recipe_digest: Of the effective recipe (:meth:`data.domain.recipes.Recipe.digest`).
        title: As it was asked for; empty leaves it to the source's name.
        tools: Versions of all programs and models that the recipe uses.
    """
    return step_key("publication", asset, {"recipe": recipe_digest, "title": title}, tools)


def wish_key(source: str, prompt: str, script: str, recipe: str, overrides: Mapping[str, Any], title: str) -> str:
    """Return the key of what a row of a manifest asks for; rows with the same ask for the same."""
    text = json.dumps([source, prompt, script, recipe, overrides, title], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def words_address(wish: str) -> str:
    """Return the address by which the video that was made of a prompt or a script is known, as a source is by its own.

    Args:
        wish: Key of what was asked for (:func:`wish_key`).
    """
    return f"words:{wish}"


def options_digest(options: Mapping[str, Any]) -> str:
    """Return 16 hex digits of sha256 over options: what costs the same has the same."""
    text = json.dumps(options, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def asset_id(sha256: str) -> str:
    """Return the id of the asset with that content."""
    return sha256[:24]


def source_key(sha256: str, suffix: str = "") -> str:
    """Return where the source with that content lies: sharded, so that no folder holds millions."""
    return f"sources/{sha256[:2]}/{sha256}{suffix}"


def package_prefix(asset: str, key: str, attempt: str) -> str:
    """Return where one attempt puts its package; two attempts at the same work never mix their files."""
    return f"packages/{asset}/{key}/{attempt}/"


def package_record_key(asset: str, key: str) -> str:
    """Return the key of the record that says which attempt's package counts; written when that one is whole."""
    return f"packages/{asset}/{key}.json"


def package_pieces_prefix(asset: str, key: str) -> str:
    """Return where the pieces of a package wait for each other, while it is made: beside the attempts at it."""
    return f"packages/{asset}/{key}/chunks/"


def artifact_prefix(asset: str, kind: str, key: str) -> str:
    """Return the prefix of what one AI step made."""
    return f"artifacts/{asset}/{kind}/{key}/"


def generation_key(request_digest: str, generation: str, suffix: str) -> str:
    """Return where the result of a generation lies; ``suffix`` begins with a dot."""
    return f"generations/{request_digest[:2]}/{request_digest}/{generation}{suffix}"


def publication_prefix(asset: str, version: int, job: str) -> str:
    """Return the prefix of one version; the job keeps two racing publishers of one version apart."""
    run, _, row = job.partition(":")
    return f"publications/{asset}/v{version:04d}-{run[:8]}{row and f'-{row}'}/"


def publication_manifest_key(asset: str) -> str:
    """Return the key of the object that says what is public about an asset."""
    return f"publications/{asset}/publication.json"


def reference_key(sha256: str, suffix: str) -> str:
    """Return where a file lies that a generation is to show; the suffix (with its dot) says what it is."""
    return f"references/{sha256[:2]}/{sha256}{suffix.lower()}"


def input_key(sha256: str, suffix: str = "") -> str:
    """Return where a file lies that an edit works with (a watermark, an intro), or what is known of it.

    Args:
        sha256: Of the file as it was handed in.
        suffix: Empty for the file itself, else what was made of it (``.png``) or the record of a kind (``.clip.json``).
    """
    return f"inputs/{sha256[:2]}/{sha256}{suffix}"


def upload_key(upload: str, name: str) -> str:
    """Return where an upload waits for its job."""
    return f"uploads/{upload}/{name}"


def batch_manifest_key(batch: str, suffix: str) -> str:
    """Return where the store's own copy of a batch's manifest lies; ``suffix`` is ``csv``, ``jsonl`` or ``parquet``."""
    return f"batches/{batch}/manifest.{suffix}"


def batch_output_key(batch: str, name: str) -> str:
    """Return where a file lies that came of a batch: ``results.csv``, ``report.html``."""
    return f"batches/{batch}/{name}"


def batch_rejects_key(batch: str, suffix: str) -> str:
    """Return where the refused rows of a batch's manifest lie, in the manifest's own format."""
    return f"batches/{batch}/rejects.{suffix}"
