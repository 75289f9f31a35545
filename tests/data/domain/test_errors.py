import pickle
import re
import sys

import pytest

from data.domain import errors
from data.domain.errors import DailiesError, FailureClass, is_retryable


def tree(root: type[DailiesError] = DailiesError) -> list[type[DailiesError]]:
    return [root, *(each for child in root.__subclasses__() for each in tree(child))]


@pytest.mark.parametrize("kind", tree())
def test_every_error_says_what_it_is(kind: type[DailiesError]) -> None:
    assert re.fullmatch(r"[A-Z]+(\.[A-Z_]+)+", kind.code)
    assert isinstance(kind.failure_class, FailureClass)
    assert isinstance(kind.retryable, bool)
    assert 400 <= kind.http_status <= 599
    assert kind.__doc__


@pytest.mark.parametrize("kind", tree())
def test_every_error_survives_pickling_with_its_facts(kind: type[DailiesError]) -> None:
    facts: dict[str, errors.Fact] = {"width": 641, "tags": ["a", "b"], "nothing": None}

    copy = pickle.loads(pickle.dumps(kind("It is too odd.", facts)))

    assert type(copy) is kind
    assert (copy.message, copy.facts) == ("It is too odd.", facts)
    assert str(copy) == f"[{kind.code}] It is too odd."


@pytest.mark.parametrize("kind", tree())
def test_every_error_stands_in_the_drawing_of_the_tree(kind: type[DailiesError]) -> None:
    """Leaves that only one room raises are drawn in that room's own module."""
    drawing = sys.modules[kind.__module__].__doc__

    assert drawing
    assert re.search(rf"\b{kind.__name__}\b", drawing)


def test_the_data_is_never_retried_and_what_is_transient_always() -> None:
    for kind in tree():
        if kind.failure_class is FailureClass.DATA:
            assert not kind.retryable, kind
        if kind.failure_class is FailureClass.TRANSIENT:
            assert kind.retryable, kind


def test_a_code_means_one_thing() -> None:
    leaves = [kind for kind in tree() if not kind.__subclasses__()]
    codes = [kind.code for kind in leaves]

    assert len(set(codes)) == len(codes)


def test_foreign_errors_are_retried_only_if_they_are_about_a_connection() -> None:
    assert is_retryable(ConnectionResetError())
    assert is_retryable(TimeoutError())
    assert not is_retryable(ValueError())
    assert not is_retryable(KeyboardInterrupt())


def test_facts_handed_out_cannot_change_the_error() -> None:
    error = DailiesError("x", {"a": 1})
    error.facts["a"] = 2

    assert error.facts == {"a": 1}
