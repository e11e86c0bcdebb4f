import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Consumes OrderPlaced from "orders", publishes StockReserved to "inventory". */
public final class Inventory {
    static final String PREFIX = System.getenv().getOrDefault("TOPIC_PREFIX", "");
    static final String GROUP = PREFIX + "inventory";
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        String servers = System.getenv().getOrDefault("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092");
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "group.id", GROUP,
            "auto.offset.reset", "earliest", "enable.auto.commit", false);
        var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var producer = new KafkaProducer<>(Map.of("bootstrap.servers", servers),
            new ByteArraySerializer(), new ByteArraySerializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try { main.join(10_000); } catch (InterruptedException ignored) { }
        }));
        try (producer; consumer) {
            consumer.subscribe(List.of(PREFIX + "orders"));
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    var answer = answer(record);
                    if (answer != null) producer.send(answer).get();  // returns once it is acknowledged
                }
                consumer.commitSync();  // only now: what was read has been answered
            }
        } catch (WakeupException stop) {
            System.out.println("stopped");
        }
    }

    static ProducerRecord<byte[], byte[]> answer(ConsumerRecord<byte[], byte[]> record) {
        Map<String, String> event = headers(record);
        if (!"OrderPlaced".equals(event.get("ce_type"))) return null;  // not for us
        try {
            var order = JSON.readTree(record.value());
            var reserved = Map.of("order_id", event.get("ce_subject"), "quantity", order.required("quantity"));
            return caused(record, event, PREFIX + "inventory", "StockReserved", JSON.writeValueAsBytes(reserved));
        } catch (Exception error) {
            return deadLetter(record, error);
        }
    }

    /** An event that the consumed one led to: same flow, same subject, same trace. */
    static ProducerRecord<byte[], byte[]> caused(ConsumerRecord<byte[], byte[]> record,
            Map<String, String> cause, String topic, String type, byte[] data) {
        String place = record.topic() + "/" + record.partition() + "/" + record.offset();
        String causeId = cause.getOrDefault("ce_id", place);
        Map<String, String> headers = new HashMap<>();
        headers.put("ce_specversion", "1.0");
        // Made of the cause's id: handled twice, the answer has the same id and counts as a duplicate.
        headers.put("ce_id", UUID.nameUUIDFromBytes((causeId + type).getBytes(UTF_8)).toString());
        headers.put("ce_type", type);
        headers.put("ce_source", "/inventory");
        headers.put("ce_time", Instant.now().toString());
        headers.put("ce_subject", cause.get("ce_subject"));
        headers.put("ce_correlationid", cause.getOrDefault("ce_correlationid", causeId));
        headers.put("ce_causationid", causeId);
        headers.put("content-type", "application/json");
        for (String name : List.of("traceparent", "tracestate")) {
            if (cause.containsKey(name)) headers.put(name, cause.get(name));
        }
        var event = new ProducerRecord<>(topic, cause.get("ce_subject").getBytes(UTF_8), data);
        headers.forEach((name, value) -> event.headers().add(name, value.getBytes(UTF_8)));
        return event;
    }

    /** The record as it was, with why it was given up. */
    static ProducerRecord<byte[], byte[]> deadLetter(ConsumerRecord<byte[], byte[]> record, Exception error) {
        var letter = new ProducerRecord<>(record.topic() + "." + GROUP + ".dlq", null, record.key(),
            record.value(), record.headers());
        Map.of("dlq.topic", record.topic(), "dlq.partition", "" + record.partition(),
            "dlq.offset", "" + record.offset(), "dlq.timestamp", "" + record.timestamp(),
            "dlq.group", GROUP, "dlq.attempts", "1", "dlq.error.type", error.getClass().getName(),
            "dlq.error.message", "" + error.getMessage(), "dlq.failed_at", "" + Instant.now()
        ).forEach((name, value) -> letter.headers().remove(name).add(name, value.getBytes(UTF_8)));
        return letter;
    }

    /** Names to values; where a name repeats, the last one counts. */
    static Map<String, String> headers(ConsumerRecord<byte[], byte[]> record) {
        Map<String, String> found = new HashMap<>();
        for (Header header : record.headers()) {
            if (header.value() != null) found.put(header.key(), new String(header.value(), UTF_8));
        }
        return found;
    }
}
