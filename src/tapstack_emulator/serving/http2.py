"""HTTP/2 on a plain connection, which a client begins without asking ("prior knowledge").

The Kinesis client of the AWS SDK for JavaScript 3 speaks nothing else: its default handler is Node's
``http2.connect`` (@aws-sdk/client-kinesis 3.1143.0, read 2026-11-29). Frames, header compression and flow
control are the package h2's.
"""

from __future__ import annotations

import asyncio
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from tapstack_emulator.serving.exchange import REQUEST_BYTES_MAX, Exchange, Reply

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEADER_BYTES = 9  # three of length, one of type, one of flags, four of stream: RFC 9113, 4.1
_GOAWAY = 7


class _Frames:
    """Takes GOAWAY out of what a client sends.

    After it a client begins no more requests, and those that are under way go on (RFC 9113, 6.8); h2 (4.4.1)
    takes the connection for closed instead. Node sends it before the answer to the last request is read.
    """

    def __init__(self) -> None:
        self.going_away = False
        self._begun = b""
        self._greeted = False

    def without_goaway(self, data: bytes) -> bytes:
        """Return the complete frames so far that are not returned yet."""
        self._begun += data
        passed = []
        at = 0
        if not self._greeted and len(self._begun) >= len(PREFACE):
            self._greeted, at = True, len(PREFACE)
            passed.append(PREFACE)
        while self._greeted and len(self._begun) - at >= _FRAME_HEADER_BYTES:
            end = at + _FRAME_HEADER_BYTES + int.from_bytes(self._begun[at : at + 3], "big")
            if end > len(self._begun):
                break
            if self._begun[at + 3] == _GOAWAY:
                self.going_away = True
            else:
                passed.append(self._begun[at:end])
            at = end
        self._begun = self._begun[at:]
        return b"".join(passed)


class _Request:
    """A request that is still arriving."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.body = bytearray()


class Http2Connection(asyncio.Protocol):
    """The server's end of one connection.

    Parameters
    ----------
    exchange
        Answers the requests.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config=config)
        self._frames = _Frames()
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, _Request] = {}
        self._unsent: dict[int, memoryview] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: REQUEST_BYTES_MAX})
        self._h2.increment_flow_control_window(REQUEST_BYTES_MAX)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what came and answer the requests that are complete."""
        try:
            for event in self._h2.receive_data(self._frames.without_goaway(data)):
                self._take(event)
            self._send_bodies()
        except h2.exceptions.ProtocolError:
            self._flush()  # says why, before it closes
            self._close()
            return
        self._flush()
        if self._frames.going_away and not self._requests and not self._unsent:
            self._close()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                headers = {str(name): str(value) for name, value in event.headers or ()}
                self._requests[event.stream_id] = _Request(headers)
            case h2.events.DataReceived():
                self._take_data(event)
            case h2.events.StreamEnded():
                self._answer(event.stream_id, self._requests.pop(event.stream_id, None))
            case h2.events.StreamReset():
                self._requests.pop(event.stream_id, None)
                self._unsent.pop(event.stream_id, None)
            case _:
                pass  # settings, pings and window updates are h2's own affair

    def _take_data(self, event: h2.events.DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        request = self._requests.get(event.stream_id)
        if request is None:
            return
        request.body += event.data or b""
        if len(request.body) > REQUEST_BYTES_MAX:
            del self._requests[event.stream_id]
            self._h2.reset_stream(event.stream_id)

    def _answer(self, stream_id: int, request: _Request | None) -> None:
        if request is None:
            return
        named = request.headers
        reply = self._exchange.reply(
            named.get(":method", ""), named.get(":path", ""), named, bytes(request.body)
        )
        if reply is None:
            self._abort()
            return
        self._h2.send_headers(stream_id, _headers(reply))
        self._unsent[stream_id] = memoryview(reply.body)

    def _send_bodies(self) -> None:
        """Send as much of the answers as the client has room for."""
        for stream_id, body in list(self._unsent.items()):
            rest = body
            while rest:
                room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
                if room <= 0:
                    break
                self._h2.send_data(stream_id, bytes(rest[:room]))
                rest = rest[room:]
            if rest:
                self._unsent[stream_id] = rest
            else:
                self._h2.end_stream(stream_id)
                del self._unsent[stream_id]

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _abort(self) -> None:
        self._unsent.clear()
        self._requests.clear()
        if self._transport is not None:
            self._transport.abort()


def _headers(reply: Reply) -> list[tuple[str, str]]:
    return [
        (":status", str(reply.status)),
        ("content-type", reply.content_type),
        ("x-amzn-requestid", reply.request_id),
        ("content-length", str(len(reply.body))),
    ]
