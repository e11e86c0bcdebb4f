// Consumes PaymentCompleted from "payments", publishes OrderConfirmed to "orders".
import { createHash } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";

const prefix = process.env.TOPIC_PREFIX ?? "";
const group = `${prefix}orders`;
const brokers = (process.env.KAFKA_BOOTSTRAP_SERVERS ?? "localhost:9092").split(",");

const kafka = new Kafka({ brokers, logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 500 }); // stopping takes no longer
const producer = kafka.producer();

function answer(topic, partition, message) {
  const event = headers(message);
  if (event.ce_type !== "PaymentCompleted") return null; // not for us
  try {
    const paid = JSON.parse(message.value);
    if (!event.ce_subject) throw new Error("no ce_subject");
    const data = { order_id: event.ce_subject, total_cents: paid.total_cents };
    return caused(event, `${topic}/${partition}/${message.offset}`, `${prefix}orders`, "OrderConfirmed", data);
  } catch (error) {
    return deadLetter(topic, partition, message, error);
  }
}

// An event that the consumed one led to: same flow, same subject, same trace.
function caused(cause, place, topic, type, data) {
  const id = cause.ce_id ?? place;
  const headers = {
    ce_specversion: "1.0",
    // Made of the cause's id: handled twice, the answer has the same id and counts as a duplicate.
    ce_id: createHash("sha256").update(id + type).digest("hex").slice(0, 32),
    ce_type: type,
    ce_source: "/orders",
    ce_time: new Date().toISOString(),
    ce_subject: cause.ce_subject,
    ce_correlationid: cause.ce_correlationid ?? id,
    ce_causationid: id,
    "content-type": "application/json",
  };
  for (const name of ["traceparent", "tracestate"]) {
    if (cause[name]) headers[name] = cause[name];
  }
  return { topic, messages: [{ key: cause.ce_subject, value: JSON.stringify(data), headers }] };
}

// The record as it was, with why it was given up.
function deadLetter(topic, partition, message, error) {
  const headers = {
    ...message.headers,
    "dlq.topic": topic,
    "dlq.partition": String(partition),
    "dlq.offset": message.offset,
    "dlq.timestamp": message.timestamp,
    "dlq.group": group,
    "dlq.attempts": "1",
    "dlq.error.type": error.name,
    "dlq.error.message": error.message,
    "dlq.failed_at": new Date().toISOString(),
  };
  return { topic: `${topic}.${group}.dlq`, messages: [{ key: message.key, value: message.value, headers }] };
}

// Names to values; kafkajs gives an array where a name repeats, and the last one counts.
function headers(message) {
  const found = {};
  for (const [name, values] of Object.entries(message.headers ?? {})) {
    const value = [values].flat().at(-1);
    if (value) found[name] = value.toString();
  }
  return found;
}

async function stop() {
  await consumer.disconnect(); // ends the message in hand first
  await producer.disconnect();
  console.log("stopped");
}

process.once("SIGTERM", stop);
process.once("SIGINT", stop);
await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: `${prefix}payments`, fromBeginning: true });
await consumer.run({
  // Its offset is committed after this has returned; what it throws is tried again.
  eachMessage: async ({ topic, partition, message }) => {
    const next = answer(topic, partition, message);
    if (next) await producer.send({ acks: -1, ...next });
  },
});
