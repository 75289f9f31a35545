"""Word error rate, the usual measure of a transcript."""

import re


def word_error_rate(heard: str, said: str) -> float:
    """Share of words to insert, delete or replace (0 is perfect); case and punctuation do not count."""
    a, b = _plain(said), _plain(heard)
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        previous, row = row, [i]
        for j, other in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (word != other)))
    return row[-1] / len(a)


def _plain(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()
