"""The table of faults: what each fault of the suite did to its jobs, and what it left, which must be nothing."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from tests.fakes.aftermath import Complaint, Kind
from tests.fakes.job_client import Job

PROPERTY = "fault"
"""The name under which a test's row travels in its report, also from one process to another."""


@dataclass(frozen=True)
class FaultRow:
    """One fault, its jobs by how they ended, and what was left of them."""

    fault: str
    jobs: int
    succeeded: int
    failed_typed: int
    cancelled: int
    lost: int
    orphans: int
    held_slots: int
    scratch: int
    half_published: int
    duplicates: int

    @classmethod
    def of(cls, fault: str, ended: Sequence[Job], complaints: Iterable[Complaint]) -> Self:
        """Count."""
        states = Counter(str(job["state"]) for job in ended)
        kinds = Counter(complaint.kind for complaint in complaints)
        left = {kind.value.replace(" ", "_").replace("-", "_"): kinds[kind] for kind in Kind}
        return cls(fault, len(ended), states["succeeded"], states["failed"], cancelled=states["cancelled"], **left)

    def line(self) -> str:
        """The row as text that travels."""
        return json.dumps(asdict(self))


HEADINGS = tuple(field.name.replace("_", " ") for field in fields(FaultRow))


def rows_of(reports: Iterable[Any]) -> list[FaultRow]:
    """Return the rows that tests left in their reports, in the order of the tests."""
    return [
        FaultRow(**json.loads(value))
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]


def markdown(rows: Sequence[FaultRow]) -> str:
    """Return the table, with a sum, as Markdown that is also readable as it is."""
    numbers = [[value for value in asdict(row).values() if isinstance(value, int)] for row in rows]
    sums = [sum(column) for column in zip(*numbers, strict=True)]
    cells = [
        HEADINGS,
        *(tuple(str(value) for value in asdict(row).values()) for row in rows),
        (f"{len(rows)} faults", *map(str, sums)),
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (width + 1) + (":" if position else "-") for position, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "| " + " | ".join(padded) + " |"
