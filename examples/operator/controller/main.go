// Noticeboard is a small operator: it puts each Notice of its namespace as a file into a Git repository.
//
// It has what operators have: a kind of its own, an admission webhook, metrics, and an audit trail. It uses nothing but
// Go's standard library, so that you can read all of it.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

// Settings come from the environment; each names its use.
type Settings struct {
	Run        string // the run that this instance belongs to, on every metric, commit and event
	Namespace  string // where its notices are
	Webhook    string // its ValidatingWebhookConfiguration
	Repository string // URL of the repository in Gitea's API
	Token      string // of a user who may write there
	Events     string // URL of the audit events
	Unlabelled bool   // leave the run out of the metrics: only to see who notices
}

func settings() Settings {
	given := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			log.Fatalf("the variable %s is missing", name)
		}
		return value
	}
	return Settings{
		Run:        given("RUN"),
		Namespace:  given("NAMESPACE"),
		Webhook:    given("WEBHOOK"),
		Repository: given("REPOSITORY"),
		Token:      given("GIT_TOKEN"),
		Events:     given("EVENTS"),
		Unlabelled: os.Getenv("UNLABELLED") == "true",
	}
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	settings := settings()
	metrics := newMetrics(settings)
	cluster, err := inCluster()
	if err != nil {
		log.Fatal(err)
	}
	board := &Board{settings: settings, cluster: cluster, git: &Git{settings}, audit: &Audit{settings}, metrics: metrics}

	certificate, authority, err := selfSigned("noticeboard." + settings.Namespace + ".svc")
	if err != nil {
		log.Fatal(err)
	}
	go serveAdmission(certificate, metrics)
	go serveMetrics(metrics, board)
	for {
		if err := cluster.trust(settings.Webhook, authority); err == nil {
			break
		} else {
			log.Printf("the webhook %s has no certificate yet: %v", settings.Webhook, err)
		}
		time.Sleep(time.Second)
	}
	board.run()
}

// serveMetrics answers Prometheus and the probes.
func serveMetrics(metrics *Metrics, board *Board) {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, metrics)
	})
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := board.notReady(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
		}
	})
	log.Fatal(http.ListenAndServe(":8080", mux))
}
