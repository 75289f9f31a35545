"""Publish targets: where, beside the object store, copies of what is public are put, and which places may be one.

The local publication stays the truth. A target has a folder for each asset; in it each version has a folder of its own,
and one small pointer file, written last, names the version that counts.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from data.domain.errors import Fact, TargetForbiddenError
from data.domain.model import DomainModel

TargetPart = Literal[
    "hls", "dash", "mp4", "audio", "captions", "chapters", "poster", "thumbnails", "preview", "text", "analysis"
]
ALL_PARTS: tuple[TargetPart, ...] = get_args(TargetPart)
S3_SCHEME = "s3://"
FILE_SCHEME = "file://"
MAX_TITLE_BYTES = 100
"""Of a title in the name of a folder."""

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_PLACEHOLDERS = frozenset({"asset", "title", "recipe"})
_LAYOUT = re.compile(r"[A-Za-z0-9._{}/-]{1,200}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FOLDER = re.compile(r"[^\x00-\x1f\x7f\\]*")
_NO_NAME = re.compile(r"[^\w.-]+")
_RESERVED = ".dailies"
"""A local store's own folder (:data:`data.storage.base.INTERNAL_FOLDER`)."""


def normal_address(url: str) -> str:
    """Return the address of a place as it is compared: ``s3://bucket/prefix`` or ``file:///folder``, no last slash.

    Raises:
        ValueError: It is no such address.
    """
    scheme = next((each for each in (S3_SCHEME, FILE_SCHEME) if url.startswith(each)), None)
    if scheme is None or len(url) > 500 or not _FOLDER.fullmatch(url):
        raise ValueError("a target's address is `s3://bucket/prefix` or `file:///folder`")
    rest = url.removeprefix(scheme).rstrip("/")
    first, *folders = rest.split("/")
    if any(part in ("", ".", "..", _RESERVED) for part in folders):
        raise ValueError(f"no part of a target's address may be empty, `.`, `..` or `{_RESERVED}`")
    if scheme == S3_SCHEME and not _BUCKET.fullmatch(first):
        raise ValueError(f"{first!r} is no name of a bucket")
    if scheme == FILE_SCHEME and (first or not folders):
        raise ValueError("a target's folder is an absolute path below `/`: `file:///folder`")
    return scheme + rest


def _layout(layout: str) -> str:
    names = set(_PLACEHOLDER.findall(layout))
    if not _LAYOUT.fullmatch(layout) or "{" in (plain := _PLACEHOLDER.sub("x", layout)) or "}" in plain:
        raise ValueError("a layout is made of letters, digits, `.`, `_`, `-`, `/` and placeholders in braces")
    if unknown := sorted(names - _PLACEHOLDERS):
        raise ValueError(f"a layout knows {{asset}}, {{title}} and {{recipe}}, not {{{unknown[0]}}}")
    if not names & {"asset", "title"}:
        raise ValueError("a layout needs {asset} or {title}: each video has a folder of its own")
    if any(part in ("", ".", "..", _RESERVED) for part in plain.split("/")):
        raise ValueError(f"no part of a layout may be empty, `.`, `..` or `{_RESERVED}`")
    return layout


class PublishTarget(DomainModel):
    """A place that gets a copy of what a recipe publishes."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    url: Annotated[str, AfterValidator(normal_address)]
    """``s3://bucket/prefix`` or ``file:///folder``; the settings say which may be named."""
    layout: Annotated[str, AfterValidator(_layout)] = "{asset}"
    """Name of an asset's folder, of ``{asset}`` (its id), ``{title}`` and ``{recipe}``. Two assets cannot share one."""
    parts: tuple[TargetPart, ...] = Field(default=ALL_PARTS, min_length=1)
    """What is copied; ``hls`` and ``dash`` bring the captions that they show."""

    def folder(self, asset_id: str, title: str, recipe: str) -> str:
        """Return the folder of an asset below the address, without a slash at its end.

        Args:
            asset_id: The asset's.
            title: Its publication's. What no file system or address takes gladly becomes ``-``.
            recipe: The recipe's name.
        """
        values = {"asset": asset_id, "title": folder_name(title) or asset_id, "recipe": folder_name(recipe)}
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.layout)


class PublishOptions(DomainModel):
    """What happens to a version that the gate lets pass."""

    review: bool = False
    """A person decides about each version before it becomes public."""
    targets: tuple[PublishTarget, ...] = Field(default=(), max_length=16)
    """Who gets a copy, once it is public."""

    @model_validator(mode="after")
    def _targets_are_apart(self) -> Self:
        for what, values in (
            ("name", [each.name for each in self.targets]),
            ("folder", [f"{each.url}/{each.layout}" for each in self.targets]),
        ):
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"two targets have the same {what}: {', '.join(twice)}")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the publication itself is asked for."""
        return not self.review and not self.targets


class TargetRules(DomainModel):
    """Which places may be targets."""

    allowed: tuple[str, ...] = ()
    """Addresses that targets lie at or below."""
    store_url: str = ""
    """The object store's own: nothing is put into it by this way."""

    def check(self, targets: Iterable[PublishTarget]) -> None:
        """Do nothing if all of them may be written to.

        Raises:
            TargetForbiddenError: One may not; the facts name the recipe's field.
        """
        for number, target in enumerate(targets):
            self._check(target, {"field": f"publish.targets.{number}.url", "target": target.name})

    def _check(self, target: PublishTarget, facts: dict[str, Fact]) -> None:
        if not any(is_below(target.url, normal_address(each)) for each in self.allowed):
            raise TargetForbiddenError(
                f"Nothing is to be put at {target.url}, the target {target.name!r} of the recipe "
                "(setting DAILIES_PUBLISH__ALLOWED_TARGETS).",
                facts,
            )
        own = self.store_url if "://" in self.store_url else FILE_SCHEME + self.store_url
        if self.store_url and (is_below(target.url, own.rstrip("/")) or is_below(own.rstrip("/"), target.url)):
            raise TargetForbiddenError(
                f"The target {target.name!r} of the recipe and the object store lie in each other.", facts
            )


def folder_name(text: str) -> str:
    """Return a text as the name of a folder: letters and digits of all scripts, ``-``, ``_`` and ``.`` inside."""
    plain = _NO_NAME.sub("-", text).strip("-.")
    return plain.encode()[:MAX_TITLE_BYTES].decode(errors="ignore").strip("-.")


def is_below(url: str, place: str) -> bool:
    """Say whether an address is a place or lies below it; folders as they are on this disk, links followed."""
    if url.startswith(FILE_SCHEME) and place.startswith(FILE_SCHEME):
        folder, root = (Path(each.removeprefix(FILE_SCHEME)).resolve() for each in (url, place))
        return folder.is_relative_to(root)
    return url == place or url.startswith(f"{place}/")
