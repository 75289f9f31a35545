"""What is public about an asset, as the store says: one small object, switched by compare-and-swap and nothing else."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from data.domain.keys import publication_manifest_key
from data.domain.publications import PublicationManifest, Retraction
from data.storage import ObjectStore

_STANDING: TypeAdapter[PublicationManifest | Retraction] = TypeAdapter(PublicationManifest | Retraction)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an asset stands before the public."""

    manifest: PublicationManifest | None = None
    """What is public; ``None`` when nothing is."""
    retraction: Retraction | None = None
    """That a person took down what was public last."""
    etag: str | None = None
    """What a switch must name; ``None`` when the asset was never published."""

    @property
    def next_version(self) -> int:
        """The number of the next version: none is given twice, not even after a retraction."""
        last = self.manifest or self.retraction
        return last.version + 1 if last else 1


def standing(store: ObjectStore, asset_id: str) -> Standing:
    """Return how an asset stands now."""
    found = store.get_versioned(publication_manifest_key(asset_id))
    if found is None:
        return Standing()
    said = _STANDING.validate_json(found[0])
    return Standing(said, None, found[1]) if isinstance(said, PublicationManifest) else Standing(None, said, found[1])


def current_publication(store: ObjectStore, asset_id: str) -> tuple[PublicationManifest | None, str | None]:
    """Return what is public now, ``None`` when nothing is, with the etag that a switch must name."""
    now = standing(store, asset_id)
    return now.manifest, now.etag


def switch(store: ObjectStore, said: PublicationManifest | Retraction, etag: str | None) -> None:
    """Say what is public about an asset from now on.

    Raises:
        PublicationConflictError: Somebody else said something in between.
    """
    store.compare_and_swap(publication_manifest_key(said.asset_id), said.model_dump_json().encode(), etag)


def is_whole(store: ObjectStore, manifest: PublicationManifest) -> bool:
    """Say whether every file of a version is in the store at its size."""
    there = {stored.key.removeprefix(manifest.prefix): stored.size_bytes for stored in store.list(manifest.prefix)}
    return all(there.get(path) == size for path, size in manifest.files.items())
