"""What may be fetched follows from the settings."""

from pathlib import Path

from data.settings import IngestSettings, Settings, StorageSettings
from tasks.ingest import source_limits


def test_buckets_are_read_with_the_keys_of_the_object_store(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        storage=StorageSettings(endpoint_url="http://127.0.0.1:9", access_key="a", secret_key="b"),
        ingest=IngestSettings(s3_buckets=["camera"]),
        _env_file=None,
    )

    access = source_limits(settings).s3

    assert (access.buckets, access.endpoint_url) == (("camera",), "http://127.0.0.1:9")
    assert (access.access_key, access.secret_key) == ("a", "b")
    assert source_limits(Settings(home=tmp_path, _env_file=None)).s3.buckets == ()
