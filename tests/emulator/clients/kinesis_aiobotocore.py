"""aiobotocore; the first argument is the endpoint."""

from __future__ import annotations

import asyncio
import sys

from aiobotocore.session import get_session


async def main(endpoint: str) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    session = get_session()
    async with session.create_client("kinesis", "us-east-1", endpoint_url=endpoint, **keys) as kinesis:
        await kinesis.create_stream(StreamName="aio", ShardCount=1)
        await kinesis.put_records(StreamName="aio", Records=[{"PartitionKey": "k", "Data": b"\x00x"}] * 3)
        place = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = await kinesis.get_shard_iterator(StreamName="aio", **place)
        page = await kinesis.get_records(ShardIterator=iterator["ShardIterator"])
        assert [record["Data"] for record in page["Records"]] == [b"\x00x"] * 3


asyncio.run(main(sys.argv[1]))
