import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from api.edge.forwarded import Kind, TrustedProxies, address_of
from api.links import PREFIX, job_url, user_url, webhook_url

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")))


def called(headers: dict[str, str], peer: str = "10.0.0.1", kind: Kind = "x-forwarded", **scope: Any) -> dict[str, Any]:
    """What the application sees of a call."""
    seen: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        seen.update(client=scope["state"]["client"], scheme=scope["scheme"], headers=names, job=job_url("1"))
        seen["host"] = names.get("host")
        seen["made"] = (user_url("1"), webhook_url("1"))
        assert scope["client"] is None or scope["client"][0] == scope["state"]["client"]

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    given = [(b"host", b"inner:8000"), *((name.lower().encode(), value.encode()) for name, value in headers.items())]
    request = {"type": "http", "headers": given, "scheme": "http", "client": (peer, 5), "state": {}, **scope}
    asyncio.run(TrustedProxies(app, PROXIES, kind)(request, nothing, nothing))
    return seen


def test_nobody_but_a_trusted_proxy_is_believed() -> None:
    lies = {"X-Forwarded-For": "10.0.0.9", "Forwarded": "for=10.0.0.9;host=evil", "X-Forwarded-Proto": "https"}
    lies |= {"X-Real-IP": "10.0.0.9", "X-Forwarded-Host": "evil", "X-Forwarded-Prefix": "/evil", "X-Amzn-Trace-Id": "x"}

    seen = called(lies, peer="203.0.113.7")

    assert (seen["client"], seen["scheme"], seen["host"]) == ("203.0.113.7", "http", "inner:8000")
    assert set(seen["headers"]) == {"host"}, "what nobody may believe is taken off"
    assert seen["job"] == "/api/v1/jobs/1"


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.66, 203.0.113.7, 10.1.1.1", "203.0.113.7"),  # the first is the client's own invention
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("203.0.113.7:5123, 10.1.1.1", "203.0.113.7"),
        ("2001:db8::7, fd00::1", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, unknown, 10.1.1.1", "10.1.1.1"),
        ("203.0.113.7, <script>, 10.1.1.1", "10.1.1.1"),
        ("", "10.0.0.1"),
        (", ,", "10.0.0.1"),
    ],
)
def test_the_list_of_addresses_is_walked_from_the_nearest_proxy(said: str, client: str) -> None:
    assert called({"X-Forwarded-For": said})["client"] == client


def test_rfc_7239_is_read_where_proxies_write_it() -> None:
    said = 'for=198.51.100.9, For="[2001:db8::7]:1234";proto=https;host="dailies.example", for=10.1.1.1;proto=http'

    seen = called({"Forwarded": said}, kind="forwarded")

    assert (seen["client"], seen["scheme"], seen["host"]) == ("2001:db8::7", "https", "dailies.example")


@pytest.mark.parametrize(
    "begun",
    ['for="x', 'for="x", for=192.0.2.66;a="', 'for="\\', '"' + '\\"' * 15_000, "for=192.0.2.66;a=" + " " * 30_000],
)
def test_what_a_caller_began_does_not_change_what_the_proxy_wrote_after_it(begun: str) -> None:
    seen = called(
        {"Forwarded": f'{begun}, for="[2001:db8::7]";proto=https;host="dailies.example:8443"'}, kind="forwarded"
    )

    assert (seen["client"], seen["scheme"], seen["host"]) == ("2001:db8::7", "https", "dailies.example:8443")


def test_what_is_hidden_on_purpose_stays_so() -> None:
    assert (
        called({"Forwarded": "for=198.51.100.9, for=_hidden, for=10.1.1.1"}, kind="forwarded")["client"] == "10.1.1.1"
    )


def test_the_kind_of_header_that_a_proxy_does_not_write_is_its_callers_invention() -> None:
    both = {"Forwarded": "for=192.0.2.66;proto=http;host=evil.example", "X-Forwarded-For": "203.0.113.7"}
    other = {"Forwarded": "for=203.0.113.7", "X-Forwarded-For": "192.0.2.66", "X-Forwarded-Host": "evil.example"}

    by_custom = called({**both, "X-Forwarded-Proto": "https"})
    by_rfc = called({**other, "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.66"}, kind="forwarded")

    assert (by_custom["client"], by_custom["scheme"], by_custom["host"]) == ("203.0.113.7", "https", "inner:8000")
    assert (by_rfc["client"], by_rfc["scheme"], by_rfc["host"]) == ("203.0.113.7", "http", "inner:8000")


@pytest.mark.parametrize(
    ("proxy", "headers", "expected"),
    [
        (
            "NGINX",
            {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"},
            ("203.0.113.7", "https", "inner:8000", "/api/v1/jobs/1"),
        ),
        (
            "Traefik, below a path",
            {
                "X-Forwarded-For": "203.0.113.7",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "a.example",
                "X-Forwarded-Port": "443",
                "X-Forwarded-Prefix": "/dailies",
                "X-Real-Ip": "203.0.113.7",
            },
            ("203.0.113.7", "https", "a.example", "/dailies/api/v1/jobs/1"),
        ),
        (
            "Kong, on another port",
            {
                "X-Forwarded-For": "203.0.113.7",
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": "a.example",
                "X-Forwarded-Port": "8080",
                "X-Forwarded-Prefix": "/video/",
            },
            ("203.0.113.7", "http", "a.example:8080", "/video/api/v1/jobs/1"),
        ),
        ("X-Real-IP alone", {"X-Real-IP": "203.0.113.7"}, ("203.0.113.7", "http", "inner:8000", "/api/v1/jobs/1")),
        (
            "two proxies, the outer one with TLS",
            {"X-Forwarded-For": "203.0.113.7, 10.9.9.9", "X-Forwarded-Proto": "https, http"},
            ("203.0.113.7", "https", "inner:8000", "/api/v1/jobs/1"),
        ),
    ],
)
def test_proxies_that_people_use(proxy: str, headers: dict[str, str], expected: tuple[str, ...]) -> None:
    seen = called(headers)

    assert (seen["client"], seen["scheme"], seen["host"], seen["job"]) == expected, proxy
    prefix = expected[3].removesuffix("/api/v1/jobs/1")
    assert seen["made"] == (f"{prefix}/api/v1/users/1", f"{prefix}/api/v1/webhooks/1"), proxy
    assert PREFIX.get() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Host", "evil.example/path"),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "a\tb"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "/../admin"),
        ("X-Forwarded-Prefix", "/a?b"),
        ("X-Forwarded-Prefix", "/a\r\nb"),
    ],
)
def test_what_is_no_name_is_left_out(name: str, value: str) -> None:
    seen = called({name: value})

    assert (seen["scheme"], seen["host"], seen["job"]) == ("http", "inner:8000", "/api/v1/jobs/1")


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        (
            {"X-Amzn-Trace-Id": "Self=1-a;Root=1-67891233-abcdef01;Sampled=1"},
            "1-67891233-abcdef01",
        ),
        ({"X-Kong-Request-Id": "0a1b", "X-Amzn-Trace-Id": "Root=1-2-3"}, "0a1b"),
        ({"X-Correlation-ID": "order-7"}, "order-7"),
        ({"X-Request-ID": "mine", "X-Correlation-ID": "order-7"}, "mine"),
    ],
)
def test_the_request_id_of_a_proxy_is_kept(headers: dict[str, str], request_id: str) -> None:
    assert called(headers)["headers"]["x-request-id"] == request_id


def test_a_long_list_costs_little() -> None:
    assert called({"X-Forwarded-For": "10.1.1.1," * 3000 + "203.0.113.7"})["client"] == "203.0.113.7"


@pytest.mark.parametrize("text", ["", "unknown", "_x", "1.2.3", "1.2.3.4.5", "::g", "[::1", "a" * 99])
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None or text == "[::1"


def test_a_connection_without_an_address_is_nobody() -> None:
    assert called({"X-Forwarded-For": "203.0.113.7"}, client=None)["client"] == ""
