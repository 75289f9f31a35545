"""``python -m api``: serve the API on this machine."""

import logging
import socket

import uvicorn

from api.app import create_app
from api.production import UnsafeSettingsError
from data.settings import get_settings


def main() -> None:
    """Serve until a signal ends it.

    Where nobody needs to log in, the settings themselves refuse other hosts than the loopback; mode ``production``
    refuses more.
    """
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every call to Prefect says nothing
    try:
        app = create_app(settings)
    except UnsafeSettingsError as error:
        raise SystemExit(str(error)) from error
    family = socket.AF_INET6 if ":" in settings.api.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.api.host, settings.api.port))
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        logging.getLogger("api").info("Dailies API on http://%s:%d/api/v1", shown, port)
        config = uvicorn.Config(
            app,
            proxy_headers=False,  # nobody in front of us may say who is calling
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=10,
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
