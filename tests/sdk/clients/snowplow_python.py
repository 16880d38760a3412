"""Send COUNT events to URL with snowplow-tracker, by POST or GET: snowplow_python.py URL COUNT [get]."""

import sys
import time

from snowplow_tracker import (
    Emitter,
    PagePing,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

ECOMMERCE = "iglu:com.snowplowanalytics.snowplow.ecommerce"
url, count = sys.argv[1], int(sys.argv[2])
method = sys.argv[3] if len(sys.argv) > 3 else "post"
sent = []
emitter = Emitter(
    url.removeprefix("http://"), protocol="http", method=method, batch_size=20,
    on_success=sent.extend,
)  # fmt: skip
tracker = Tracker("tapstack", emitter, app_id="shop", encode_base64=True)
for n in range(count):
    subject = Subject().set_user_id(f"user-{n % 10}").set_domain_user_id(f"device-{n % 10}")
    item, price = f"item-{n % 7}", 10 + n % 5
    product = SelfDescribingJson(
        f"{ECOMMERCE}/product/jsonschema/1-0-0",
        {"id": item, "name": f"Item {n % 7}", "price": price, "currency": "EUR", "quantity": 2},
    )
    if n % 4 == 0 or n % 4 == 1:
        action = {"type": "product_view" if n % 4 == 0 else "add_to_cart"}
        data = SelfDescribingJson(f"{ECOMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2", action)
        event = SelfDescribing(data, event_subject=subject, context=[product])
    elif n % 4 == 2:
        data = SelfDescribingJson(
            f"{ECOMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2", {"type": "transaction"}
        )
        transaction = SelfDescribingJson(
            f"{ECOMMERCE}/transaction/jsonschema/1-0-0",
            {"transaction_id": f"o-{n}", "revenue": 2 * price, "currency": "EUR", "payment_method": "card"},
        )
        event = SelfDescribing(data, event_subject=subject, context=[transaction, product])
    elif n % 8 == 3:
        event = PageView("https://shop.example/", "Home", event_subject=subject)
    elif n % 16 == 7:
        event = PagePing("https://shop.example/", "Home", event_subject=subject)
    else:
        event = StructuredEvent("checkout", "coupon", label="SUMMER", value=3.5, event_subject=subject)
    tracker.track(event)
tracker.flush()
until = time.monotonic() + 60  # the emitter sends again by itself what was not taken
while len(sent) < count and time.monotonic() < until:
    time.sleep(0.05)
if len(sent) < count:
    sys.exit(f"not delivered: {count - len(sent)}")
