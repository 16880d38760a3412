"""Calls over HTTP: connections, attempts, and what an answer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import msgspec

from tapstack.addresses import check_address, check_header
from tapstack.client.calls import Call
from tapstack.errors import TapstackError, Unavailable

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager, Retry

A = TypeVar("A")
CONNECTIONS_MAX = 32  # kept open: as many as asyncio's pool has threads at most, each with a call
BACKOFF_FACTOR_S = 0.1  # waits of 0, 0.2, 0.4 seconds; what Retry-After says counts instead, up to a timeout
# The function or the load balancer failed, and no call changes anything: it may be sent again.
RETRIED = frozenset({502, 503, 504})


class Refused(TapstackError):  # noqa: N818 - named like the other errors of the package
    """The API refused a request; sent again it would be refused again.

    Parameters
    ----------
    status
        ``400..499``, or 500.
    code
        The kind of mistake, in one word, such as ``invalid_request``.
    message
        What was expected and what came.
    errors
        One for each thing that is wrong.
    """

    def __init__(
        self, status: int, code: str, message: str, errors: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(f"{status} {code}".rstrip() + f": {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""
    errors: list[dict[str, str]] = []


class Sender:
    """Sends calls; threads may share it.

    Parameters
    ----------
    url
        Where the load balancer is, such as ``http://events.internal``; a path stays in front.
    key
        A reader's key; None if the stack asks for none.
    timeout_s
        For each wait on the network, and at most between two attempts, seconds; above 0.
    retries
        Further attempts, ``>= 0``.

    Raises
    ------
    ValueError
        If one of them is not so.
    """

    def __init__(self, url: str, key: str | None, timeout_s: float, retries: int) -> None:
        check_address(url)
        if key:
            check_header("key", key)
        if not timeout_s > 0:
            raise ValueError(f"timeout_s: expected a number above 0, got {timeout_s!r}")
        if retries < 0:
            raise ValueError(f"retries: expected a whole number from 0, got {retries!r}")
        self._url = url.rstrip("/")
        self._headers = {"Accept-Encoding": "gzip", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._pool = _pool(timeout_s, retries)

    def send(self, call: Call[A]) -> A | None:
        """Send a call and return its answer; None if nothing is known under the id.

        Raises
        ------
        Refused
            If the request is wrong, its key lacks a scope, or a row cannot be read.
        Unavailable
            If no attempt was answered.
        """
        from urllib3.exceptions import HTTPError

        given = {name: value for name, value in call.query.items() if value is not None}
        target = f"{self._url}{call.path}" + (f"?{urlencode(given)}" if given else "")
        try:
            if call.body is None:
                answer = self._pool.request("GET", target, headers=self._headers, redirect=False)
            else:
                body = msgspec.json.encode(call.body)
                headers = {**self._headers, "Content-Type": "application/json"}
                answer = self._pool.request("POST", target, body=body, headers=headers, redirect=False)
        except (HTTPError, OSError) as error:
            why = getattr(error, "reason", None) or error  # of the last attempt, such as ReadTimeoutError
            raise Unavailable(f"{self._url}: no answer ({type(why).__name__})") from None
        return _read(call, answer, self._url)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _read(call: Call[A], answer: BaseHTTPResponse, url: str) -> A | None:
    """Return what an answer says; errors name the API and not the path, which may hold a user's id."""
    if answer.status == 200:
        try:
            return msgspec.json.decode(answer.data, type=call.answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"{url}: no answer of the insights API: {error}") from None
    problem = _problem(answer.data)
    if answer.status == 404 and problem.code == "not_found" and call.may_be_unknown:
        return None
    if answer.status in RETRIED:
        raise Unavailable(f"{url}: {answer.status} {problem.message}")
    raise Refused(answer.status, problem.code, problem.message, problem.errors)


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem(message="no answer of the insights API")  # a proxy's, or the load balancer's page


def _pool(timeout_s: float, retries: int) -> PoolManager:
    try:
        import urllib3
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "urllib3 is not installed: pip install 'tapstack[client]'", name="urllib3"
        ) from None
    timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
    policy = _policy(timeout_s, retries)
    return urllib3.PoolManager(num_pools=1, maxsize=CONNECTIONS_MAX, timeout=timeout, retries=policy)


def _policy(timeout_s: float, retries: int) -> Retry:
    import urllib3

    class Policy(urllib3.Retry):
        """Waits for as long as an answer asks, but no longer than for an answer; only where it is retried."""

        RETRY_AFTER_STATUS_CODES = RETRIED

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            try:
                asked_s = super().get_retry_after(response)
            except urllib3.exceptions.InvalidHeader:  # neither seconds nor a date
                return None
            return None if asked_s is None else min(asked_s, timeout_s)

    return Policy(
        total=retries,
        redirect=0,
        status_forcelist=RETRIED,
        allowed_methods=None,  # each of them, POST included: nothing is changed
        backoff_factor=BACKOFF_FACTOR_S,
        raise_on_status=False,
    )
