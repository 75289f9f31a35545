"""``python -m api``: serve the API on this machine."""

import logging
import socket

import uvicorn

from api.app import create_app
from data.settings import get_settings
from data.telemetry.logs import configure_logs


def main() -> None:
    """Serve until a signal ends it. Other hosts than the loopback are refused by the settings themselves."""
    settings = get_settings()
    configure_logs(settings.log_format, settings.log_level)
    family = socket.AF_INET6 if ":" in settings.api.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.api.host, settings.api.port))
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        logging.getLogger("api").info("Dailies API on http://%s:%d/api/v1", shown, port)
        config = uvicorn.Config(
            create_app(settings),
            proxy_headers=False,  # nobody in front of us may say who is calling
            server_header=False,
            log_config=None,
            access_log=False,  # ours has more to say
            timeout_graceful_shutdown=10,
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
