import re

import pytest

from tasks.reporting.markdown import code, report_markdown
from tests.fakes.nights import HOSTILE, facts_of, failed_item, newsroom_facts, sample_batch, sample_item


def test_the_same_facts_are_told_in_fewer_words() -> None:
    text = report_markdown(newsroom_facts(1000))

    assert text.startswith("## 1,000 rows: 967 published, 12 failed, 13 unchanged, 3 duplicates and 5 rejected.\n")
    assert "✔ **1,000 in = 967 succeeded + 12 failed + 16 skipped + 5 rejected + 0 cancelled**" in text
    assert "| 6 | `DATA.INPUT.CORRUPT` |" in text
    assert "[Results (CSV)](results.csv)" in text


def test_an_equation_that_does_not_balance_is_loud() -> None:
    text = report_markdown(facts_of([sample_item(1)], rows=3))

    assert "✘ **3 in ≠ 1 succeeded" in text
    assert "- **2 rows of the manifest are unaccounted for.**" in text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("<script>", "`<script>`"),
        ("a | b\nc", "`a \\| b c`"),
        ("``` `", "```` ``` ` ````"),
        ("", ""),
        ("x" * 300, f"`{'x' * 199}…`"),
    ],
)
def test_text_from_outside_cannot_break_out_of_its_code_span(text: str, span: str) -> None:
    assert code(text) == span


def test_hostile_text_stays_in_its_cell() -> None:
    attack = f"[x](javascript:alert(1)) | `{HOSTILE}` |\n| ![y](https://attacker.example/y)"
    facts = facts_of([failed_item(1, message=attack, custom_id=attack)], sample_batch(message=attack))
    lines = report_markdown(facts).splitlines()

    [row] = [line for line in lines if line.startswith("| 1 |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert not [line for line in lines if line.startswith("| !")]


def test_an_empty_batch_is_a_short_report() -> None:
    assert report_markdown(facts_of([])).count("\n") < 8
