"""Which variables there are: ours, and Prefect's."""

import re
from collections.abc import Iterable

from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names  # Prefect has no public list of them

from data.settings import settings_table


def unknown_variables(names: Iterable[str]) -> set[str]:
    """Return those of our and of Prefect's variables that nobody reads."""
    ours = set(re.findall(r"^\| `(DAILIES_\w+)`", settings_table(), re.MULTILINE))
    read = {"DAILIES": ours, "PREFECT": _get_valid_setting_names(Settings)}
    return {name for name in names if name.partition("_")[0] in read and name not in read[name.partition("_")[0]]}
