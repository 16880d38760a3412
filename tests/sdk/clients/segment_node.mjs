// Send COUNT events to URL with @segment/analytics-node: node segment_node.mjs URL COUNT
import { Analytics } from "@segment/analytics-node";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const analytics = new Analytics({ writeKey: "key", host: url, flushInterval: 200 });
analytics.on("error", (error) => { console.error(error); process.exit(1); });
for (let n = 0; n < count; n++) {
  const [userId, price] = [`user-${n % 10}`, 10 + (n % 5)];
  const product = { product_id: `item-${n % 7}`, name: `Item ${n % 7}`, price, quantity: 2 };
  if (n % 4 == 0) analytics.track({ userId, event: "Product Viewed", properties: { ...product, currency: "EUR" } });
  else if (n % 4 == 1) analytics.track({ userId, event: "Product Added", properties: { ...product, currency: "EUR" } });
  else if (n % 4 == 2)
    analytics.track({ userId, event: "Order Completed", properties: { order_id: `o-${n}`, revenue: 2 * price, currency: "EUR", products: [product] } });
  else analytics.page({ userId, name: "home", properties: { url: "https://shop.example/" } });
}
await analytics.closeAndFlush({ timeout: 60000 });
