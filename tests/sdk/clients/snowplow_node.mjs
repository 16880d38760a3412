// Send COUNT events to URL with @snowplow/node-tracker: node snowplow_node.mjs URL COUNT
import { buildPageView, buildSelfDescribingEvent, newTracker } from "@snowplow/node-tracker";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const ECOMMERCE = "iglu:com.snowplowanalytics.snowplow.ecommerce";
let sent = 0;
const tracker = newTracker(
  { namespace: "tapstack", appId: "shop", encodeBase64: true },
  { endpoint: url, eventMethod: "post", bufferSize: 20, onRequestSuccess: (events) => { sent += events.length; } },
);
for (let n = 0; n < count; n++) {
  tracker.setUserId(`user-${n % 10}`);
  const price = 10 + (n % 5);
  const product = {
    schema: `${ECOMMERCE}/product/jsonschema/1-0-0`,
    data: { id: `item-${n % 7}`, name: `Item ${n % 7}`, category: "mugs", price, currency: "EUR", quantity: 2 },
  };
  const action = (type) => buildSelfDescribingEvent({
    event: { schema: `${ECOMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2`, data: { type } },
  });
  if (n % 4 == 0) tracker.track(action("product_view"), [product]);
  else if (n % 4 == 1) tracker.track(action("add_to_cart"), [product]);
  else if (n % 4 == 2) {
    const data = { transaction_id: `o-${n}`, revenue: 2 * price, currency: "EUR", payment_method: "card" };
    tracker.track(action("transaction"), [{ schema: `${ECOMMERCE}/transaction/jsonschema/1-0-0`, data }, product]);
  } else tracker.track(buildPageView({ pageUrl: "https://shop.example/", pageTitle: "Home" }));
}
await tracker.flush();
const until = Date.now() + 60000; // what was not taken is kept, and sent with the next event or flush
while (sent < count && Date.now() < until) {
  await new Promise((done) => setTimeout(done, 100));
  await tracker.flush();
}
process.exit(sent < count ? 1 : 0);
