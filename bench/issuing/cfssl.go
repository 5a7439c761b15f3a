// cfssl's own API, in memory: `cfssl CA.crt CA.key request DIR` signs every DIR/*.csr, `cfssl CA.crt CA.key new COUNT`
// makes a key, a request and a certificate as many times. Prints the CPU time of one, in nanoseconds; what is read from
// files has been read before. Its default key is P-256.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/csr"
	cflog "github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func cpu() time.Duration {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func sign(ca signer.Signer, request []byte) {
	_, err := ca.Sign(signer.SignRequest{Request: string(request)})
	check(err)
}

func main() {
	cflog.Level = cflog.LevelFatal
	policy := &config.Signing{Default: &config.SigningProfile{
		Usage: []string{"digital signature", "server auth"}, Expiry: 90 * 24 * time.Hour, ExpiryString: "2160h"}}
	ca, err := local.NewSignerFromFile(os.Args[1], os.Args[2], policy)
	check(err)
	var requests [][]byte
	count := 0
	if os.Args[3] == "request" {
		paths, err := filepath.Glob(filepath.Join(os.Args[4], "*.csr"))
		check(err)
		for _, path := range paths {
			request, err := os.ReadFile(path)
			check(err)
			requests = append(requests, request)
		}
		count = len(requests)
	} else {
		count, err = strconv.Atoi(os.Args[4])
		check(err)
	}
	begin := cpu()
	for i := 0; i < count; i++ {
		if requests != nil {
			sign(ca, requests[i])
			continue
		}
		host := fmt.Sprintf("host%d.example", i)
		request, _, err := csr.ParseRequest(&csr.CertificateRequest{
			CN: host, Hosts: []string{host}})
		check(err)
		sign(ca, request)
	}
	fmt.Println(int64(cpu()-begin) / int64(count))
}
