// Billing consumes StockReserved from "inventory" and publishes PaymentCompleted to "payments".
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	prefix = os.Getenv("TOPIC_PREFIX")
	group  = prefix + "billing"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(cmp.Or(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), "localhost:9092")),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(prefix+"inventory"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),                          // nobody gets a partition that is being worked on
		kgo.ProducerBatchCompression(kgo.GzipCompression()), // not every client reads the default, snappy
		kgo.AllowAutoTopicCreation(),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			log.Print("stopped")
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Printf("%s/%d: %v", topic, partition, err)
		})
		for _, record := range fetches.Records() {
			if next := answer(record); next != nil {
				// Returns once it is acknowledged. Else nothing is committed, and a restart reads it again.
				if err := client.ProduceSync(ctx, next).FirstErr(); err != nil {
					log.Fatal(err)
				}
			}
		}
		// Only now: what was read has been answered.
		if err := client.CommitRecords(ctx, fetches.Records()...); err != nil {
			log.Print(err)
		}
		client.AllowRebalance()
	}
}

func answer(record *kgo.Record) *kgo.Record {
	event := headers(record)
	if event["ce_type"] != "StockReserved" {
		return nil // not for us
	}
	var reserved struct {
		Quantity int `json:"quantity"`
	}
	if err := json.Unmarshal(record.Value, &reserved); err != nil {
		return deadLetter(record, err)
	}
	if event["ce_subject"] == "" {
		return deadLetter(record, errors.New("no ce_subject"))
	}
	data, _ := json.Marshal(map[string]any{
		"order_id":    event["ce_subject"],
		"total_cents": reserved.Quantity * 500,
	})
	return caused(record, event, prefix+"payments", "PaymentCompleted", data)
}
