"""The stream in Kinesis."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tapstack.aws.calls import call
from tapstack.errors import Unavailable
from tapstack.ports import AwsApi, StreamEntry

SERVICE = "kinesis"


class _Entry(msgspec.Struct):
    Data: bytes
    PartitionKey: str


class _Result(msgspec.Struct):
    ErrorCode: str | None = None
    SequenceNumber: str | None = None


class _PutAnswer(msgspec.Struct):
    Records: list[_Result]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_PutAnswer)


class KinesisWriter:
    """`tapstack.ports.StreamWriter` on one Kinesis stream.

    Parameters
    ----------
    api
        Kinesis.
    stream_name
        The stream.
    """

    def __init__(self, api: AwsApi, stream_name: str) -> None:
        self._api = api
        self._name = stream_name

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        """Put entries; see `tapstack.ports.StreamWriter.put`.

        PutRecords answers 200 with failures inside: only an entry with a sequence number is stored
        [1]_.

        References
        ----------
        .. [1] https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html,
           read 2026-11-23
        """
        records = [_Entry(entry.data, entry.partition_key) for entry in entries]
        body = _encoder.encode({"StreamName": self._name, "Records": records})
        results = _decoder.decode(call(SERVICE, self._api, "PutRecords", body)).Records
        if len(results) != len(entries):
            raise Unavailable(f"kinesis: {len(results)} results for {len(entries)} records")
        return [result.SequenceNumber is not None and result.ErrorCode is None for result in results]
