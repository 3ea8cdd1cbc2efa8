package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// selfSigned makes a certificate for one host, and what others need to trust it.
func selfSigned(host string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "noticeboard"},
		DNSNames:              []string{host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, authority, nil
}

// serveAdmission answers the API server's question whether a notice may be written.
func serveAdmission(certificate tls.Certificate, metrics *Metrics) {
	mux := http.NewServeMux()
	mux.HandleFunc("/validate", func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Request    struct {
				UID    string `json:"uid"`
				Object Notice `json:"object"`
			} `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		why := refusal(review.Request.Object)
		response := map[string]any{"uid": review.Request.UID, "allowed": why == ""}
		if why != "" {
			response["status"] = map[string]any{"message": why, "code": http.StatusForbidden}
			metrics.count("noticeboard_refused_total")
		}
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"apiVersion": review.APIVersion, "kind": review.Kind, "response": response}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.Print(err)
		}
	})
	server := &http.Server{
		Addr:      ":8443",
		Handler:   mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}

// refusal is the rule that a schema cannot have; empty: the notice is fine.
func refusal(notice Notice) string {
	switch {
	case strings.TrimSpace(notice.Spec.Title) == "":
		return "a notice needs a title"
	case strings.Contains(notice.Spec.Text, "TODO"):
		return "a notice with a TODO is not finished"
	}
	return ""
}
