"""HTTP calls to a provider of the settings: what goes wrong becomes the error that says what is known.

A request that is handed in (:meth:`ProviderCalls.hand_in`) and fails leaves three possibilities, and only what the
protocol proves counts. The connection never stood, or the provider itself says no: nothing was accepted. Anything
else, a broken connection, a time-out, a proxy's error page, an answer without sense: nobody knows.

Each call has a connection of its own. One that was kept open may have been closed by the other side meanwhile, and
would turn a request that was never received into one of which nobody knows.
"""

import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx

from data.domain.errors import (
    AnswerLostError,
    Fact,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderBusyError,
    ProviderError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
)
from tasks.providers.base import ProviderConfig
from tasks.providers.complaints import Answer, Complaint, complaint_of

_CONNECT_SECONDS = 10.0
_MOST_ANSWER_BYTES = 64 * 1024**2
"""Of an answer that is read into memory: a ComfyUI history holds whole workflows."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_WANTS_SOMETHING_ELSE = frozenset({400, 406, 411, 413, 414, 415, 422, 431})
_TAKES_NOTHING = frozenset({307, 308, 401, 402, 403, 404, 405})
_WANTS_PATIENCE = frozenset({425, 429})


class ProviderCalls:
    """The way to one provider; lives as long as the provider, holds no connection between calls.

    Args:
        config: Address and key of the provider.
        timeout_seconds: Longest silence within one call.
        not_accepted: Further statuses by which this provider promises that it has accepted nothing.

    Raises:
        ProviderMisconfiguredError: Address or key cannot be used.
    """

    def __init__(self, config: ProviderConfig, timeout_seconds: float, not_accepted: Collection[int] = ()) -> None:
        self.name = config.name
        self._url = _checked_url(config)
        self._key = _checked_key(config)
        self._timeout = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, _CONNECT_SECONDS))
        self._not_accepted = frozenset(not_accepted)

    def __repr__(self) -> str:
        """Name and address; never the key."""
        return f"ProviderCalls({self.name!r}, {self.address('')!r})"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that let us in; a secret."""
        return {"authorization": f"Bearer {self._key}"} if self._key else {}

    def address(self, path: str) -> str:
        """Return the whole address of a path."""
        return f"{self._url}{path}"

    def hand_in(self, path: str, headers: Mapping[str, str] | None = None, **content: Any) -> Any:
        """Send by POST what the provider may accept, and return the JSON of its answer.

        Args:
            path: Below the provider's address.
            headers: More than those that let us in.
            content: ``data``, ``files`` or ``json``, as httpx takes them.

        Raises:
            ProviderUnavailableError: Not reached, or it takes nothing; nothing was accepted.
            ProviderBusyError: It asks for patience; nothing was accepted.
            GenerationRejectedError: It does not take this; nothing was accepted.
            GenerationRefusedError: Its policy forbids it; nothing was accepted.
            AnswerLostError: Nobody knows.
        """
        try:
            answer = self._exchange("POST", path, headers=headers, **content)
        except _NOT_SENT as error:
            raise self._unreached(error) from error
        except httpx.HTTPError as error:
            raise AnswerLostError(
                f"Whether {self.name} has accepted the request is not known: {self._scrubbed(error)}."
            ) from error
        if answer.is_success:
            if answer.json is None:
                raise AnswerLostError(f"{self.name} answered the request with something that is not JSON.")
            return answer.json
        raise self._verdict(answer)

    def ask(self, path: str, **parameters: Any) -> Any:
        """Read something by GET and return its JSON; nothing changes by it.

        Raises:
            ProviderUnavailableError: It did not say; ``facts["status"]`` is its status where it had one.
            ProviderBusyError: It asks for patience.
        """
        answer = self.tell("GET", path, params=parameters or None)
        if answer.json is None:
            raise ProviderUnavailableError(f"{self.name} answered with something that is not JSON.")
        return answer.json

    def tell(self, method: str, path: str, **content: Any) -> Answer:
        """Make a call that may be made twice without harm, and return its successful answer.

        Raises:
            ProviderUnavailableError: It did not do it; ``facts["status"]`` is its status where it had one.
            ProviderBusyError: It asks for patience.
        """
        try:
            answer = self._exchange(method, path, **content)
        except httpx.HTTPError as error:
            raise self._unreached(error) from error
        if answer.is_success:
            return answer
        complaint = complaint_of(answer)
        if answer.status in _WANTS_PATIENCE and not complaint.is_about_money:
            raise self._busy(answer, complaint)
        raise ProviderUnavailableError(self._sentence(answer, complaint), {"status": answer.status})

    def tell_if_it_hears(self, method: str, path: str, **content: Any) -> None:
        """Make a call whose outcome changes nothing for us: a wish."""
        with suppress(ProviderError):
            self.tell(method, path, **content)

    @contextmanager
    def stream(self, path: str, **parameters: Any) -> Iterator[httpx.Response]:
        """Open the answer to a GET for reading; redirects are followed, to another host without the key.

        Raises:
            httpx.HTTPError: It broke.
        """
        with (
            self._client(follow_redirects=True) as client,
            # httpx takes the Authorization header off a redirect to another origin.
            client.stream("GET", self.address(path), params=parameters or None) as response,
        ):
            yield response

    def _client(self, *, follow_redirects: bool = False) -> httpx.Client:
        return httpx.Client(
            headers={"user-agent": "dailies", **self.headers},
            timeout=self._timeout,
            verify=_ssl_context(),
            follow_redirects=follow_redirects,
            max_redirects=3,
        )

    def _exchange(self, method: str, path: str, **content: Any) -> Answer:
        with self._client() as client, client.stream(method, self.address(path), **content) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MOST_ANSWER_BYTES:
                    raise httpx.ReadError(f"the answer is larger than {_MOST_ANSWER_BYTES} bytes")
            return Answer(response.status_code, response.headers, bytes(body))

    def _verdict(self, answer: Answer) -> ProviderError | GenerationRefusedError:
        """Return what an unsuccessful answer to a request means."""
        complaint = complaint_of(answer)
        facts: dict[str, Fact] = {"status": answer.status}
        sentence = self._sentence(answer, complaint)
        if complaint.is_about_policy and 400 <= answer.status < 500:
            return GenerationRefusedError(sentence, facts)
        if answer.status in _WANTS_PATIENCE and not complaint.is_about_money:
            return self._busy(answer, complaint)
        if answer.status in _WANTS_SOMETHING_ELSE:
            return GenerationRejectedError(sentence, facts)
        # A proxy says 503 too, when the provider broke off after it had read the request: only its own word counts.
        says_no_itself = answer.status == 503 and complaint.is_structured
        if answer.status in _TAKES_NOTHING | _WANTS_PATIENCE | self._not_accepted or says_no_itself:
            return ProviderUnavailableError(sentence, facts)
        return AnswerLostError(f"Whether the request was accepted is not known: {sentence}", facts)

    def _busy(self, answer: Answer, complaint: Complaint) -> ProviderBusyError:
        wait = retry_after_seconds(answer.headers)
        facts: dict[str, Fact] = {"status": answer.status}
        if wait is not None:
            facts["retry_after_seconds"] = wait
        return ProviderBusyError(self._sentence(answer, complaint), facts)

    def _unreached(self, error: httpx.HTTPError) -> ProviderUnavailableError:
        return ProviderUnavailableError(f"{self.name} did not answer: {self._scrubbed(error)}.")

    def _sentence(self, answer: Answer, complaint: Complaint) -> str:
        said = self.scrub(complaint.message).rstrip(".")
        return f"{self.name} answered {answer.status}{f' ({said})' if said else ''}."

    def _scrubbed(self, error: httpx.HTTPError) -> str:
        return self.scrub(f"{type(error).__name__}: {error}").rstrip(". :")

    def scrub(self, text: str) -> str:
        """Return a text of the provider's without our key, which some repeat when they do not like it."""
        return text.replace(self._key, "…") if self._key else text


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long a provider asks us to wait: a number of seconds, or the time until a date."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, round((aware - datetime.now(UTC)).total_seconds(), 1))


def _checked_url(config: ProviderConfig) -> str:
    try:
        url = httpx.URL(config.url)
    except httpx.InvalidURL as error:
        raise ProviderMisconfiguredError(f"The address of the provider {config.name} is none.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ProviderMisconfiguredError(f"The provider {config.name} needs an http:// or https:// address.")
    if url.userinfo or url.query or url.fragment:
        raise ProviderMisconfiguredError(
            f"The address of the provider {config.name} may hold neither a password nor a query: set api_key instead."
        )
    return config.url.rstrip("/")


def _checked_key(config: ProviderConfig) -> str:
    key = config.api_key or ""
    if not (key.isascii() and key.isprintable()) or " " in key:  # else httpx would show it in its error
        raise ProviderMisconfiguredError(f"The api_key of the provider {config.name} holds a blank or a line's end.")
    return key


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()
