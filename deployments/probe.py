"""``python -I -S deployments/probe.py URL``: does it answer? For the health checks of containers.

The standard library alone, and little of it: it runs every few seconds in every container, and an image needs no curl.
"""

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5


def is_well(url: str) -> bool:
    """Say whether an `http://` address answers with a status below 400."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_well(sys.argv[1]) else 1)
