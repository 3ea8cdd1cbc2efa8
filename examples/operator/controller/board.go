package main

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"time"
)

// Board keeps the files of a repository as the notices of a namespace say.
type Board struct {
	settings Settings
	cluster  *Cluster
	git      *Git
	audit    *Audit
	metrics  *Metrics

	mutex sync.Mutex
	why   string
	ready bool
}

// run compares and mends, and waits for the next change; it never ends.
func (b *Board) run() {
	for {
		version, err := b.sync()
		if err == nil {
			err = b.cluster.watch(b.settings.Namespace, version)
		}
		if err != nil {
			log.Printf("again in a second: %v", err)
			b.metrics.count("noticeboard_errors_total")
			time.Sleep(time.Second)
		}
	}
}

// sync makes the repository equal to the notices. It can stop anywhere and be begun again: a file that is there is not
// written twice, and an event that is there replaces itself.
func (b *Board) sync() (string, error) {
	wanted, version, err := b.cluster.list(b.settings.Namespace)
	var present map[string]string
	if err == nil {
		present, err = b.git.files()
	}
	b.note(err)
	if err != nil {
		return "", err
	}
	for _, notice := range wanted {
		path := notice.Metadata.Name + ".md"
		if err := b.publish(notice, path, present[path]); err != nil {
			return "", err
		}
		delete(present, path)
	}
	for path, blob := range present {
		if err := b.withdraw(path, blob); err != nil {
			return "", err
		}
	}
	b.metrics.set("noticeboard_notices", len(wanted))
	return version, nil
}

func (b *Board) publish(notice Notice, path, present string) error {
	name, content := notice.Metadata.Name, fmt.Sprintf("# %s\n\n%s\n", notice.Spec.Title, notice.Spec.Text)
	blob := blobOf(content)
	if blob != present {
		if err := b.git.write(path, content, present); err != nil {
			return err
		}
		b.metrics.count("noticeboard_published_total")
		log.Printf("published %s", name)
	}
	done := Status{Phase: "Published", Blob: blob, ObservedGeneration: notice.Metadata.Generation}
	if notice.Status == done {
		return nil
	}
	if err := b.audit.say("published", name, blob); err != nil {
		return err
	}
	return b.cluster.setStatus(b.settings.Namespace, name, done)
}

func (b *Board) withdraw(path, blob string) error {
	name := strings.TrimSuffix(path, ".md")
	// The event comes first: once the file is gone, nobody knows of it any more.
	if err := b.audit.say("withdrawn", name, blob); err != nil {
		return err
	}
	if err := b.git.remove(path, blob); err != nil {
		return err
	}
	b.metrics.count("noticeboard_withdrawn_total")
	log.Printf("withdrew %s", name)
	return nil
}

// note keeps the result of the last look, for the readiness probe.
func (b *Board) note(err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.ready, b.why = err == nil, ""
	if err != nil {
		b.why = err.Error()
	}
}

func (b *Board) notReady() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.ready && b.why == "" {
		return "it has not looked at its notices yet"
	}
	return b.why
}
