"""Events to the collector, in the native format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tapstack.addresses import check_address, check_header
from tapstack.collector.intake import Result
from tapstack.errors import OutcomeUnknown, Unavailable
from tapstack.producer.transports import Answer, TooLarge

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

PATH = "/v1/events"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 35.0  # the collector's function ends after 30 s
RETRY_AFTER_MAX_S = 300  # whatever an answer says
ANSWER_BYTES_MAX = 4 * 1024 * 1024  # a load balancer lets 1 MB of a function's answer through


class _Body(msgspec.Struct):
    results: list[Result] | None = None


_decoder = msgspec.json.Decoder(_Body)


class Collector:
    """`tapstack.producer.transports.Transport` over HTTP.

    Parameters
    ----------
    url
        Where the load balancer is, such as ``http://events.internal``; a path is put before ``/v1/events``.
    headers
        Sent with every request.

    Raises
    ------
    ValueError
        If `url` is not an address, or nothing can carry a header.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        check_address(url)
        for name, value in (headers or {}).items():
            check_header(f"headers: {name}", value)
        if url.rstrip("/").endswith(PATH):
            raise ValueError(f"url: expected what comes before {PATH}, got {url!r}")
        self._url = url.rstrip("/") + PATH
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._pool = _pool()
        self._pid = os.getpid()

    def send(self, batch: Sequence[bytes]) -> Answer:
        """Send events; see `Transport.send`."""
        from urllib3.exceptions import HTTPError, NewConnectionError

        if self._pid != os.getpid():  # a connection that is shared with the parent mixes up the answers
            self._pool, self._pid = _pool(), os.getpid()
        body = b"[" + b",".join(batch) + b"]"
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=self._headers, retries=False, redirect=False
            )
        except NewConnectionError as error:
            raise Unavailable(f"no connection ({type(error).__name__})") from None
        except (HTTPError, OSError) as error:
            raise OutcomeUnknown(f"no answer ({type(error).__name__})") from None
        return _read(answer, len(batch))

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()


def _read(answer: BaseHTTPResponse, count: int) -> Answer:
    """Return each event's fate; an answer without one for each is no word about any of them."""
    if answer.status == 413:
        raise TooLarge(f"answered 413 to {count} events")
    retry_after_ms = _seconds(answer.headers.get("retry-after")) * 1_000
    try:
        results = _decoder.decode(answer.data).results
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        results = None
    if results is None or len(results) != count:
        # So answers a proxy, a wrong address, a missing right: nothing in it says that an event is bad.
        return Answer([Result("retry")] * count, retry_after_ms, f"answered {answer.status}")
    waits = any(result.status == "retry" for result in results)
    return Answer(results, retry_after_ms, f"answered {answer.status}" if waits else "")


def _pool() -> PoolManager:
    try:
        import urllib3
    except ModuleNotFoundError:
        message = "urllib3 is not installed: pip install 'tapstack[producer]'"
        raise ModuleNotFoundError(message, name="urllib3") from None
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S)
    return urllib3.PoolManager(num_pools=1, maxsize=1, timeout=timeout)


def _seconds(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        return 0
    return min(int(text[:9]), RETRY_AFTER_MAX_S)
