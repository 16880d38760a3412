// Send COUNT events to URL with @rudderstack/rudder-sdk-node: node rudder_node.mjs URL COUNT
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const client = new RudderAnalytics("key", { dataPlaneUrl: url, flushAt: 20, flushInterval: 200, maxInternalQueueSize: 20000 });
for (let n = 0; n < count; n++) {
  const [userId, price] = [`user-${n % 10}`, 10 + (n % 5)];
  const product = { product_id: `item-${n % 7}`, name: `Item ${n % 7}`, price, quantity: 2 };
  if (n % 4 == 0) client.track({ userId, event: "Product Viewed", properties: { ...product, currency: "EUR" } });
  else if (n % 4 == 1) client.track({ userId, event: "Product Added", properties: { ...product, currency: "EUR" } });
  else if (n % 4 == 2)
    client.track({ userId, event: "Order Completed", properties: { order_id: `o-${n}`, revenue: 2 * price, currency: "EUR", products: [product] } });
  else client.page({ userId, name: "home", properties: { url: "https://shop.example/" } });
  if (n % 20 == 19) await client.flush();
}
await client.flush();
process.exit(0);
