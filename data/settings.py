"""The one place that knows settings: environment variables ``DAILIES_…`` (groups with ``__``) over laptop defaults.

Read only at the edges (task skins, ``create_app``, bootstrap, migrations); values, not settings, go down.
"""

from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypedDict

from platformdirs import user_cache_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.domain.engines import ENGINES, find_engine
from data.domain.targets import S3_SCHEME, is_below, normal_address
from data.domain.windows import ZoneName

MIN_SECRET_CHARACTERS = 32


class StorageOptions(TypedDict):
    """What ``open_store`` needs beside the URL."""

    endpoint_url: str | None
    access_key: str | None
    secret_key: str | None
    region: str


class S3Access(BaseModel):
    """How an S3 server is reached."""

    endpoint_url: str | None = Field(None, description="Address of an S3-compatible server; empty means AWS.")
    access_key: SecretStr | None = Field(None, description="S3 access key; empty means the usual AWS sources.")
    secret_key: SecretStr | None = Field(None, description="S3 secret key.")
    region: str = Field("us-east-1", description="S3 region.")

    @property
    def options(self) -> StorageOptions:
        """What ``open_store`` needs beside the URL."""
        return StorageOptions(
            endpoint_url=self.endpoint_url,
            access_key=self.access_key.get_secret_value() if self.access_key else None,
            secret_key=self.secret_key.get_secret_value() if self.secret_key else None,
            region=self.region,
        )


class StorageSettings(S3Access):
    """The object store."""

    url: str = Field("", description="`file:///path` or `s3://bucket/prefix`; empty means `<home>/store`.")


class SourceOptions(TypedDict):
    """What ``SourceRules`` are made of."""

    allowed_roots: tuple[Path, ...]
    allow_http: bool
    s3_buckets: tuple[str, ...]


class CatalogueSettings(BaseModel):
    """The catalogue database."""

    url: str = Field(
        "", description="SQLAlchemy URL, `postgresql+psycopg://…`; empty means SQLite in `<home>` (minimal mode)."
    )


class IngestSettings(BaseModel):
    """What ingest takes."""

    allowed_roots: list[Path] = Field(
        default_factory=list,
        description='Folders that local sources may lie in, as JSON (`["/media"]`); empty means `<home>/inbox`.',
    )
    s3_buckets: list[str] = Field(
        default_factory=list,
        description='Buckets that `s3://` sources may lie in, as JSON (`["camera"]`), read with the object store\'s '
        "endpoint and keys; empty takes none.",
    )
    max_bytes: int = Field(50 * 1024**3, ge=1, description="Largest source in bytes.")
    max_duration_seconds: float = Field(12 * 3600, gt=0, description="Longest source.")
    max_pixels: int = Field(67_108_864, ge=1, description="Most pixels in one picture (refuses picture bombs).")
    allow_private_hosts: bool = Field(
        False, description="Take `http://` and sources from private addresses (tests, closed networks)."
    )
    timeout_seconds: float = Field(30, gt=0, description="Longest silence of a remote source.")


class TargetOptions(TypedDict):
    """What ``TargetRules`` are made of."""

    allowed: tuple[str, ...]
    store_url: str


class TargetAccess(S3Access):
    """How a publish target on S3 is reached."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _keys_are_a_pair(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("`access_key` and `secret_key` of a target belong together")
        return self


class PublishSettings(BaseModel):
    """Where copies of what is published may be put."""

    allowed_targets: list[Annotated[str, AfterValidator(normal_address)]] = Field(
        default_factory=list,
        description='Places that publish targets of recipes lie at or below, as JSON (`["s3://cdn/videos", '
        '"file:///srv/www"]`); empty allows none.',
    )
    credentials: dict[Annotated[str, AfterValidator(normal_address)], TargetAccess] = Field(
        default_factory=dict,
        description="How targets of S3 are reached that are not at the object store's own server or have other keys, "
        'as JSON by address, of which the longest counts (`{"s3://cdn/videos": {"endpoint_url": "https://…", '
        '"access_key": "…", "secret_key": "…", "region": "…"}}`; what one leaves out is as with AWS). Others are '
        "written to with the object store's endpoint and keys.",
    )

    @model_validator(mode="after")
    def _credentials_are_of_targets(self) -> Self:
        for place in self.credentials:
            if not place.startswith(S3_SCHEME):
                raise ValueError(f"publish.credentials are for s3:// targets, not for {place}")
            if not any(is_below(place, each) or is_below(each, place) for each in self.allowed_targets):
                raise ValueError(f"publish.credentials name {place}, where no publish.allowed_targets lie")
        return self


class RecipeSettings(BaseModel):
    """Recipes."""

    folder: Path | None = Field(
        None, description="Folder of your own recipes (`<name>.yaml`); they win over the shipped ones by name."
    )


class MediaSettings(BaseModel):
    """ffmpeg and its limits."""

    ffmpeg: Path | None = Field(None, description="ffmpeg to use; empty chooses PATH, then the packaged build.")
    ffprobe: Path | None = Field(None, description="ffprobe to use; empty chooses PATH, then the packaged build.")
    packager: Path | None = Field(None, description="Shaka Packager to use; empty chooses the packaged build.")
    encode_slots: int = Field(
        0, ge=0, le=999, description="Threads of all encodes of a machine together; 0: the cores it may use."
    )
    encoder_threads: int = Field(0, ge=0, le=64, description="Most threads of one encode; 0: up to 8.")
    slots_directory: Path | None = Field(
        None, description="Where encode slots are locked, on a disk of the machine's own; empty means `<home>/slots`."
    )
    chunk_seconds: float = Field(
        600,
        ge=0,
        description="Sources of at least twice this length are encoded in chunks of about it, each kept when it is "
        "done; 0: never.",
    )
    chunk_helpers: int = Field(
        0,
        ge=0,
        le=64,
        description="Runs on the `cpu` pool that help with the chunks of one source, beside its own; for pools with "
        "workers on several machines.",
    )
    soft_limit_seconds: float = Field(3600, gt=0, description="After this an encoder is asked to end.")
    hard_limit_seconds: float = Field(4000, gt=0, description="After this an encoder is killed.")
    stall_seconds: float = Field(120, gt=0, description="No progress for this long ends an encoder.")


class ModelSettings(BaseModel):
    """Local models."""

    directory: Path = Field(
        default_factory=lambda: user_cache_path("dailies") / "models", description="The model store."
    )
    auto_pull: bool = Field(True, description="Fetch a missing model when a recipe needs it, hash-checked.")
    threads: int = Field(0, ge=0, le=64, description="Threads of one model; 0 lets it choose.")
    detectors: Path | None = Field(
        None,
        description="Folder of your own detectors: `NAME.onnx`, its labels in it or in `NAME.txt` or `.json`.",
    )


class ProvenanceSettings(BaseModel):
    """Content Credentials (C2PA) in what is published."""

    enabled: bool = Field(True, description="Sign published MP4 files and posters with Content Credentials (C2PA).")
    certificate: Path | None = Field(
        None,
        description="PEM file of the signing certificate and those above it, without the root. Empty: one of our own, "
        "which nobody trusts, made in `<home>/credentials`.",
    )
    private_key: Path | None = Field(None, description="PEM file of its private key, without a password.")
    timestamp_url: str = Field(
        "", description="Address of a time-stamping authority (RFC 3161), asked at each signing; empty: none."
    )

    @model_validator(mode="after")
    def _key_and_certificate_belong_together(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("`certificate` and `private_key` go together: set both, or neither")
        return self


class RetrySettings(BaseModel):
    """How often a step is tried again after a retryable failure."""

    attempts: int = Field(3, ge=0, le=10, description="Retries of one step after its first try.")
    first_delay_seconds: float = Field(
        5,
        ge=0,
        description="Delay before the first retry, doubled each time, with jitter. Short: what a step is tried again "
        "for (a disk, a store, a database) is mostly over in seconds; providers get their own patience inside it.",
    )
    max_delay_seconds: float = Field(3600, ge=0, description="Longest delay between retries.")


class OrchestrationSettings(BaseModel):
    """Work pools and runs."""

    cpu_slots: int = Field(
        0, ge=0, le=1024, description="Runs at once on the `cpu` pool; 0: twice the cores, at least 4."
    )
    gpu_slots: int = Field(0, ge=0, le=64, description="Runs at once on the `gpu` pool; 0: the GPUs, at least 1.")
    crash_attempts: int = Field(2, ge=1, le=10, description="How often a run may start before a crash is final.")
    job_limit_seconds: float = Field(
        14_400, gt=0, description="Longest work of one attempt of a job; then it ends itself, or is killed."
    )
    stall_seconds: float = Field(
        300, gt=0, description="A step in which nothing at all happens for this long is ended and tried again."
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        description="How long a worker of `deployments.service` that is told to end lets its runs go on; then, or at "
        "once with 0, they go back to the queue.",
    )
    niceness: int = Field(
        10, ge=0, le=19, description="How far media work gives way to what serves people on the same machine; 0: not."
    )


class RetentionSettings(BaseModel):
    """After how many days what nobody needs any more is deleted; 0 keeps it for ever."""

    versions_days: int = Field(7, ge=0, description="Published versions, after another took their place; 0: for ever.")
    attempts_days: int = Field(1, ge=0, description="Files of attempts that came to nothing; 0: for ever.")
    caches_days: int = Field(
        30, ge=0, description="Packages and artifacts, after their last use, and generations; 0: for ever."
    )
    paid_days: int = Field(
        0, ge=0, description="Results of generations that cost money, where no asset was made of them; 0: for ever."
    )
    uploads_days: int = Field(
        7, ge=0, description="Uploads, unless a job or an item of a batch waits for them; 0: for ever."
    )
    results_days: int = Field(30, ge=0, description="Results of runs' steps, by which runs are resumed; 0: for ever.")
    webhooks_days: int = Field(30, ge=0, description="Deliveries of webhooks that have ended; 0: for ever.")


class BatchSettings(BaseModel):
    """Batches."""

    cpu_hour_cost: float = Field(0, ge=0, description="What an hour of one encode slot costs, for plans and reports.")
    gpu_hour_cost: float = Field(0, ge=0, description="What an hour of one GPU costs.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Currency of both (ISO 4217).")
    max_manifest_bytes: int = Field(1024**3, ge=1, description="Largest manifest handed to the API.")
    nightly_manifest: str = Field(
        "", description="What `process-batch/nightly` takes; may hold `{date}`. Empty takes the watched folder."
    )
    time_zone: ZoneName = Field("UTC", description="Of the `{date}` of manifests that name none.")
    owner: str = Field(
        "",
        description="Account (e-mail address or id) that the nightly batch, those of the watched folder and those made "
        "through Prefect without an `owner` belong to: it sees them, and its webhooks are told. Empty: admins alone "
        "see them.",
    )
    watched_folder: Path | None = Field(
        None, description="Folder whose new files become batches every minute; empty watches none."
    )
    watched_recipe: str = Field("default", description="Recipe of its files; those in a sub-folder named as one: that.")
    watched_quiet_seconds: float = Field(
        30, ge=0, description="A file is whole when it has not changed for this long and nobody has it open to write."
    )


class ProviderSettings(BaseModel):
    """One provider of generations."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    engine: str
    """A name of :data:`data.domain.engines.ENGINES`, or the dotted path of a module of one's own."""
    url: str = ""
    api_key: SecretStr | None = None
    model: str = ""
    price_per_generation: float = Field(0, ge=0)
    price_per_second: float = Field(0, ge=0)
    charges_failed: bool = True
    """Whether it charges for what it accepted and then failed to make."""
    requests_per_minute: int | None = Field(None, ge=1)
    max_duration_seconds: float | None = Field(None, gt=0)
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_its_engine(self) -> Self:
        engine = find_engine(self.engine)
        if engine is None:
            known = ", ".join(ENGINES)
            raise ValueError(f"provider {self.name!r}: there is no engine {self.engine!r}; there are {known}")
        if engine.needs_url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"provider {self.name!r}: the engine {self.engine} needs a `url` (http:// or https://)")
        if self.price_per_second and self.max_duration_seconds is None:
            raise ValueError(
                f"provider {self.name!r}: `price_per_second` needs `max_duration_seconds`, by which the price is "
                "reckoned where nobody says how long the result is to be"
            )
        return self


def _shipped_providers() -> list[ProviderSettings]:
    return [ProviderSettings(name="storyboard", engine="storyboard")]


class GenerationSettings(BaseModel):
    """Generations: who makes them, and what they may cost."""

    providers: list[ProviderSettings] = Field(
        default_factory=_shipped_providers,
        description="Who makes video from prompts, as a JSON list of objects: `name`, `engine` (`storyboard`, "
        "`diffusers`, `comfyui`, `openai_videos`), `url`, `api_key`, `model`, `price_per_generation`, "
        "`price_per_second`, `charges_failed`, `requests_per_minute`, `max_duration_seconds`, `options`. By default "
        "`storyboard`, on this machine.",
    )
    policy: Literal["order", "cheapest", "fastest"] = Field(
        "order", description="Which provider is asked first; the next one only if that certainly makes nothing."
    )
    poll_seconds: float = Field(5, gt=0, description="How often a provider is asked whether it is done.")
    timeout_seconds: float = Field(3600, gt=0, description="A generation that is not made by then is given up.")
    day_budget: float | None = Field(
        None, ge=0, description="Most that paid generations may cost in a day (UTC), in `DAILIES_BATCH__CURRENCY`."
    )
    breaker_failures: int = Field(5, ge=1, description="After so many failures in a row a provider is left alone.")
    breaker_seconds: float = Field(60, gt=0, description="For how long; then one call tries whether it is back.")
    test_seconds: float = Field(30, gt=0, le=300, description="How long a test of the providers may take.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [provider.name for provider in self.providers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two providers have the same name: {', '.join(twice)}")
        return self


class WebhookSettings(BaseModel):
    """Webhooks: who is told what becomes of jobs and batches."""

    relay: bool = Field(
        True,
        description="Whether the API delivers (one of its processes at a time); else do: `python -m api.relay`.",
    )
    allow_private_hosts: bool = Field(
        False, description="Deliver to `http://` and private addresses too (tests, closed networks)."
    )
    retry_seconds: list[Annotated[float, Field(ge=0)]] = Field(
        [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
        min_length=1,
        description="How long to wait before each try of a delivery, the first included, as JSON.",
    )
    timeout_seconds: float = Field(15, gt=0, description="How long a receiver may take to answer.")
    poll_seconds: float = Field(1, gt=0, description="How often to look for news; less often when idle.")
    max_concurrency: int = Field(32, ge=1, le=300, description="Most deliveries at once.")
    max_concurrency_per_endpoint: int = Field(8, ge=1, le=300, description="Most of them to one endpoint.")
    disable_after_days: float = Field(
        5, gt=0, description="An endpoint that has taken nothing for so long is switched off."
    )


class TracingSettings(BaseModel):
    """Traces."""

    endpoint: str = Field(
        "", description="Address of an OpenTelemetry collector (OTLP over HTTP, `http://127.0.0.1:4318`); empty: none."
    )


class AuditSettings(BaseModel):
    """The audit."""

    key: SecretStr | None = Field(
        None,
        description="Signs the heads of the chain that are kept in the object store: 32 or more random characters, "
        "which mode `production` asks for.",
    )
    archive_days: int = Field(
        0, ge=0, description="After so many days entries go from the catalogue into the archive; 0: never."
    )


class MetricsSettings(BaseModel):
    """Metrics."""

    token: SecretStr | None = Field(
        None, description="Bearer token of Prometheus for `/metrics`; empty: administrators, and this machine itself."
    )


class ApiSettings(BaseModel):
    """The REST API."""

    host: str = Field(
        "127.0.0.1", description="Address to bind; other than loopback only where `DAILIES_AUTH__REQUIRED` holds."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to bind; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that serve the API, on one listening socket.")
    stop_seconds: int = Field(10, ge=0, description="How long answers under way may still take when the API stops.")
    max_upload_bytes: int = Field(10 * 1024**3, ge=1, description="Largest upload.")
    stream_clients: int = Field(500, ge=0, description="Most streams (SSE) that a process of the API serves at once.")
    stream_poll_seconds: float = Field(
        1, gt=0, le=60, description="How often Prefect is asked, once for all streams of a process; never without any."
    )
    stream_heartbeat_seconds: float = Field(15, gt=0, description="How often a stream says that it is alive.")
    redirect_media: bool = Field(
        False,
        description="Send players to the object store for segments, pictures and MP4 (presigned; S3 only, with CORS).",
    )
    presigned_seconds: int = Field(
        3600, ge=60, le=604_800, description="How long the addresses hold that we presign, for playback and uploads."
    )
    max_body_bytes: int = Field(1024**2, ge=1024, description="Largest body of a call that is no upload.")
    max_header_bytes: int = Field(32 * 1024, ge=1024, description="Most bytes of a request's line and headers.")
    max_headers: int = Field(100, ge=10, description="Most headers of a request.")
    header_seconds: float = Field(10, gt=0, description="By then a request's headers have to be there.")
    body_idle_seconds: float = Field(20, gt=0, description="Longest silence of a client in the middle of a body.")
    min_body_bytes_per_second: int = Field(
        1024, ge=0, description="A body that arrives slower, after 10 s of waiting, is given up; 0: never."
    )
    read_cache_seconds: float = Field(
        1.0,
        ge=0,
        le=10,
        description="How old the state of a job may be when it is told; twice that in a crowd, and five times once it "
        "has succeeded. 0: it is read each time.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description='Names by which the API may be called, as JSON (`["dailies.example", "*.example"]`). Empty: any; '
        "while it listens on the loopback only, the names of this machine and that of `PUBLIC_URL`.",
    )
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description='Networks of the proxies in front, as JSON (`["10.0.0.0/8"]`): only they may say who calls.',
    )
    proxy_headers: Literal["x-forwarded", "forwarded"] = Field(
        "x-forwarded",
        description="What those proxies write: `X-Forwarded-…` (nearly all), or `Forwarded` (RFC 7239); the other is "
        "not believed, because callers can write it.",
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description='Web sites whose scripts may call the API, as JSON (`["https://app.example"]`, `["*"]`: any).',
    )
    prefect_ui_url: str = Field("http://127.0.0.1:4200", description="Where people open the Prefect UI (links).")
    prefect_timeout_seconds: float = Field(
        15, gt=0, le=300, description="Longest silence of Prefect before a call that needs it is answered with 503."
    )
    public_url: str = Field(
        "", description="Where people reach the API (links in reports and messages); `make up` sets it."
    )


class AuthSettings(BaseModel):
    """Who may call."""

    required: bool | None = Field(
        None,
        description="Whether calls without a token or key are refused; by default in mode `production` only. "
        "Otherwise who does not log in is the local user, who may do everything.",
    )
    secrets: list[SecretStr] = Field(
        default_factory=list,
        description="What access tokens are signed with, as a JSON list: the first signs, the others are still taken. "
        "Each of 32 characters or more. Empty draws one and keeps it in `<home>` (mode `local` only).",
    )
    access_minutes: float = Field(15, gt=0, le=24 * 60, description="How long an access token is good for.")
    refresh_days: float = Field(30, gt=0, le=366, description="How long a login lasts without the password.")
    sign_up: Literal["closed", "viewer", "operator"] = Field(
        "closed", description="Whether people may sign up themselves, and as what."
    )
    min_password_characters: int = Field(12, ge=8, le=128, description="Shortest password.")

    @model_validator(mode="after")
    def _secrets_are_long(self) -> Self:
        if any(len(secret.get_secret_value()) < MIN_SECRET_CHARACTERS for secret in self.secrets):
            raise ValueError(f"each of `secrets` needs {MIN_SECRET_CHARACTERS} characters or more")
        return self


Rate = Annotated[str, Field(pattern=r"^[1-9]\d{0,8}/(second|minute|hour|day)$")]


class LimitSettings(BaseModel):
    """How much one caller may ask of the API: by API key, user or, where neither is known, address."""

    reads: Rate = Field("1200/minute", description="Calls that only read.")
    searches: Rate = Field("240/minute", description="Calls that look through all jobs, logs, words or the audit.")
    writes: Rate = Field("300/minute", description="Calls that change something.")
    uploads: Rate = Field("120/minute", description="Uploads.")
    auth: Rate = Field("10/minute", description="Sign-ups and log-ins, of an address and of an account name.")
    failures: Rate = Field("30/minute", description="Calls of an address with wrong credentials, in each process.")
    local: Rate = Field("120000/minute", description="Calls of each kind where nobody needs to log in.")
    upload_bytes_a_day: int = Field(500 * 1024**3, ge=1, description="Bytes that one caller may upload in 24 hours.")
    uploads_at_once: int = Field(8, ge=1, description="Uploads of one caller at the same time, in each process.")
    window: Literal["fixed", "sliding", "moving"] = Field(
        "sliding", description="How calls are counted; `moving` is exact, and remembers each call."
    )
    storage: SecretStr | None = Field(
        None, description="`redis://…`, where all processes count together; empty: each for itself."
    )


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix="DAILIES_",
        env_nested_delimiter="__",
        extra="ignore",
        env_file=".env",
        env_file_encoding="utf-8",
        hide_input_in_errors=True,  # it may hold secrets, and ends up in logs
    )

    home: Path = Field(Path("var"), description="Where local state lives: store, databases, scratch, logs.")
    mode: Literal["local", "production"] = Field(
        "local", description="`production` refuses to start with anything that only a laptop may have."
    )
    in_memory: bool = Field(
        False,
        description="State lies in memory and is gone at the end: `make up ARGS=--in-memory` says so here, and "
        "`/health/ready` to all. Never in mode `production`.",
    )
    api_url: str = Field("http://127.0.0.1:8000", description="Where the command line finds the REST API.")
    api_key: SecretStr | None = Field(None, description="API key that the command line calls with.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Our own log level.")
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people, or as JSON.")
    storage: StorageSettings = StorageSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    ingest: IngestSettings = IngestSettings()
    recipes: RecipeSettings = RecipeSettings()
    publish: PublishSettings = PublishSettings()
    media: MediaSettings = MediaSettings()
    models: ModelSettings = ModelSettings()
    provenance: ProvenanceSettings = ProvenanceSettings()
    retry: RetrySettings = RetrySettings()
    orchestration: OrchestrationSettings = OrchestrationSettings()
    retention: RetentionSettings = RetentionSettings()
    batch: BatchSettings = BatchSettings()
    generation: GenerationSettings = GenerationSettings()
    webhooks: WebhookSettings = WebhookSettings()
    api: ApiSettings = ApiSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    audit: AuditSettings = AuditSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()

    @model_validator(mode="after")
    def _others_log_in(self) -> Self:
        if not self.is_auth_required and not _is_loopback(self.api.host):
            raise ValueError(
                f"api.host {self.api.host!r} can be reached from other machines, and nobody needs to log in: set "
                "DAILIES_AUTH__REQUIRED=true (or DAILIES_MODE=production), or bind 127.0.0.1"
            )
        return self

    @property
    def is_auth_required(self) -> bool:
        """Whether calls without a token or key are refused."""
        return self.mode == "production" if self.auth.required is None else self.auth.required

    @property
    def home_path(self) -> Path:
        """The state directory, absolute."""
        return self.home.expanduser().resolve()

    @property
    def storage_url(self) -> str:
        """The object store's URL with the default filled in."""
        return self.storage.url or f"file://{self.home_path / 'store'}"

    @property
    def storage_options(self) -> StorageOptions:
        """What ``open_store`` needs beside the URL."""
        return self.storage.options

    def options_at(self, target_url: str) -> StorageOptions:
        """Return what ``open_store`` needs beside the URL of a publish target."""
        found = self.publish.credentials
        known = [place for place in found if is_below(target_url, place)]
        return found[max(known, key=len)].options if known else self.storage_options

    @property
    def catalogue_url(self) -> str:
        """The catalogue's SQLAlchemy URL with the default filled in."""
        return self.catalogue.url or f"sqlite:///{self.home_path / 'catalogue.db'}"

    @property
    def source_roots(self) -> tuple[Path, ...]:
        """The folders that local sources may lie in, with the default filled in."""
        return tuple(self.ingest.allowed_roots) or (self.home_path / "inbox",)

    @property
    def source_options(self) -> SourceOptions:
        """What ``SourceRules`` are made of."""
        ingest = self.ingest
        return SourceOptions(
            allowed_roots=self.source_roots,
            allow_http=ingest.allow_private_hosts,
            s3_buckets=tuple(ingest.s3_buckets),
        )

    @property
    def target_options(self) -> TargetOptions:
        """What ``TargetRules`` are made of."""
        return TargetOptions(allowed=tuple(self.publish.allowed_targets), store_url=self.storage_url)

    @property
    def recipe_folder(self) -> Path | None:
        """The folder of the user's own recipes, absolute."""
        folder = self.recipes.folder
        return folder.expanduser().resolve() if folder else None

    @property
    def slots_path(self) -> Path:
        """Where the encode slots of this machine are locked."""
        directory = self.media.slots_directory
        return directory.expanduser().resolve() if directory else self.home_path / "slots"

    @property
    def credentials_path(self) -> Path:
        """Where a signing certificate of our own lies."""
        return self.home_path / "credentials"

    @property
    def scratch_path(self) -> Path:
        """Where workspaces of attempts are made."""
        return self.home_path / "scratch"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return this process's settings; read once."""
    return Settings()


def settings_table() -> str:
    """Return all settings as a Markdown table: variable, default, meaning. The README holds it; a test compares."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            rows += [_row(f"DAILIES_{name}__{leaf}", info) for leaf, info in group.model_fields.items()]
        else:
            rows.append(_row(f"DAILIES_{name}", field))
    return "\n".join(rows)


def _row(variable: str, field: FieldInfo) -> str:
    is_computed = field.default_factory is not None or field.default in (None, "")
    default = "" if is_computed else f"`{field.default}`"
    return f"| `{variable.upper()}` | {default} | {field.description} |"


if __name__ == "__main__":
    print(settings_table())  # noqa: T201 - this is the command line
