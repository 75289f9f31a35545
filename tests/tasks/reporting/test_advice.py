import pytest

from data.domain.errors import DailiesError, FailureClass
from tasks.reporting.advice import advice_for


def tree(kind: type[DailiesError]) -> list[type[DailiesError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in tree(child))]


@pytest.mark.parametrize("kind", tree(DailiesError), ids=lambda kind: kind.__name__)
def test_every_error_comes_with_advice(kind: type[DailiesError]) -> None:
    assert advice_for(kind.code, kind.failure_class).endswith(".")


def test_the_longest_known_beginning_of_a_code_decides() -> None:
    assert "recipe" in advice_for("DATA.RECIPE.UNKNOWN.NEW", "DATA")
    assert advice_for("DATA.SOMETHING", "DATA") == advice_for("DATA", "DATA")
    assert {advice_for("", each) for each in FailureClass} != {advice_for("", "")}
    assert advice_for("SOMETHING.ELSE", "NEW") == "Look at the log of the run, then retry."
