"""A flow that makes a generation and tests the provider, as a process of its own: ``python -m``."""

import json

from prefect import flow

from data.domain.generations import GenerationRequest
from data.domain.ledger import Subject
from flows.check_providers import check_providers
from tasks.generations import generate_media


@flow(name="generation-of-the-tests")
def make() -> str:
    """Make one generation, twice."""
    request, subject = GenerationRequest(prompt="ok sunrise"), Subject(job_id="job")
    results = [generate_media(request, subject) for _ in range(2)]
    return json.dumps([results[0].key, results[1].key])


if __name__ == "__main__":
    print(make())
    [outcome] = check_providers(["hostile"])
    print(outcome.model_dump_json())
