"""Send COUNT events to URL with posthog: posthog_python.py URL COUNT."""

import sys

from posthog import Posthog

url, count = sys.argv[1], int(sys.argv[2])
errors = []
client = Posthog("key", host=url, gzip=True, on_error=lambda error, items: errors.append(error))
for n in range(count):
    user, item, price = f"user-{n % 10}", f"item-{n % 7}", 10 + n % 5
    product = {"product_id": item, "name": f"Item {n % 7}", "price": price, "quantity": 2}
    name, said = [
        ("Product Viewed", {**product, "currency": "EUR"}),
        ("Product Added", {**product, "currency": "EUR"}),
        ("Order Completed", {"revenue": 2 * price, "currency": "EUR", "products": [product]}),
        ("$pageview", {"$current_url": "https://shop.example/"}),
    ][n % 4]
    client.capture(event=name, distinct_id=user, properties=said)
client.shutdown()
if errors:
    sys.exit(f"not delivered: {errors[0]}")
