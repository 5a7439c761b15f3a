#!/bin/sh
# Makes pq/: what only an OpenSSL from 3.5 on can make, and older ones must refuse in words. See make.sh.
#
#     tests/data/make-pq.sh
set -eu
cd "$(dirname "$0")"
rm -rf pq
mkdir pq
cd pq

dates="-not_before 20260101000000Z -not_after 21260101000000Z"
# shellcheck disable=SC2086 # several words
openssl req -x509 -newkey ml-dsa-44 -nodes -keyout ca.key -subj '/CN=Post-quantum CA' $dates \
    -addext keyUsage=critical,keyCertSign,cRLSign -out ca.crt
openssl req -new -newkey ml-dsa-65 -nodes -keyout client.key -subj /CN=alice -out client.csr
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n%s\n' \
    'subjectAltName=email:alice@example.com' > ext
# shellcheck disable=SC2086
openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key $dates -extfile ext -out client.crt
rm ca.key ext
openssl pkcs8 -topk8 -in client.key -passout pass:secret -out client-encrypted.key
openssl pkcs8 -topk8 -nocrypt -in client.key -outform DER -out client-key.der
openssl pkcs12 -export -in client.crt -inkey client.key -passout pass:secret -out client.p12
# The same kind of container with a MAC of today's making, and without one, around a key that everybody knows.
for mac in -pbmac1_pbkdf2 -nomac; do
    openssl pkcs12 -export -in ../certs/client.crt -inkey ../keys/test-client.pem -passout pass:secret "$mac" \
        -out "client$mac.p12"
done
