package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
)

// Metrics are numbers in Prometheus' text format; each has the run's label, so that runs can share a Prometheus.
type Metrics struct {
	label  string
	mutex  sync.Mutex
	values map[string]int
}

func newMetrics(settings Settings) *Metrics {
	label := fmt.Sprintf("{e2e_run_id=%q}", settings.Run)
	if settings.Unlabelled {
		label = ""
	}
	values := map[string]int{}
	for _, name := range []string{"errors", "published", "refused", "withdrawn"} {
		values["noticeboard_"+name+"_total"] = 0 // a counter begins at 0, and not with its first event
	}
	return &Metrics{label: label, values: values}
}

func (m *Metrics) count(name string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.values[name]++
}

func (m *Metrics) set(name string, value int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.values[name] = value
}

func (m *Metrics) String() string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var text strings.Builder
	names := make([]string, 0, len(m.values))
	for name := range m.values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		kind := "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		fmt.Fprintf(&text, "# TYPE %s %s\n%s%s %d\n", name, kind, name, m.label, m.values[name])
	}
	return text.String()
}
