"""How long the API takes to start, against a bare FastAPI behind the same Mangum: imports and the first answer.

``python -m tests.bench.cold_start``: each time a new interpreter, in turns.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/api/v1/health",
    "rawQueryString": "",
    "headers": {"host": "localhost"},
    "requestContext": {
        "http": {"method": "GET", "path": "/api/v1/health", "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
        "stage": "$default",
    },
    "isBase64Encoded": False,
}

_BARE = f"""
import time; began = time.perf_counter()
from fastapi import FastAPI
from mangum import Mangum
app = FastAPI()
@app.get("/api/v1/health")
async def health(): return {{"status": "alive"}}
handler = Mangum(app, lifespan="off")
imported = time.perf_counter()
assert handler({EVENT!r}, None)["statusCode"] == 200
print(imported - began, time.perf_counter() - began)
"""
_OURS = f"""
import time; began = time.perf_counter()
import api.serverless as serverless
imported = time.perf_counter()
assert serverless.handler({EVENT!r}, None)["statusCode"] == 200
print(imported - began, time.perf_counter() - began)
"""
_OURS_WITH_PREFECT = f"""
import time; began = time.perf_counter()
import api.serverless as serverless
imported = time.perf_counter()
event = {EVENT!r}; event["rawPath"] = event["requestContext"]["http"]["path"] = "/api/v1/recipes"
assert serverless.handler(event, None)["statusCode"] == 200
print(imported - began, time.perf_counter() - began)
"""
CASES = {"bare FastAPI": _BARE, "Dailies": _OURS, "Dailies, first call that needs Prefect's client": _OURS_WITH_PREFECT}


def measure(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return (seconds to import, seconds to the first answer) of each case, one a round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as home:
        for number in range(rounds + 1):
            for name, code in CASES.items():
                ended = subprocess.run(
                    [sys.executable, "-c", code],
                    env={"PATH": "", "DAILIES_HOME": home, "PYTHONPATH": str(Path.cwd()), "HOME": home},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                if number:  # the first round fills the caches of the disk
                    imported, answered = ended.stdout.split()
                    found[name].append((float(imported), float(answered)))
    return found


def main() -> None:
    """Print medians, and the ratio to the bare one of neighbouring runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    found = measure(parser.parse_args().rounds)
    bare = [answered for _, answered in found["bare FastAPI"]]
    for name, runs in found.items():
        imports, answers = zip(*runs, strict=True)
        ratio = statistics.median(answer / other for answer, other in zip(answers, bare, strict=True))
        print(
            f"{name:48} imports {statistics.median(imports):5.2f} s   "
            f"first answer {statistics.median(answers):5.2f} s   × {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
