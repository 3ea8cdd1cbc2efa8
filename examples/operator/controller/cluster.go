package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	notices = "/apis/noticeboard.example.org/v1/namespaces/%s/notices"
	webhook = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"
)

// Notice is an object of our kind.
type Notice struct {
	Metadata struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Title string `json:"title"`
		Text  string `json:"text"`
	} `json:"spec"`
	Status Status `json:"status"`
}

// Status says what was done for a generation of a notice.
type Status struct {
	Phase              string `json:"phase"`
	Message            string `json:"message,omitempty"`
	Blob               string `json:"blob,omitempty"`
	ObservedGeneration int64  `json:"observedGeneration"`
}

// Cluster is the API server, asked with the pod's service account.
type Cluster struct {
	server string
	client *http.Client
}

func inCluster() (*Cluster, error) {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, fmt.Errorf("this program runs in a pod: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{
		TLSClientConfig:       &tls.Config{RootCAs: pool},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}
	server := "https://" + os.Getenv("KUBERNETES_SERVICE_HOST") + ":" + os.Getenv("KUBERNETES_SERVICE_PORT")
	return &Cluster{server: server, client: &http.Client{Transport: transport}}, nil
}

func (c *Cluster) ask(method, path, kind string, body any) (io.ReadCloser, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(method, c.server+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(account + "token") // it is replaced from time to time
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", kind)
	answer, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		defer answer.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, said)
	}
	return answer.Body, nil
}

// list returns the notices of a namespace, and the version from which a watch continues.
func (c *Cluster) list(namespace string) ([]Notice, string, error) {
	body, err := c.ask("GET", fmt.Sprintf(notices, namespace), "", nil)
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	var found struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []Notice `json:"items"`
	}
	err = json.NewDecoder(body).Decode(&found)
	return found.Items, found.Metadata.ResourceVersion, err
}

// watch returns at the first change after a version, or when the server ends the watch.
func (c *Cluster) watch(namespace, version string) error {
	path := fmt.Sprintf(notices, namespace) + "?watch=true&timeoutSeconds=60&resourceVersion=" + version
	body, err := c.ask("GET", path, "", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	var event struct{ Type string }
	if err := json.NewDecoder(bufio.NewReader(body)).Decode(&event); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil // a change, the end, or an expired version: the next list has all of it
}

// setStatus writes the status of a notice.
func (c *Cluster) setStatus(namespace, name string, status Status) error {
	path := fmt.Sprintf(notices, namespace) + "/" + name + "/status"
	return c.patch(path, "application/merge-patch+json", map[string]any{"status": status})
}

// trust writes the certificate of our webhook into its configuration.
func (c *Cluster) trust(name string, authority []byte) error {
	change := []map[string]any{{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": authority}}
	return c.patch(webhook+name, "application/json-patch+json", change)
}

func (c *Cluster) patch(path, kind string, change any) error {
	body, err := c.ask("PATCH", path, kind, change)
	if err != nil {
		return err
	}
	return body.Close()
}
