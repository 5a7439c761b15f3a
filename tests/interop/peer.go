// Go's crypto/tls and net/http as a client that loops and as a server that demands a certificate.
//
//	peer client PORT VERSION CA CERT|- KEY|- COUNT
//	peer server VERSION CA CERT KEY
//	peer verify CA CERT
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

func version(text string) uint16 {
	if text == "1.2" {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

func pool(file string) *x509.CertPool {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		log.Fatalf("no certificate in %s", file)
	}
	return p
}

func pair(cert, key string) tls.Certificate {
	c, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func get(url string, config *tls.Config) (string, error) {
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: os.Getenv("PEER_HTTP") != "1.1"}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, body), err
}

func client(args []string) {
	v := version(args[1])
	config := &tls.Config{MinVersion: v, MaxVersion: v, RootCAs: pool(args[2])}
	if args[3] != "-" {
		c := pair(args[3], args[4])
		// Always this one: left alone, Go sends none if its issuer is not in the server's list.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
	count, _ := strconv.Atoi(args[5])
	for i := 0; i < count; i++ {
		if answer, err := get("https://localhost:"+args[0]+"/", config); err != nil {
			fmt.Println("error:", err)
		} else {
			fmt.Println(answer)
		}
	}
}

func server(args []string) {
	v := version(args[0])
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "Hello %s from go", r.TLS.PeerCertificates[0].Subject.CommonName)
		}),
		TLSConfig: &tls.Config{MinVersion: v, MaxVersion: v, ClientCAs: pool(args[1]),
			ClientAuth: tls.RequireAndVerifyClientCert},
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(s.ServeTLS(listener, args[2], args[3]))
}

// The chain alone: whatever the certificate is for, and whoever it names.
func verify(args []string) {
	text, err := os.ReadFile(args[1])
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(args[0]), KeyUsages: usages}); err != nil {
		log.Fatal(err)
	}
}

func main() {
	switch os.Args[1] {
	case "client":
		client(os.Args[2:])
	case "server":
		server(os.Args[2:])
	case "verify":
		verify(os.Args[2:])
	}
}
