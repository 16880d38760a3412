"""Send COUNT events to URL with segment-analytics-python: segment_python.py URL COUNT."""

import sys

import segment.analytics as analytics

url, count = sys.argv[1], int(sys.argv[2])
analytics.write_key = "key"
analytics.host = url
analytics.on_error = lambda error, items: sys.exit(f"not delivered: {error}")
for n in range(count):
    user, item, price = f"user-{n % 10}", f"item-{n % 7}", 10 + n % 5
    product = {"product_id": item, "name": f"Item {n % 7}", "price": price, "quantity": 2}
    if n % 4 == 0:
        analytics.track(user, "Product Viewed", {**product, "currency": "EUR"})
    elif n % 4 == 1:
        analytics.track(user, "Product Added", {**product, "currency": "EUR", "cart_id": "c-1"})
    elif n % 4 == 2:
        order = {"order_id": f"o-{n}", "revenue": 2 * price, "currency": "EUR", "products": [product]}
        analytics.track(user, "Order Completed", order)
    else:
        analytics.page(user, "shop", "home", {"url": "https://shop.example/"})
analytics.shutdown()
