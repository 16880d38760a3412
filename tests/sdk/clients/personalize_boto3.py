"""Send COUNT events to URL with boto3's personalize-events: personalize_boto3.py URL COUNT."""

import datetime as dt
import json
import sys

import boto3

url, count = sys.argv[1], int(sys.argv[2])
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
client = boto3.client("personalize-events", endpoint_url=url, **keys)
now = dt.datetime.now(dt.UTC)
for n in range(0, count, 4):
    user = f"user-{n // 4 % 10}"
    events = []
    for kind, name in enumerate(["View", "AddToCart", "Purchase", "PageView"]):
        event = {"eventType": name, "eventId": f"e-{n + kind}", "sentAt": now}
        if kind < 3:
            event |= {"itemId": f"item-{(n + kind) % 7}", "properties": json.dumps({"discount": 0.1})}
        if kind == 2:
            event["eventValue"] = 2.0 * (10 + n % 5)
        events.append(event)
    client.put_events(trackingId="tracker", userId=user, sessionId=f"s-{user}", eventList=events)
