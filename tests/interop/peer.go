// Go's crypto/tls and net/http as a client that loops and as a server that demands a certificate.
//
//	peer client PORT VERSION CA CERT|- KEY|- COUNT
//	peer server VERSION CA CERT KEY
//	peer verify CA CERT
//	peer jobs            (one a line, from standard input: see observe.py)
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
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

// --- Jobs: any client and any server, as somebody would write it who follows the manual ---

// What has gone wrong, on one line.
func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", " / ") }

func jobConfig(job map[string]string) (*tls.Config, *x509.CertPool, error) {
	config := &tls.Config{}
	if job["max"] == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	if job["cert"] != "" {
		pair, err := tls.LoadX509KeyPair(job["cert"], job["key"])
		if err != nil {
			return nil, nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if job["ca"] == "" {
		return config, nil, nil
	}
	text, err := os.ReadFile(job["ca"])
	if err != nil {
		return nil, nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return nil, nil, errors.New("x509.CertPool.AppendCertsFromPEM: false")
	}
	return config, trusted, nil
}

func jobClient(job map[string]string) (string, error) {
	config, trusted, err := jobConfig(job)
	if err != nil {
		return "", err
	}
	config.RootCAs = trusted
	here := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+job["port"])
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: here, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get("https://" + net.JoinHostPort(job["host"], job["port"]) + "/")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, body), err
}

// What a server of jobs logs goes out with its number before it.
type jobLog string

func (id jobLog) Write(line []byte) (int, error) {
	fmt.Printf("log\t%s\t%s\n", string(id), oneLine(string(line)))
	return len(line), nil
}

func jobServer(job map[string]string) (net.Listener, error) {
	config, trusted, err := jobConfig(job)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = trusted
	config.ClientAuth = map[string]tls.ClientAuthType{"require": tls.RequireAndVerifyClientCert,
		"request": tls.VerifyClientCertIfGiven, "any": tls.RequestClientCert, "none": tls.NoClientCert}[job["clients"]]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := http.Server{TLSConfig: config, ErrorLog: log.New(jobLog(job["id"]), "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "Hello") })}
	go s.ServeTLS(listener, "", "")
	return listener, nil
}

func jobs() {
	listeners := map[string]net.Listener{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		job := map[string]string{}
		for _, field := range strings.Split(lines.Text(), "\t") {
			name, value, _ := strings.Cut(field, "=")
			job[name] = value
		}
		switch job["op"] {
		case "client":
			if answer, err := jobClient(job); err != nil {
				fmt.Printf("error\t%s\t%s\n", job["id"], oneLine(err.Error()))
			} else {
				fmt.Printf("answer\t%s\t%s\n", job["id"], oneLine(answer))
			}
		case "server":
			if listener, err := jobServer(job); err != nil {
				fmt.Printf("error\t%s\t%s\n", job["id"], oneLine(err.Error()))
			} else {
				listeners[job["id"]] = listener
				fmt.Printf("port\t%s\t%d\n", job["id"], listener.Addr().(*net.TCPAddr).Port)
			}
		case "stop":
			listeners[job["id"]].Close()
			delete(listeners, job["id"])
		case "version":
			fmt.Printf("answer\t%s\t%s\n", job["id"], runtime.Version())
		}
	}
}

func main() {
	switch os.Args[1] {
	case "jobs":
		jobs()
	case "client":
		client(os.Args[2:])
	case "server":
		server(os.Args[2:])
	case "verify":
		verify(os.Args[2:])
	}
}
