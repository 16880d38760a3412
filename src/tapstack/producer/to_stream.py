"""Events straight to Kinesis, without a collector on the way: as the collector would put them there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from tapstack.collector.intake import collect
from tapstack.collector.publish import Dependencies
from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.errors import Misconfigured
from tapstack.ports import Clock, StreamWriter
from tapstack.producer.system import SystemClock, jitter
from tapstack.producer.transports import Answer


class Stream:
    """`tapstack.producer.transports.Transport` on one Kinesis stream.

    It runs the collector's own code in this process, so records are the same. Requests are signed with the
    credentials of the environment (``AWS_ACCESS_KEY_ID`` ...), read at each call, as Lambda sets them.

    Parameters
    ----------
    name
        The stream.
    region
        Its region; ``AWS_REGION`` by default.
    url
        Address other than AWS's own.
    writer, clock, jitter
        What is written to, time and chance, for tests.
    """

    def __init__(
        self,
        name: str,
        *,
        region: str | None = None,
        url: str | None = None,
        writer: StreamWriter | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = jitter,
    ) -> None:
        place = region or os.environ.get("AWS_REGION", "")
        if writer is None and not place:
            raise Misconfigured("AWS_REGION", "is required, or the argument region")

        def connect() -> Dependencies:
            stream = writer or _kinesis(name, place, url)
            return Dependencies(stream=stream, clock=clock or SystemClock(), jitter=jitter)

        self._connect = connect
        self._dependencies = self._connect()
        self._pid = os.getpid()

    def send(self, batch: Sequence[bytes]) -> Answer:
        """Send events; see `Transport.send`."""
        if self._pid != os.getpid():  # a connection that is shared with the parent mixes up the answers
            self._dependencies, self._pid = self._connect(), os.getpid()
        results = collect(batch, self._dependencies, event_bytes_max=EVENT_BYTES_MAX)
        waits = any(result.status == "retry" for result in results)
        return Answer(results, problem="Kinesis did not take all records" if waits else "")

    def close(self) -> None:
        """Do nothing: the connection is closed with the object."""


def _kinesis(name: str, region: str, url: str | None) -> StreamWriter:
    # TLS takes an eighth of the package's import: only whoever sends to Kinesis pays for it.
    from tapstack.aws.http import Endpoint, JsonApi
    from tapstack.aws.kinesis import KinesisWriter

    return KinesisWriter(JsonApi(Endpoint("kinesis", region, url), "Kinesis_20131202", "1.1"), name)
