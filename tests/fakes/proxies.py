"""Real proxies with the configurations that we ship, each in a folder and on ports of its own."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from deployments.components import PROJECT
from tests.fakes.processes import free_ports, start_server, stop_server, wait_until

NAME = "dailies.example"
DEPLOYMENTS = PROJECT / "deployments"

_NGINX = """
user {user};
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi; access_log off;
    {more}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs, in front of an API."""

    port: int
    plain_port: int
    certificate: Path
    home: Path
    prefix: str = ""

    @property
    def url(self) -> str:
        """Where it shows the API."""
        return f"https://127.0.0.1:{self.port}{self.prefix}"

    @property
    def trust(self) -> ssl.SSLContext:
        """Trusts its certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def caller(self, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """Return a client that calls from an address of this machine."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, headers={"Host": NAME, **headers}, timeout=30)


@contextmanager
def nginx(home: Path, api_port: int, *, below_a_path: bool = False) -> Iterator[Proxy]:
    """Run NGINX with `deployments/nginx`."""
    port, plain_port = free_ports(2)
    certificate, key = certified(home)
    given = {
        "    listen [::]:443 ssl http2;\n": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "127.0.0.1:8000": f"127.0.0.1:{api_port}",
        "/etc/letsencrypt/live/dailies.example/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/dailies.example/privkey.pem": str(key),
    }
    if not below_a_path:
        given |= {
            "    listen [::]:80;\n": "",
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "/var/log/nginx/dailies.log": str(home / "access.log"),
        }
    text = changed(DEPLOYMENTS / "nginx" / ("below_a_path.conf" if below_a_path else "dailies.conf"), given)
    # A master that is root's has its workers be somebody else, who could not read a test's folders.
    user = "root" if Path.home() == Path("/root") else "nobody"
    (home / "nginx.conf").write_text(_NGINX.format(user=user, more=text), encoding="utf-8")
    command = [shutil.which("nginx") or "nginx", "-p", f"{home}/", "-e", "error.log", "-c", "nginx.conf"]
    checked([*map(str, command), "-t"], home)
    prefix = "/dailies" if below_a_path else ""
    with running(command, Proxy(port, plain_port, certificate, home, prefix)) as proxy:
        yield proxy


@contextmanager
def haproxy(home: Path, api_port: int) -> Iterator[Proxy]:
    """Run HAProxy with `deployments/haproxy`."""
    port, plain_port = free_ports(2)
    certificate, key = certified(home)
    both = home / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    given = {
        "bind :80\n": f"bind 127.0.0.1:{plain_port}\n",
        "bind :443 ssl": f"bind 127.0.0.1:{port} ssl",
        "/etc/haproxy/certs/dailies.pem": str(both),
        "127.0.0.1:8000": f"127.0.0.1:{api_port}",
    }
    config = home / "haproxy.cfg"
    config.write_text(changed(DEPLOYMENTS / "haproxy" / "haproxy.cfg", given), encoding="utf-8")
    command = [shutil.which("haproxy") or "haproxy", "-db", "-f", str(config)]
    checked([*command, "-c"], home)
    with running(command, Proxy(port, plain_port, certificate, home)) as proxy:
        yield proxy


def changed(path: Path, given: dict[str, str]) -> str:
    """Return a configuration for this machine; each of what is changed has to stand in it."""
    text = path.read_text(encoding="utf-8")
    for shipped, here in given.items():
        assert shipped in text, f"{path.name} has no {shipped!r}"
        text = text.replace(shipped, here)
    return text


def certified(home: Path) -> tuple[Path, Path]:
    """Make a certificate of the name and of this machine's address; return it and its key."""
    certificate, key = home / "certificate.pem", home / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    checked([*made, "-keyout", str(key), "-out", str(certificate)], home)
    return certificate, key


def checked(command: list[str], cwd: Path) -> None:
    """Run a command that has to succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running(command: list[str], proxy: Proxy) -> Iterator[Proxy]:
    """Run a proxy until the block is left."""
    server = start_server(command, proxy.home / "proxy.log", cwd=proxy.home)

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 1):
            return True
        return False

    try:
        wait_until(answers, 20, f"{command[0]} to listen")
        yield proxy
    finally:
        stop_server(server)
