// The AWS SDK for JavaScript 3 with its default handler, which speaks HTTP/2; the first argument is the endpoint.
import assert from "node:assert/strict";
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordsCommand,
} from "@aws-sdk/client-kinesis";

const kinesis = new KinesisClient({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "a", secretAccessKey: "b" },
});
await kinesis.send(new CreateStreamCommand({ StreamName: "javascript", ShardCount: 1 }));
const Data = Buffer.alloc(900_000, 7);
const Records = Array.from({ length: 9 }, (_, i) => ({ PartitionKey: `k${i}`, Data }));
const put = await kinesis.send(new PutRecordsCommand({ StreamName: "javascript", Records }));
assert.equal(put.FailedRecordCount, 0);
const { ShardIterator } = await kinesis.send(
  new GetShardIteratorCommand({
    StreamName: "javascript",
    ShardId: "shardId-000000000000",
    ShardIteratorType: "TRIM_HORIZON",
  }),
);
const page = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
assert.equal(page.Records.length, 9);
assert.deepEqual(Buffer.from(page.Records[0].Data), Data);
assert.ok(page.Records[0].ApproximateArrivalTimestamp instanceof Date);
const many = Array.from({ length: 50 }, () => kinesis.send(new DescribeStreamCommand({ StreamName: "javascript" })));
assert.equal((await Promise.all(many)).length, 50);
await assert.rejects(kinesis.send(new DescribeStreamCommand({ StreamName: "nowhere" })), {
  name: "ResourceNotFoundException",
});
kinesis.destroy();
