// Dex for tests: the server of its module, in memory, with the people and clients of a file.
// Dex's own command isn't built: it needs a module of the same repository that isn't published in this version.
package main

import (
	"context"
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	gosundheit "github.com/AppsFlyer/go-sundheit"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/dexidp/dex/web"
)

type settings struct {
	Listen  string           `json:"listen"`
	Issuer  string           `json:"issuer"`
	Clients []storage.Client `json:"clients"`
	People  []struct {
		Email    string   `json:"email"`
		Password string   `json:"password"`
		Name     string   `json:"name"`
		ID       string   `json:"id"`
		Groups   []string `json:"groups"`
	} `json:"people"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	var read settings
	if err := json.Unmarshal(must(os.ReadFile(os.Args[1])), &read); err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	people := make([]storage.Password, 0, len(read.People))
	for _, person := range read.People {
		hash := must(bcrypt.GenerateFromPassword([]byte(person.Password), bcrypt.DefaultCost))
		people = append(people, storage.Password{
			Email: person.Email, Hash: hash, Username: person.Name, UserID: person.ID, Groups: person.Groups,
		})
	}
	store := storage.WithStaticClients(memory.New(logger), read.Clients)
	store = storage.WithStaticPasswords(store, people, logger)
	store = storage.WithStaticConnectors(store, []storage.Connector{{ID: "local", Type: "local", Name: "Password"}})
	keys := signer.LocalConfig{KeysRotationPeriod: "6h"}
	dex := must(server.NewServer(context.Background(), server.Config{
		Issuer:             read.Issuer,
		Storage:            store,
		SkipApprovalScreen: true,
		PasswordConnector:  "local",
		IDTokensValidFor:   time.Hour,
		Web:                server.WebConfig{WebFS: web.FS()},
		Logger:             logger,
		Signer:             must(keys.Open(context.Background(), store, time.Hour, time.Now, logger)),
		PrometheusRegistry: prometheus.NewRegistry(),
		HealthChecker:      gosundheit.New(),
	}))
	log.Fatal(http.ListenAndServe(read.Listen, dex))
}
