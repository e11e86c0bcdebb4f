package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// caused makes an event that the consumed one led to: same flow, same subject, same trace.
func caused(record *kgo.Record, cause map[string]string, topic, kind string, data []byte) *kgo.Record {
	id := cmp.Or(cause["ce_id"], fmt.Sprintf("%s/%d/%d", record.Topic, record.Partition, record.Offset))
	event := &kgo.Record{Topic: topic, Key: []byte(cause["ce_subject"]), Value: data}
	set(event, map[string]string{
		"ce_specversion": "1.0",
		// Made of the cause's id: handled twice, the answer has the same id and counts as a duplicate.
		"ce_id":            fmt.Sprintf("%x", sha256.Sum256([]byte(id+kind)))[:32],
		"ce_type":          kind,
		"ce_source":        "/billing",
		"ce_time":          time.Now().UTC().Format(time.RFC3339Nano),
		"ce_subject":       cause["ce_subject"],
		"ce_correlationid": cmp.Or(cause["ce_correlationid"], id),
		"ce_causationid":   id,
		"content-type":     "application/json",
		"traceparent":      cause["traceparent"],
		"tracestate":       cause["tracestate"],
	})
	return event
}

// deadLetter makes a copy of the record as it was, with why it was given up.
func deadLetter(record *kgo.Record, err error) *kgo.Record {
	letter := &kgo.Record{Topic: record.Topic + "." + group + ".dlq", Key: record.Key, Value: record.Value}
	letter.Headers = append(letter.Headers, record.Headers...)
	set(letter, map[string]string{
		"dlq.topic":         record.Topic,
		"dlq.partition":     fmt.Sprint(record.Partition),
		"dlq.offset":        fmt.Sprint(record.Offset),
		"dlq.timestamp":     fmt.Sprint(record.Timestamp.UnixMilli()),
		"dlq.group":         group,
		"dlq.attempts":      "1",
		"dlq.error.type":    fmt.Sprintf("%T", err),
		"dlq.error.message": err.Error(),
		"dlq.failed_at":     time.Now().UTC().Format(time.RFC3339Nano),
	})
	return letter
}

// headers maps names to values; where a name repeats, the last one counts.
func headers(record *kgo.Record) map[string]string {
	found := map[string]string{}
	for _, header := range record.Headers {
		found[header.Key] = string(header.Value)
	}
	return found
}

// set replaces headers; an empty value leaves one out.
func set(record *kgo.Record, values map[string]string) {
	var kept []kgo.RecordHeader
	for _, header := range record.Headers {
		if _, replaced := values[header.Key]; !replaced {
			kept = append(kept, header)
		}
	}
	for name, value := range values {
		if value != "" {
			kept = append(kept, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	record.Headers = kept
}
