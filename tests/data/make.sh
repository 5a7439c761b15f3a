#!/bin/sh
# Makes the certificates, keys, requests and lists of this folder with the openssl command line. They are
# test data: their keys are public, so nothing may ever trust them. Run it only to change them; the tests
# judge by a time of their own (2026-06-01), so that they do not age.
#
#     tests/data/make.sh
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf certs keys
mkdir certs keys

start=20260101000000Z
end=21260101000000Z

ec_key()
{
    openssl ecparam -name "${2:-prime256v1}" -genkey -noout -out "$work/$1.key"
}

# A CA's directory for `openssl ca`, which is the one command that takes dates.
new_ca()
{
    mkdir -p "$work/$1.d"
    : > "$work/$1.d/index.txt"
    cat > "$work/$1.d/conf" <<CONF
[ca]
default_ca = this
[this]
database = $work/$1.d/index.txt
new_certs_dir = $work/$1.d
rand_serial = yes
policy = any
unique_subject = no
default_md = sha256
copy_extensions = none
[any]
commonName = optional
organizationName = optional
CONF
}

# sign CA NAME SUBJECT EXTENSIONS [START END [OPTION]...]: certs/NAME.crt, signed by certs/CA.crt.
sign()
{
    ca=$1 name=$2 subject=$3 extensions=$4 from=${5:-$start} to=${6:-$end}
    [ $# -le 6 ] || shift 6
    [ $# -le 6 ] || shift $#
    [ -f "$work/$name.key" ] || ec_key "$name"
    [ -d "$work/$ca.d" ] || new_ca "$ca"
    openssl req -new -key "$work/$name.key" -subj "$subject" -out "$work/$name.csr"
    printf '[v3]\n%b\n' "$extensions" > "$work/ext"
    issuer="-cert certs/$ca.crt"
    [ "$ca" != "$name" ] || issuer=-selfsign
    # shellcheck disable=SC2086 # two words, or one
    openssl ca -batch -notext -config "$work/$ca.d/conf" -in "$work/$name.csr" -startdate "$from" \
        -enddate "$to" -keyfile "$work/$ca.key" $issuer -extfile "$work/ext" -extensions v3 \
        ${md:+-md $md} -out "certs/$name.crt" 2> "$work/log" || { cat "$work/log"; exit 1; }
}

as_ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash'
ids='subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid'
as_server="keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n$ids"
as_client="keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n$ids"
local_names='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'

# The CA that the tests trust, and what it issued.
sign ca ca '/CN=Test CA/O=mutual test data' "$as_ca"
sign ca server '/CN=localhost' "$as_server\n$local_names"
sign ca wildcard '/CN=*.example.com' "$as_server\nsubjectAltName=DNS:*.example.com"
sign ca client '/CN=alice' "$as_client\nsubjectAltName=email:alice@example.com,URI:spiffe://example.com/alice"
sign ca expired '/CN=expired' "$as_client" 20250101000000Z 20260520000000Z
sign ca future '/CN=future' "$as_client" 20270101000000Z "$end"
sign ca short '/CN=short' "$as_server\n$local_names" 20260501000000Z 20260606000000Z
sign ca cn-only '/CN=localhost' "$as_server"
sign ca no-purpose '/CN=anything' "keyUsage=critical,digitalSignature\n$ids\n$local_names"
sign ca ip-as-dns '/CN=gateway' "$as_server\nsubjectAltName=DNS:192.0.2.7"
sign ca no-signature '/CN=agree' "keyUsage=critical,dataEncipherment\nextendedKeyUsage=clientAuth\n$ids"
sign ca critical '/CN=strange' "$as_client\n1.2.3.4=critical,ASN1:NULL"
sign ca same-name '/CN=Test CA/O=mutual test data' "$as_client"
sign ca revoked '/CN=mallory' "$as_client"
sign ca not-a-ca '/CN=not a CA' "$as_server\nsubjectAltName=DNS:not-a-ca"
sign not-a-ca under-not-a-ca '/CN=bob' "$as_client"
sign ca odd-names "/CN=odd\\x1b[31m" "$as_client\nsubjectAltName=RID:1.2.3,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:odd@example.com,dirName:dir\n[dir]\nCN=within"

# A chain of two CAs.
sign ca intermediate '/CN=Test Issuing CA' "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n$ids"
sign intermediate under-intermediate '/CN=carol' "$as_client"
sign intermediate too-deep-ca '/CN=Third CA' "$as_ca\nauthorityKeyIdentifier=keyid"
sign too-deep-ca under-too-deep '/CN=dave' "$as_client"
sign ca expired-intermediate '/CN=Old Issuing CA' "$as_ca\nauthorityKeyIdentifier=keyid" 20250101000000Z 20260520000000Z
sign expired-intermediate under-expired-intermediate '/CN=erin' "$as_client"
sign ca server-only-ca '/CN=Servers only' "$as_ca\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid"
sign server-only-ca under-server-only-ca '/CN=frank' "$as_client"
sign ca constrained-ca '/CN=Constrained CA' "$as_ca\nnameConstraints=critical,permitted;DNS:example.org\nauthorityKeyIdentifier=keyid"
sign constrained-ca outside-constraint '/CN=www.example.com' "$as_server\nsubjectAltName=DNS:www.example.com"

# CAs with something about them.
sign other-ca other-ca '/CN=Other Root' "$as_ca"
sign other-ca stranger '/CN=stranger' "$as_client"
sign new-ca new-ca '/CN=Test CA/O=mutual test data' "$as_ca"
sign mute-ca mute-ca '/CN=Mute CA' 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash'
sign mute-ca under-mute-ca '/CN=grace' "$as_client"
sign lax-ca lax-ca '/CN=Lax CA' 'basicConstraints=CA:TRUE'
sign expired-ca expired-ca '/CN=Ended CA' "$as_ca" 20250101000000Z 20260520000000Z
sign expired-ca under-expired-ca '/CN=heidi' "$as_client"
sign self-signed self-signed '/CN=lonely' "$as_server\n$local_names"

# What is too weak, or of a kind that TLS does not offer.
openssl genrsa -traditional -out "$work/weak-key.key" 1024 2> /dev/null
sign ca weak-key '/CN=weak' "$as_client"
md=sha1 sign ca weak-signature '/CN=sha1' "$as_client"
ec_key odd-curve secp256k1
sign ca odd-curve '/CN=k1' "$as_client"

# The hand-made recipe of many articles: X.509 v1, a CN, and nothing else. 100 years, as it has no dates to give.
openssl req -new -x509 -nodes -newkey rsa:2048 -days 36500 -subj /CN=my-ca -keyout "$work/recipe-ca.key" \
    -out certs/recipe-ca.crt 2> /dev/null
openssl genrsa -out "$work/recipe.key" 2048 2> /dev/null
openssl req -new -key "$work/recipe.key" -subj /CN=localhost -out "$work/recipe.csr"
openssl x509 -req -in "$work/recipe.csr" -CA certs/recipe-ca.crt -CAkey "$work/recipe-ca.key" -set_serial 1 \
    -days 36499 -out certs/recipe-v1.crt 2> /dev/null

# Revocation lists. `openssl ca -gencrl` counts from now, so the one that is in date lasts 100 years.
list()
{
    openssl ca -config "$work/$1.d/conf" -keyfile "$work/$1.key" -cert "certs/$1.crt" -gencrl -out "certs/$2.crl" \
        -crl_lastupdate "$3" -crl_nextupdate "$4" 2> "$work/log" || { cat "$work/log"; exit 1; }
}
openssl ca -config "$work/ca.d/conf" -keyfile "$work/ca.key" -cert certs/ca.crt -revoke certs/revoked.crt \
    -crl_reason keyCompromise 2> /dev/null
list ca ca "$start" "$end"
list ca ca-stale 20260101000000Z 20260501000000Z
new_ca new-ca
list new-ca new-ca "$start" "$end"

# One key in every dress. The passphrase is "secret" throughout.
openssl ecparam -name prime256v1 -genkey -out keys/test-sec1-with-parameters.pem
openssl pkcs8 -topk8 -nocrypt -in keys/test-sec1-with-parameters.pem -out keys/test-pkcs8.pem
openssl pkey -in keys/test-pkcs8.pem -outform der -out keys/test-pkcs8.der
openssl ec -in keys/test-pkcs8.pem -outform der -out keys/test-sec1.der 2> /dev/null
openssl pkey -in keys/test-pkcs8.pem -pubout -out keys/test-public.pem
openssl pkey -in keys/test-pkcs8.pem -pubout -outform der -out keys/test-public.der
openssl pkcs8 -topk8 -in keys/test-pkcs8.pem -passout pass:secret -out keys/test-pkcs8-encrypted.pem
openssl pkcs8 -topk8 -in keys/test-pkcs8.pem -passout pass:secret -outform der -out keys/test-pkcs8-encrypted.der
openssl pkcs8 -topk8 -in keys/test-pkcs8.pem -passout pass:secret -v1 PBE-MD5-DES -provider legacy \
    -provider default -out keys/test-pkcs8-of-old.pem
openssl ec -in keys/test-pkcs8.pem -aes128 -passout pass:secret -out keys/test-sec1-encrypted.pem 2> /dev/null
openssl genrsa -traditional -out keys/test-rsa-pkcs1.pem 2048 2> /dev/null
openssl rsa -in keys/test-rsa-pkcs1.pem -traditional -outform der -out keys/test-rsa-pkcs1.der 2> /dev/null
openssl rsa -in keys/test-rsa-pkcs1.pem -RSAPublicKey_out -out keys/test-rsa-public-pkcs1.pem 2> /dev/null
openssl genpkey -algorithm ed25519 -out keys/test-ed25519.pem
openssl ecparam -name secp384r1 -genkey -noout -out keys/test-p384.pem
openssl ecparam -name secp521r1 -genkey -noout -out keys/test-p521.pem
cp "$work/client.key" keys/test-client.pem

# The same certificate in every dress.
openssl x509 -in certs/client.crt -outform der -out certs/client.der
openssl x509 -in certs/client.crt -addtrust clientAuth -out certs/client-trusted.pem
openssl crl2pkcs7 -nocrl -certfile certs/client.crt -certfile certs/ca.crt -out certs/bundle.p7b
openssl crl2pkcs7 -nocrl -certfile certs/client.crt -certfile certs/ca.crt -outform der -out certs/bundle.der
openssl crl -in certs/ca.crl -outform der -out certs/ca-crl.der
openssl req -new -key keys/test-client.pem -subj '/CN=alice' -addext 'subjectAltName=DNS:alice.example' -out certs/client.csr
openssl req -in certs/client.csr -outform der -out certs/client-csr.der
openssl pkcs12 -export -in certs/client.crt -inkey keys/test-client.pem -certfile certs/ca.crt -name alice \
    -passout pass:secret -out keys/test-client.p12
openssl pkcs12 -export -in certs/client.crt -inkey keys/test-client.pem -legacy -passout pass:secret \
    -out keys/test-client-of-old.p12
openssl pkcs12 -export -nokeys -in certs/ca.crt -passout pass: -out keys/test-no-key-no-passphrase.p12
