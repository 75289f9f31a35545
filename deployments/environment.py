"""The environment of the stack's children: where Prefect and Dailies find each other, and how Prefect is tuned here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deployments.children import MARKER
from deployments.ports import LOOPBACK

ONE_CERTIFICATE = Path(__file__).with_name("warm") / "one_certificate.pem"
RESULT_BLOCK = "remote-file-system/dailies-results"

# A person's own Prefect (a profile, Prefect Cloud) must not leak into the stack.
FOREIGN = frozenset(
    {
        "PREFECT_API_KEY",
        "PREFECT_PROFILE",
        "PREFECT_PROFILES_PATH",
        "PREFECT_CLOUD_API_URL",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    }
)

# What `design.md` and measurements ask of Prefect; each can be overridden by the same variable in the environment.
TUNING: Mapping[str, str] = {
    # Leases in memory (the default) are lost with the server, and their slots with them.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "deployments.leases",
    # A run asks again after 2, 4, 8 … seconds: for two minutes together, instead of one, may the server be away.
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    # Two requests fewer for every client that a run opens; our server has neither CSRF protection nor another version.
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    # Cancel comes by websocket; this is how soon the fallback notices, and pending runs count too.
    "PREFECT_WORKER_CANCELLATION_POLL_SECONDS": "3",
    "PREFECT_WORKER_ENABLE_CANCELLATION": "true",
    # A silent run is taken for dead by the automation of deployments/bootstrap.py; 30 s is the least Prefect takes.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # A resumed run skips the finished tasks only when their results are kept.
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    # With the default of 5, a queue of runs makes the server open and close more connections all the time: 0.15 instead
    # of 0.04 CPU-seconds a run in Postgres.
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "20",
    # After 15 s (the default) most of a queue is called late because all slots are taken, and each time costs 0.04
    # CPU-seconds. After a minute it is worth a word.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    # Each looks for what is rare, every 5 seconds by default, at about 0.01 CPU-seconds.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "30",
    # Prune old runs, their logs and artifacts, and events: the catalogue keeps the facts.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "1",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_LOGGING_COLORS": "false",
    "PYTHONUNBUFFERED": "1",
}


# The shortest time between two questions of a worker for work (``deployments/worker.py`` asks when there is news), and
# the usual one while Prefect's stream of events is away. Each costs 0.02 CPU-seconds, nearly all in the server.
QUERY_SECONDS: Mapping[str, str] = {"cpu": "0.5", "gpu": "0.5", "control": "0.5"}


@dataclass(frozen=True)
class Addresses:
    """Where the parts of one stack listen and keep their data."""

    api_port: int
    prefect_port: int
    prefect_database_url: str
    catalogue_url: str = field(repr=False)  # a person's own may hold a password
    storage_url: str

    @property
    def api_url(self) -> str:
        """Where the REST API and the player are."""
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def prefect_ui_url(self) -> str:
        """Where the Prefect UI is."""
        return f"http://{LOOPBACK}:{self.prefect_port}"

    @property
    def prefect_api_url(self) -> str:
        """Where the Prefect API is."""
        return f"{self.prefect_ui_url}/api"


def child_environment(
    home: Path, stack_id: str, addresses: Addresses, project: Path, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the whole environment of the stack's children.

    Overrides win over what is inherited, but not over where this stack has put its parts.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    given = {
        "DAILIES_API__PUBLIC_URL": addresses.api_url,  # a person's own may be that of a proxy in front
        **inherited,
        **overrides,
        "PREFECT_API_URL": addresses.prefect_api_url,
    }
    return {
        **completed(home, project, addresses.storage_url, given),
        MARKER: stack_id,
        "PREFECT_API_DATABASE_CONNECTION_URL": addresses.prefect_database_url,
        "DAILIES_CATALOGUE__URL": addresses.catalogue_url,
        "DAILIES_STORAGE__URL": addresses.storage_url,
        "DAILIES_API__PORT": str(addresses.api_port),
        "DAILIES_API__PREFECT_UI_URL": addresses.prefect_ui_url,
    }


def completed(home: Path, project: Path, storage_url: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return a component's environment with what design, measurements and this home add to it.

    Args:
        home: The state directory.
        project: Folder of the packages.
        storage_url: The object store's.
        given: What is known already, Prefect's address among it; of the tuning it overrides each by its name.
    """
    return {
        **TUNING,
        **given,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(project), given.get("PYTHONPATH")])),
        # Prefect's workers share <temp>/runner_storage with every user of the machine otherwise.
        "TMPDIR": str(home / "tmp"),
        "PREFECT_HOME": str(home / "prefect"),
        **_certificates(given.get("PREFECT_API_URL", "")),
        **result_storage(storage_url),
        **_result_keys(given),
        **_telemetry(given),
        "DAILIES_HOME": str(home),
    }


def isolated() -> dict[str, str]:
    """Return overrides that keep a stack's store and catalogue in its home, whatever this machine's settings say."""
    return {"DAILIES_STORAGE__URL": "", "DAILIES_CATALOGUE__URL": ""}


def _certificates(prefect_api_url: str) -> dict[str, str]:
    """Plain HTTP needs no certificates; a worker makes a client for every run, and each loads them all (17 ms)."""
    return {"PREFECT_API_SSL_CERT_FILE": str(ONE_CERTIFICATE)} if prefect_api_url.startswith("http://") else {}


def _result_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the object store under the names by which Prefect's result storage looks for them."""
    names = {
        "DAILIES_STORAGE__ACCESS_KEY": "AWS_ACCESS_KEY_ID",
        "DAILIES_STORAGE__SECRET_KEY": "AWS_SECRET_ACCESS_KEY",
    }
    return {theirs: environment[ours] for ours, theirs in names.items() if environment.get(ours)}


def _telemetry(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Prefect needs to know of traces and logs: its spans cost a request a run, and only we switch them."""
    has_traces = bool(environment.get("DAILIES_TRACING__ENDPOINT"))
    is_json = environment.get("DAILIES_LOG_FORMAT", "").lower() == "json"
    return {
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": str(has_traces).lower(),
        **({"PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS": "data.telemetry.logs.JsonConsole"} if is_json else {}),
    }


def result_storage(storage_url: str) -> dict[str, str]:
    """Return the settings that keep task results in the object store, beside what they describe."""
    parts = urlsplit(storage_url)
    if parts.scheme == "file":
        return {"PREFECT_LOCAL_STORAGE_PATH": str(Path(parts.path) / "results")}
    return {"PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": RESULT_BLOCK}
