"""On-failure destinations and metrics as the Lambda developer guide documents them."""

from __future__ import annotations

import json

import pytest
from mapping_driver import BUCKET_ARN, QUEUE_ARN, TOPIC_ARN, Driver, config, fail, failing_items

from tapstack_emulator.event_source_mapping import InvokeResult
from tapstack_emulator.event_source_mapping.model import Deliver, Invoke


@pytest.mark.parametrize("arn", [QUEUE_ARN, TOPIC_ARN, BUCKET_ARN])
def test_only_a_bucket_gets_the_payload(arn: str) -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=arn))
    driver.put()
    driver.run(fail)
    (delivery,) = driver.of(Deliver)
    parcel = json.loads(delivery.body)
    assert ("payload" in parcel) == (arn == BUCKET_ARN) == (delivery.key is not None)
    assert delivery.kind == arn.split(":")[2]


def test_a_destination_that_fails_loses_the_records_and_counts_them() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    written = driver.put_many(3)
    driver.run(fail, delivered=False)
    assert driver.metric("DestinationDeliveryFailures") == 1
    assert driver.metric("DroppedEventCount") == 3
    assert driver.metric("OnFailureDestinationDeliveredEventCount") == 0
    assert len(driver.of(Deliver)) == 1
    assert driver.checkpoint() == written[-1]


def test_what_a_destination_took_is_not_counted_as_dropped() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    driver.put_many(3)
    driver.run(fail)
    assert driver.metric("OnFailureDestinationDeliveredEventCount") == 3
    assert driver.metric("DroppedEventCount") == 0


def test_the_checkpoint_waits_for_the_destination() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    driver.put()
    delivery = driver.run_until(Deliver, fail)
    assert driver.checkpoint() is None
    driver.answer(delivery)
    assert driver.checkpoint() is not None


def test_event_counts_count_retries_and_reported_failures() -> None:
    driver = Driver(config(report_batch_item_failures=True, filter_patterns=('{"data":{"keep":[true]}}',)))
    written = driver.put_many(4, data=b'{"keep":true}')
    driver.put_many(2, data=b'{"keep":false}')
    answers = iter([failing_items(written[1]), InvokeResult.failed(), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.metric("PolledEventCount") == 6
    assert driver.metric("FilteredOutEventCount") == 2
    assert driver.metric("InvokedEventCount") == 4 + 3 + 3
    assert driver.metric("FailedInvokeEventCount") == 3 + 3


def test_iterator_age_is_the_age_of_the_last_record_when_its_batch_was_processed() -> None:
    driver = Driver()
    driver.put(arrival_ms=driver.now_ms - 5_000)
    driver.put(arrival_ms=driver.now_ms - 2_000)
    invoke = driver.run_until(Invoke)
    driver.now_ms += 500
    driver.answer(invoke)
    assert driver.metric("IteratorAge") == 2_500
