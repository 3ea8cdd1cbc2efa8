package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

var client = &http.Client{Timeout: 60 * time.Second}

// Git is one repository, by Gitea's API.
type Git struct{ settings Settings }

const folder = "/contents/notices"

// files returns the blobs of the notices by their file names.
func (g *Git) files() (map[string]string, error) {
	var entries []struct{ Name, Sha string }
	status, err := send("GET", g.settings.Repository+folder, g.settings.Token, nil, &entries)
	if status == http.StatusNotFound { // no notice yet, or no repository: only the second is an error
		_, err = send("GET", g.settings.Repository, g.settings.Token, nil, nil)
	}
	found := map[string]string{}
	for _, entry := range entries {
		found[entry.Name] = entry.Sha
	}
	return found, err
}

func (g *Git) write(path, content, present string) error {
	if present == "" {
		return g.change("POST", path, "Publish "+path, map[string]any{"content": []byte(content)})
	}
	return g.change("PUT", path, "Change "+path, map[string]any{"content": []byte(content), "sha": present})
}

func (g *Git) remove(path, present string) error {
	return g.change("DELETE", path, "Withdraw "+path, map[string]any{"sha": present})
}

func (g *Git) change(method, path, message string, body map[string]any) error {
	body["message"] = message + "\n\nRun: " + g.settings.Run
	_, err := send(method, g.settings.Repository+folder+"/"+path, g.settings.Token, body, nil)
	return err
}

// blobOf is Git's own name for a content.
func blobOf(content string) string {
	sum := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(content), content)))
	return hex.EncodeToString(sum[:])
}

// Audit is the store of audit events.
type Audit struct{ settings Settings }

// say writes an event under a name of its own, so that saying it twice is saying it once.
func (a *Audit) say(what, notice, blob string) error {
	event := map[string]string{
		"id":     a.settings.Run + "-" + notice + "-" + what + "-" + blob[:12],
		"run_id": a.settings.Run,
		"type":   what,
		"notice": notice,
		"blob":   blob,
		"time":   time.Now().UTC().Format(time.RFC3339Nano),
	}
	_, err := send("PUT", a.settings.Events+"/"+event["id"], "", event, nil)
	return err
}

// send asks an HTTP server with JSON; the status is 0 without an answer.
func send(method, url, token string, body, into any) (int, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, url, content)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "token "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode, fmt.Errorf("%s %s: %s: %.300s", method, url, answer.Status, text)
	}
	if into == nil {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, json.Unmarshal(text, into)
}
