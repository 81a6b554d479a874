#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the keys and certificates of the HTTP client's tests in the directory $1, by openssl(1):
# ca, other-ca; server (127.0.0.1, kube.test), expired (a server's); client, client-expired, client2.
set -eu
cd "$1"

cat >ca.cnf <<'CNF'
[ca]
default_ca = d
[d]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = p
unique_subject = no
copy_extensions = copy
[p]
commonName = supplied
[req]
distinguished_name = dn
[dn]
CNF
: >index
echo 1000 >serial

key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

root() {
    key "$1"
    openssl req -x509 -new -config ca.cnf -key "$1.key" -subj "/CN=$2" -days 30 -out "$1.crt" \
        -addext basicConstraints=critical,CA:true
}

# cert NAME CN FROM TO [extension]
cert() {
    key "$1"
    openssl req -new -config ca.cnf -key "$1.key" -subj "/CN=$2" -out "$1.csr" \
        ${5:+-addext "$5"}
    openssl ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -startdate "$3" \
        -enddate "$4" -in "$1.csr" -out "$1.crt" 2>ca.log
}

root ca test-ca
root other-ca other-test-ca
names=subjectAltName=IP:127.0.0.1,DNS:kube.test
cert server server 20200101000000Z 20990101000000Z "$names"
cert expired server 20200101000000Z 20200201000000Z "$names"
cert client client-one 20200101000000Z 20990101000000Z
cert client2 client-two 20200101000000Z 20990101000000Z
cert client-expired client-old 20200101000000Z 20200201000000Z
cert client-early client-early 20980101000000Z 20990101000000Z
openssl ec -in client.key -aes256 -passout pass:x -out client-locked.key 2>ca.log
