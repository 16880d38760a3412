// Send COUNT events to URL with posthog-node: node posthog_node.mjs URL COUNT
import { PostHog } from "posthog-node";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const client = new PostHog("key", { host: url, flushAt: 20, flushInterval: 200, maxQueueSize: 20000 });
client.on("error", (error) => { console.error(error); process.exit(1); });
for (let n = 0; n < count; n++) {
  const [distinctId, price] = [`user-${n % 10}`, 10 + (n % 5)];
  const product = { product_id: `item-${n % 7}`, name: `Item ${n % 7}`, price, quantity: 2 };
  const [event, properties] = [
    ["Product Viewed", { ...product, currency: "EUR" }],
    ["Product Added", { ...product, currency: "EUR" }],
    ["Order Completed", { revenue: 2 * price, currency: "EUR", products: [product] }],
    ["$pageview", { $current_url: "https://shop.example/" }],
  ][n % 4];
  client.capture({ distinctId, event, properties });
}
await client.shutdown(60000);
