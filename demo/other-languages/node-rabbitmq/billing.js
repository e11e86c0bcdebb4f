// Consumes OrderPlaced from exchange "orders", publishes PaymentCompleted to exchange "payments".
import { createHash } from "node:crypto";
import amqp from "amqplib";

const prefix = process.env.TOPIC_PREFIX ?? "";
const [orders, payments, group] = [`${prefix}orders`, `${prefix}payments`, `${prefix}billing`];
const [queue, letters] = [`${orders}.${group}`, `${orders}.${group}.dlq`];
const connection = await amqp.connect(process.env.RABBITMQ_URL ?? "amqp://guest:guest@localhost:5672/%2F");
const channel = await connection.createConfirmChannel();

// Handles a message, and acknowledges it once the server has what came of it; what throws here ends the service,
// and the message comes again.
async function handle(message) {
  const next = answer(message);
  if (next) await publish(next);
  channel.ack(message);
}

function answer(message) {
  const event = attributes(message.properties);
  if (event.type !== "OrderPlaced") return null; // not for us
  try {
    const order = JSON.parse(message.content);
    if (!event.subject) throw new Error("no cloudEvents_subject");
    if (!Number.isInteger(order.quantity)) throw new Error("no quantity");
    const data = { order_id: event.subject, total_cents: 500 * order.quantity };
    return caused(event, message, "PaymentCompleted", data);
  } catch (error) {
    return deadLetter(message, error);
  }
}

// An event that the consumed one led to: same flow, same subject, same trace.
function caused(cause, message, type, data) {
  const { headers, messageId, correlationId } = message.properties;
  const causeId = cause.id ?? messageId;
  if (!causeId) throw new Error("neither cloudEvents_id nor message_id");
  // Made of the cause's id: handled twice, the answer has the same id and counts as a duplicate.
  const id = createHash("sha256").update(causeId + type).digest("hex").slice(0, 32);
  const flow = cause.correlationid ?? correlationId ?? causeId;
  const table = {
    cloudEvents_specversion: "1.0",
    cloudEvents_id: id,
    cloudEvents_type: type,
    cloudEvents_source: "/billing",
    cloudEvents_time: new Date().toISOString(),
    cloudEvents_subject: cause.subject,
    cloudEvents_partitionkey: cause.subject,
    cloudEvents_correlationid: flow,
    cloudEvents_causationid: causeId,
    timestamp_in_ms: Date.now(),
  };
  for (const name of ["traceparent", "tracestate"]) {
    if (headers[name]) table[name] = String(headers[name]);
  }
  const properties = { headers: table, messageId: id, correlationId: flow, contentType: "application/json" };
  return { exchange: payments, key: type, content: Buffer.from(JSON.stringify(data)), properties };
}

// The message as it was, with why it was given up.
function deadLetter(message, error) {
  // The server refuses a user that isn't the connection's own, and an expiry would let the letter die again.
  const { userId, expiration, ...properties } = message.properties;
  const headers = {
    ...properties.headers,
    "amqp.routing_key": message.fields.routingKey,
    "dlq.topic": message.fields.exchange,
    "dlq.partition": "0",
    "dlq.offset": String(message.fields.deliveryTag),
    "dlq.group": group,
    "dlq.attempts": "1",
    "dlq.error.type": error.name,
    "dlq.error.message": error.message,
    "dlq.failed_at": new Date().toISOString(),
  };
  return { exchange: "", key: letters, content: message.content, properties: { ...properties, headers } };
}

// CloudEvents attributes by their names, in every spelling that is found in the wild; ours counts before others.
function attributes({ headers }) {
  const found = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const [, spelling, attribute] = /^(cloudEvents[_:]|ce[-_])(.+)$/i.exec(name) ?? [];
    if (attribute === undefined || value === null) continue;
    const known = attribute.toLowerCase();
    if (spelling === "cloudEvents_" || !(known in found)) found[known] = String(value);
  }
  return found;
}

// Returns once the server has confirmed it; a message that no queue takes is an error.
function publish({ exchange, key, content, properties }) {
  const options = { persistent: true, mandatory: true, ...properties };
  return new Promise((resolve, reject) => {
    // What comes back does so before its confirmation.
    const returned = () => reject(new Error(`no queue takes ${key} of exchange ${exchange}: bind one`));
    channel.once("return", returned);
    channel.publish(exchange, key, content, options, (error) => {
      channel.off("return", returned);
      error ? reject(error) : resolve();
    });
  });
}

async function stop() {
  await channel.cancel(tag);
  await working; // the message in hand first
  await connection.close();
  console.log("stopped");
}

for (const exchange of [orders, payments]) await channel.assertExchange(exchange, "topic");
for (const name of [queue, letters]) {
  await channel.assertQueue(name, { arguments: { "x-queue-type": "quorum" } });
}
await channel.bindQueue(queue, orders, "OrderPlaced");
await channel.prefetch(1); // one after the other, in the queue's order
let working = Promise.resolve();
const { consumerTag: tag } = await channel.consume(queue, (message) => {
  if (message) working = handle(message);
});
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
console.log("consuming");
