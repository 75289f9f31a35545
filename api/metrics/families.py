"""Figures of Prefect, the catalogue and this machine as families of metrics. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from data.domain.ledger import BreakerState, ProviderHealth
from data.repositories import Backlog
from data.repositories.figures import Figures

if TYPE_CHECKING:  # it comes with Prefect's client, which a cold start does not wait for
    from api.gateway.figures import RunFigures


@dataclass(frozen=True)
class PoolFigures:
    """The connections of this process to the catalogue."""

    in_use: int
    idle: int


@dataclass(frozen=True)
class DiskFigures:
    """A disk that work lies on."""

    path: Path
    free: int
    total: int


def run_families(runs: "RunFigures") -> Iterator[Metric]:
    """Give what Prefect knows."""
    yield _gauges("dailies_jobs", "Jobs that Prefect holds.", "state", runs.jobs)
    depth = GaugeMetricFamily("dailies_queue_depth", "Runs that are due and wait.", labels=["pool", "queue"])
    for (pool, queue), count in runs.queued.items():
        depth.add_metric([pool, queue], count)
    yield depth
    yield _gauges("dailies_runs_running", "Runs at work.", "pool", runs.running)
    yield _gauges("dailies_workers", "Workers that sent a heartbeat lately.", "pool", runs.workers)
    yield GaugeMetricFamily("dailies_runs_late", "Runs that Prefect calls late.", runs.late)
    help_text = "How long the oldest run that is due has waited."
    yield GaugeMetricFamily("dailies_queue_oldest_seconds", help_text, runs.oldest_seconds)
    if runs.canary_seconds is not None:
        help_text = "Time since a scheduled run last started."
        yield GaugeMetricFamily("dailies_canary_age_seconds", help_text, runs.canary_seconds)


def catalogue_families(figures: Figures, currency: str) -> Iterator[Metric]:
    """Give what the catalogue knows."""
    for name, count in figures.counts.items():
        yield CounterMetricFamily(f"dailies_{name}_recorded", f"Entries of {name} in the catalogue.", count)
    yield _gauges("dailies_batches", "Batches.", "state", figures.batches)
    yield _gauges("dailies_batch_items", "Items of batches.", "state", figures.items)
    made = GaugeMetricFamily("dailies_generations", "Entries of the ledger.", labels=["provider", "state"])
    for (provider, state), count in figures.generations.items():
        made.add_metric([provider, state], count)
    yield made
    cost = CounterMetricFamily("dailies_generation_cost", "What providers charged.", labels=["provider", "currency"])
    for provider, spent in figures.spent.items():
        cost.add_metric([provider, currency], spent)
    yield cost
    yield from _step_families(figures)


def webhook_families(backlog: Backlog) -> Iterator[Metric]:
    """Give what should have been delivered by now: also while nobody delivers, which only the catalogue can tell."""
    help_text = "Deliveries to webhooks whose time has come."
    yield GaugeMetricFamily("dailies_webhook_backlog", help_text, backlog.count)
    help_text = "How long the oldest of them is overdue."
    yield GaugeMetricFamily("dailies_webhook_backlog_oldest_seconds", help_text, backlog.oldest_seconds)


def provider_families(providers: Mapping[str, ProviderHealth]) -> Iterator[Metric]:
    """Give how the providers are."""
    breaker = GaugeMetricFamily(
        "dailies_provider_breaker_state", "1 for the state of the circuit breaker.", labels=["provider", "state"]
    )
    failures = GaugeMetricFamily("dailies_provider_failures", "Failures in a row.", labels=["provider"])
    calls = CounterMetricFamily("dailies_provider_calls", "Calls of a provider.", labels=["provider", "outcome"])
    seconds = GaugeMetricFamily("dailies_provider_response_seconds", "Moving average.", labels=["provider"])
    for name, health in providers.items():
        for state in BreakerState:
            breaker.add_metric([name, state.value], health.breaker is state)
        failures.add_metric([name], health.failures)
        calls.add_metric([name, "failed"], health.failed_calls)
        calls.add_metric([name, "answered"], health.calls - health.failed_calls)
        seconds.add_metric([name], health.response_seconds or 0.0)
    yield from (breaker, failures, calls, seconds)


def machine_families(pool: PoolFigures | None, disks: tuple[DiskFigures, ...]) -> Iterator[Metric]:
    """Give what this process knows of its machine."""
    if pool is not None:
        states = {"in_use": pool.in_use, "idle": pool.idle}
        yield _gauges("dailies_catalogue_connections", "Connections of the process that answers.", "state", states)
    free = GaugeMetricFamily("dailies_disk_free_bytes", "Free space where work lies.", labels=["path"])
    total = GaugeMetricFamily("dailies_disk_size_bytes", "Size of that disk.", labels=["path"])
    for disk in disks:
        free.add_metric([str(disk.path)], disk.free)
        total.add_metric([str(disk.path)], disk.total)
    yield from (free, total)


def up_family(components: Mapping[str, bool]) -> Metric:
    """Give which components could be asked."""
    return _gauges("dailies_up", "Whether the component answered when it was last asked.", "component", components)


def _step_families(figures: Figures) -> Iterator[Metric]:
    runs = CounterMetricFamily("dailies_steps", "Steps that did work.", labels=["step"])
    hits = CounterMetricFamily("dailies_step_cache_hits", "Steps whose result was there already.", labels=["step"])
    machine = CounterMetricFamily("dailies_step_machine_seconds", "What steps took of a machine.", labels=["step"])
    media = CounterMetricFamily("dailies_step_media_seconds", "Media that steps worked on.", labels=["step"])
    size = CounterMetricFamily("dailies_step_bytes", "Bytes into and out of steps.", labels=["step", "direction"])
    for step, each in figures.steps.items():
        runs.add_metric([step], each.count)
        machine.add_metric([step], each.machine_seconds)
        media.add_metric([step], each.media_seconds)
        size.add_metric([step, "in"], each.bytes_in)
        size.add_metric([step, "out"], each.bytes_out)
    for step, count in figures.found_again.items():
        hits.add_metric([step], count)
    yield from (runs, hits, machine, media, size)


def _gauges(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
