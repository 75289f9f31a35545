"""The service that `tests.bench.service` compares the API with."""
