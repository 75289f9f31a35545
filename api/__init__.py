"""ASK: the REST API over Prefect (through the gateway) and the catalogue."""
