"""The sender: what it sends again, what it tells the ledger, how it keeps a rate."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tapstack_local.batches import MERGED_EVENTS_MAX, REQUEST_BYTES_MAX
from tapstack_local.sender import Sender, percentiles
from tapstack_local.traffic import Request
from tapstack_local.traffic.defects import NOT_JSON


class Ledger:
    def __init__(self):
        self.accepted, self.doubted, self.refused = [], [], []

    def accept(self, event):
        self.accepted.append(event["n"])

    def doubt(self, event):
        self.doubted.append(event["n"])

    def refuse(self, data):
        self.refused.append(data)


class ManualTime:
    """A clock that moves only when somebody waits."""

    def __init__(self):
        self.now_s = 0.0

    def clock(self):
        return self.now_s

    async def sleep(self, wait_s):
        self.now_s += wait_s
        await asyncio.sleep(0)


async def show(request):
    return web.json_response({})


@asynccontextmanager
async def collector(post, get=show):
    app = web.Application()
    app.router.add_post("/v1/events", post)
    app.router.add_get("/v1/users/{id}", get)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def send(post, requests, *, events_per_min=None, get=show, **options):
    ledger, time = Ledger(), ManualTime()

    async def main():
        async with collector(post, get) as url:
            timing = {"events_per_min": events_per_min, "clock": time.clock, "sleep": time.sleep}
            sender = Sender(url, ledger, **timing, **options)
            return await sender.run(requests)

    return asyncio.run(main()), ledger, time


def events(*numbers):
    return [{"event_type": "search", "user_id": f"u-{n}", "n": n} for n in numbers]


def results(*statuses):
    return {"results": [{"status": status} for status in statuses]}


async def take_all(request):
    return web.json_response(results(*("ok" for _ in await request.json())))


def test_everything_accepted_is_told_to_the_ledger():
    sent, ledger, _ = send(take_all, [Request(0, events(1, 2)), Request(5, events(3))])
    assert (sent.events, sent.accepted, sent.repeated) == (3, 3, 0)
    assert sorted(ledger.accepted) == [1, 2, 3]


def test_only_what_is_to_be_retried_is_sent_again_unchanged_after_the_stated_wait():
    bodies = []

    async def post(request):
        bodies.append(await request.json())
        if len(bodies) == 1:
            answer = results("ok", "retry", "invalid", "duplicate")
            return web.json_response(answer, status=503, headers={"retry-after": "7"})
        return web.json_response(results("ok"))

    sent, ledger, time = send(post, [Request(0, events(1, 2, 3, 4))])
    assert bodies == [events(1, 2, 3, 4), events(2)]
    assert ledger.accepted == [1, 4, 2]
    assert (sent.accepted, sent.refused, sent.repeated, sent.unanswered) == (3, 1, 1, 0)
    assert time.now_s >= 7


def test_what_breaks_a_schema_has_to_be_refused_and_nothing_else_has():
    async def post(request):
        return web.json_response(results("invalid", "invalid", "ok", "ok"))

    def broken(event):
        return "own/1" if event["n"] % 2 else None

    sent, ledger, _ = send(post, [Request(0, events(1, 2, 3, 4))], breaks_schema=broken)
    assert (sent.schema_refused, sent.refused, sent.invalid_accepted, sent.accepted) == (1, 1, 1, 1)
    assert ledger.accepted == [4]
    assert len(ledger.refused) == 2
    reasons = [failure.reason for failure in sent.failures]
    assert "it breaks the schema own/1, and answered as stored" in reasons


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_request_that_failed_as_a_whole_is_sent_again(status):
    attempts = Counter()

    async def post(request):
        attempts["n"] += 1
        if attempts["n"] < 4:
            return web.Response(status=status, text="<html>bad gateway</html>")
        return await take_all(request)

    sent, ledger, _ = send(post, [Request(0, events(1, 2))])
    assert ledger.accepted == [1, 2]
    assert (sent.requests, sent.repeated) == (4, 6)


def test_a_dropped_connection_is_tried_again():
    attempts = Counter()

    async def post(request):
        attempts["n"] += 1
        if attempts["n"] == 1:
            request.transport.close()
        return await take_all(request)

    sent, ledger, _ = send(post, [Request(0, events(1))])
    assert ledger.accepted == [1]
    assert sent.statuses[0] == 1


BY_ITSELF = {"status": "invalid", "field": "items[3].price", "reason": "expected a number"}


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        pytest.param(400, {"results": [BY_ITSELF] * 2}, "items[].price: expected a number", id="each"),
        pytest.param(400, results("invalid", "invalid"), "without a reason", id="without a reason"),
        pytest.param(413, {"message": "too large"}, "the whole request, with 413: too large", id="413"),
        pytest.param(404, ["no", "object"], "the whole request, with 404", id="404"),
    ],
)  # fmt: skip
def test_a_valid_event_that_is_refused_is_a_failure_with_its_reason_and_place(status, answer, reason):
    async def post(request):
        return web.json_response(answer, status=status)

    sent, ledger, _ = send(post, [Request(0, events(1, 2), lines=[7, 9])])
    assert (sent.requests, sent.refused, sent.invalid, ledger.accepted) == (1, 2, 0, [])
    [failure] = sent.failures
    assert (failure.kind, failure.reason, failure.count) == ("refused", reason, 2)
    assert failure.examples == ["line 7", "line 9"]


@pytest.mark.parametrize("status", ["invalid", "ok", "duplicate"])
def test_an_event_that_is_invalid_on_purpose_is_to_be_refused(status):
    async def post(request):
        return web.json_response(results(status))

    sent, ledger, _ = send(post, [Request(0, [b'{"event_type": "nonsense"}'])])
    assert (sent.accepted, sent.refused, ledger.accepted) == (0, 0, [])
    assert (sent.invalid, sent.invalid_accepted) == ((1, 0) if status == "invalid" else (0, 1))
    assert [each.kind for each in sent.failures] == ([] if status == "invalid" else ["accepted"])


def test_what_is_never_answered_for_stays_in_doubt():
    async def post(request):
        return web.Response(status=500)

    sent, ledger, _ = send(post, [Request(0, events(1))])
    assert (sent.unanswered, ledger.doubted, ledger.accepted) == (1, [1], [])
    [failure] = sent.failures
    assert (failure.kind, failure.reason, failure.examples) == ("unanswered", "answered 500", ["event 1"])


def test_at_a_rate_events_are_sent_evenly_over_time():
    requests = [Request(0, events(n)) for n in range(60)]
    sent, _, time = send(take_all, requests, events_per_min=60)
    assert sent.accepted == 60
    assert time.now_s == pytest.approx(59, abs=1.5)


def test_at_full_speed_requests_are_put_together_but_not_with_what_is_not_json():
    sizes = []

    async def post(request):
        try:
            body = json.loads(await request.read())
        except ValueError:
            sizes.append(None)
            return web.json_response({"code": "invalid_request"}, status=400)
        sizes.append(len(body))
        return web.json_response(results(*("ok" for _ in body)))

    requests = [Request(n, events(n)) for n in range(120)]
    requests.insert(60, Request(60, [NOT_JSON]))
    sent, ledger, _ = send(post, requests)
    assert sorted(ledger.accepted) == list(range(120))
    assert sent.invalid == 1
    assert max(size for size in sizes if size) == MERGED_EVENTS_MAX
    assert len(sizes) == 5


def test_at_full_speed_nothing_is_begun_while_the_pipeline_is_full_unless_it_is_to_stop():
    async def main(fills, stops):
        async with collector(take_all) as url:
            ledger, time = Ledger(), ManualTime()

            def is_full():
                if stops and time.now_s > 1:
                    sender.stop()
                return time.now_s < fills

            sender = Sender(
                url, ledger, events_per_min=None, is_full=is_full, clock=time.clock, sleep=time.sleep
            )
            await sender.run([Request(0, events(1))])
            return ledger.accepted, time.now_s

    assert asyncio.run(main(3, stops=False)) == ([1], pytest.approx(3, abs=0.1))
    assert asyncio.run(main(3, stops=True)) == ([], pytest.approx(1, abs=0.1))


def test_a_request_has_no_more_bytes_than_the_collector_takes_at_any_speed():
    sizes = []

    async def post(request):
        sizes.append(len(await request.read()))
        return await take_all(request)

    large = [{**event, "note": "x" * 30_000} for event in events(*range(70))]
    for rate in (None, 60_000):
        sizes.clear()
        sent, _, _ = send(post, [Request(0, large), Request(1, large)], events_per_min=rate)
        assert (sent.accepted, sent.refused) == (140, 0)
        assert max(sizes) <= REQUEST_BYTES_MAX


def test_who_is_never_shown_is_no_sample_of_the_time_but_counted():
    async def get(request):
        return web.json_response({}, status=404)

    sent, _, _ = send(take_all, [Request(0, events(1))], get=get)
    assert (sent.visible_ms, sent.never_visible) == ([], 1)


@pytest.mark.parametrize("user_id", ["..", ".", "a b", "a/b", "ä'\"?#%2e"])
def test_any_user_can_be_looked_up(user_id):
    asked = []

    async def get(request):
        asked.append(request.match_info["id"])
        return web.json_response({})

    sent, _, _ = send(take_all, [Request(0, [{**events(1)[0], "user_id": user_id}])], get=get)
    assert (asked, len(sent.visible_ms)) == ([user_id], 1)


def test_visibility_is_timed_from_the_answer_until_the_api_shows_the_user():
    polls = Counter()

    async def get(request):
        polls[request.match_info["id"]] += 1
        return web.json_response({}, status=200 if polls[request.match_info["id"]] > 3 else 404)

    sent, _, _ = send(take_all, [Request(0, events(1)), Request(0, events(1))], get=get)
    assert sent.visible_ms == [pytest.approx(60)]
    assert polls == {"u-1": 4}


def test_an_event_from_long_ago_is_no_sample():
    old = [{**event, "occurred_at": "2020-01-01T00:00:00Z"} for event in events(1)]
    sent, ledger, _ = send(take_all, [Request(0, old)])
    assert (sent.visible_ms, ledger.accepted) == ([], [1])


def test_after_stop_nothing_new_is_begun():
    async def main():
        async with collector(take_all) as url:
            ledger = Ledger()
            sender = Sender(url, ledger, events_per_min=None)

            def requests():
                yield Request(0, events(*range(50)))
                sender.stop()
                yield Request(0, events(*range(50, 100)))
                raise AssertionError("not asked for")

            await sender.run(requests())
            return ledger.accepted

    assert sorted(asyncio.run(main())) in ([], list(range(50)))


def test_stopped_it_waits_neither_for_its_rate_nor_for_what_is_not_visible():
    async def main():
        first_answered = asyncio.Event()

        async def never_shown(request):
            first_answered.set()
            return web.json_response({}, status=404)

        async with collector(take_all, never_shown) as url:
            sender = Sender(url, Ledger(), events_per_min=0.001)
            running = asyncio.create_task(sender.run([Request(0, events(1)), Request(1, events(2))]))
            await first_answered.wait()
            sender.stop()
            return await asyncio.wait_for(running, 10)

    sent = asyncio.run(main())
    assert (sent.events, sent.accepted, sent.never_visible) == (1, 1, 0)


def test_cancelled_it_leaves_no_task_behind():
    async def main():
        asked = asyncio.Event()

        async def never_shown(request):
            asked.set()
            return web.json_response({}, status=404)

        async with collector(take_all, never_shown) as url:
            before = asyncio.all_tasks()
            sender = Sender(url, Ledger(), events_per_min=None)
            running = asyncio.create_task(sender.run([Request(0, events(1))]))
            await asked.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            own = {task for task in asyncio.all_tasks() - before if "Sender" in repr(task)}
            assert (running.cancelled(), own) == (True, set())

    asyncio.run(main())


def test_percentiles_are_values_that_occurred():
    assert percentiles([]) == {"p50": None, "p99": None, "max": None}
    assert percentiles([3.0]) == {"p50": 3.0, "p99": 3.0, "max": 3.0}
    assert percentiles([float(n) for n in range(1, 201)]) == {"p50": 100.0, "p99": 198.0, "max": 200.0}
