"""The morning report as one HTML page that needs nothing else: no script, no request, no font, no picture.

It works from a disk, in a mail and on a telephone, follows the reader into dark mode, and prints. Its own
Content-Security-Policy forbids whatever hostile titles and messages might try, should the escaping ever fail.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.domain.nights import NightFacts
from tasks.reporting import charts, tables, wording
from tasks.reporting.sentences import (
    against_deadline,
    against_plan,
    canary_sentence,
    clock_of,
    ending,
    equation,
    outcome,
    span_of,
    throughput_sentence,
    tone_of,
    windows_of,
)
from tasks.reporting.wording import Clock

OUTPUT_NAMES = {
    "results_csv": "Results (CSV)",
    "results_parquet": "Results (Parquet)",
    "retry": "Rows to try again",
    "rejects": "Rejected rows",
}
"""Outputs that the report points at, in their order, with their names for people."""


def report_html(facts: NightFacts) -> str:
    """Return the page. Every text that comes from outside is escaped."""
    return _environment().get_template("report.html.j2").render(_view(facts))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "kept_together": wording.kept_together,
        "pc": lambda value: f"{value:.3f}".rstrip("0").rstrip("."),
    }
    environment.globals |= {"counted": wording.counted, "either": wording.either, "capital": wording.capital}
    return environment


def _view(facts: NightFacts) -> dict[str, Any]:
    clock = clock_of(facts)
    counts, batch = facts.counts, facts.batch
    return {
        "facts": facts,
        "batch": batch,
        "counts": counts,
        "clock": clock,
        "tone": tone_of(facts),
        "outcome": outcome(facts),
        "ending": ending(facts, clock),
        "asides": [each for each in (against_deadline(facts, clock), against_plan(facts, clock)) if each],
        "equation": equation(facts),
        "failures": tables.failure_rows(facts.failures, counts.failed),
        "rejects": tables.failure_rows(facts.rejects, counts.rejected),
        "throughput": throughput_sentence(facts),
        "night": _night(facts, clock),
        "slowest": tables.slow_rows(facts),
        "plan": tables.plan_rows(facts, clock),
        "steps": tables.step_rows(facts),
        "pauses": tables.pause_rows(facts, clock),
        "canary": canary_sentence(facts),
        "files": file_links(facts),
        "max_groups": tables.MAX_GROUPS,
    }


def file_links(facts: NightFacts) -> list[tuple[str, str]]:
    """Return name and address of the outputs that exist and can be pointed at."""
    links = facts.links.files
    return [(name, links[key]) for key, name in OUTPUT_NAMES.items() if key in facts.batch.outputs and links.get(key)]


def _night(facts: NightFacts, clock: Clock) -> dict[str, Any] | None:
    """Return the charts over the night, or ``None`` when too little happened for a development."""
    spans = facts.throughput
    if len(spans) < charts.MIN_SPANS:
        return None
    begins, ends = span_of(facts)
    axis = charts.axis_of(begins, ends, spans)
    both = [charts.items_chart(spans, axis, clock)]
    if facts.media_seconds:
        both.append(charts.media_chart(spans, axis, clock))
    return {
        "charts": both,
        "has_failed": any(span.failed for span in spans),
        "marks": charts.time_marks(axis, clock),
        "windows": [charts.band(axis, *window, "night window") for window in windows_of(facts)],
        "pauses": [
            charts.band(axis, pause.begins_at, pause.ends_at or ends, f"paused: {tables.pause_reason(pause.reason)}")
            for pause in facts.pauses
        ],
        "span": wording.duration(spans[0].seconds),
    }
