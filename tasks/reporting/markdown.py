"""The morning report as Markdown, for the Prefect UI and for messages: the same facts in fewer words."""

import re
from collections.abc import Iterable, Iterator, Sequence

from data.domain.nights import NightFacts
from tasks.reporting import tables
from tasks.reporting.report import file_links
from tasks.reporting.sentences import (
    against_deadline,
    against_plan,
    canary_sentence,
    clock_of,
    ending,
    equation,
    outcome,
    throughput_sentence,
)
from tasks.reporting.wording import Clock, capital, counted, number


def report_markdown(facts: NightFacts) -> str:
    """Return the report as GitHub-flavoured Markdown; text from outside stands in code spans and is inert."""
    clock = clock_of(facts)
    parts = [*_head(facts, clock), *_failures(facts), *_over_time(facts, clock), *_plan(facts, clock), *_links(facts)]
    return "\n\n".join(parts) + "\n"


def code(text: str, limit: int = 200) -> str:
    """Return text of others as a code span that it cannot break out of, also inside a table."""
    flat = re.sub(r"\s+", " ", "".join(each if each.isprintable() else " " for each in text)).strip()
    short = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", short)), default=0))
    inner = short.replace("|", "\\|")
    return f"{fence} {inner} {fence}" if "`" in short else f"{fence}{inner}{fence}" if inner else ""


def _head(facts: NightFacts, clock: Clock) -> Iterator[str]:
    balance = equation(facts)
    yield f"## {outcome(facts)}"
    yield " ".join(filter(None, (ending(facts, clock), against_deadline(facts, clock), against_plan(facts, clock))))
    if facts.batch.message:
        yield f"> {code(facts.batch.message, 500)}"
    terms = " + ".join(f"{number(count)} {state}" for state, count in balance.terms)
    sign = "=" if balance.balances else "≠"
    yield f"{'✔' if balance.balances else '✘'} **{number(balance.rows)} in {sign} {terms}**"
    if not balance.balances:
        yield "\n".join(f"- **{problem}**" for problem in balance.problems)


def _failures(facts: NightFacts) -> Iterator[str]:
    for noun, groups, total in (
        ("failure", facts.failures, facts.counts.failed),
        ("rejected row", facts.rejects, facts.counts.rejected),
    ):
        if groups:
            yield f"### {capital(counted(total, noun))}"
            rows = (
                (number(row.count), code(row.code), row.advice, *_example(row))
                for row in tables.failure_rows(groups, total)
            )
            yield _table(("how many", "code", "what to do", "for example"), rows, "right")


def _example(row: tables.FailureRow) -> tuple[str]:
    first = next(iter(row.examples), None)
    return (f"row {number(first.row)}, {code(first.custom_id)}: {code(first.message)}" if first else "",)


def _over_time(facts: NightFacts, clock: Clock) -> Iterator[str]:
    sentence = throughput_sentence(facts)
    if sentence:
        yield "### Over time"
        yield sentence
    canary = canary_sentence(facts)
    if canary:
        yield f"Canary: {canary}"
    pauses = tables.pause_rows(facts, clock)
    if pauses:
        yield "\n".join(f"- Paused {when} ({how_long}): {code(why)}" for when, how_long, why in pauses)
    slow = tables.slow_rows(facts)[:3]
    if len(slow) > 1:
        yield "Slowest: " + ", ".join(f"{_linked(row)} {row.wall}" for row in slow) + "."


def _linked(row: tables.SlowRow) -> str:
    return f"[{code(row.name)}]({row.href})" if row.href else code(row.name)


def _plan(facts: NightFacts, clock: Clock) -> Iterator[str]:
    rows = [*tables.plan_rows(facts, clock), *tables.step_rows(facts)]
    if rows:
        yield "### Plan and reality"
        cells = ((row.name, row.planned, row.actual, row.difference) for row in rows)
        yield _table(("", "planned", "actual", "difference"), cells, "left")


def _links(facts: NightFacts) -> Iterator[str]:
    links = file_links(facts)
    if links:
        yield " · ".join(f"[{name}]({address})" for name, address in links)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], first: str) -> str:
    rule = ["---:" if first == "right" else "---", *["---"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
