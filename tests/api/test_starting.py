import gc

import pytest

from api.starting import without_collection


def test_what_is_loaded_is_not_looked_through_for_garbage() -> None:
    with without_collection():
        was_on = gc.isenabled()
        made = [[] for _ in range(1000)]  # type: ignore[var-annotated]

    assert (was_on, gc.isenabled()) == (False, True)
    assert gc.get_freeze_count() >= len(made)
    gc.unfreeze()


def test_who_has_no_collector_gets_none() -> None:
    gc.disable()
    with pytest.raises(ImportError), without_collection():
        raise ImportError
    was_on = gc.isenabled()
    gc.unfreeze()
    gc.enable()

    assert not was_on
