"""WHEN: the Prefect flows, one module each."""

from data.settings import get_settings
from tasks.telemetry import install

install(get_settings())
