// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// tokenOf is the bearer token that cluster id takes, and no other does.
func tokenOf(id int) string { return fmt.Sprintf("sim-token-%06d", id) }

func accountName(id int) string { return fmt.Sprintf("sim-%04d", id) }

// certificate makes a CA and a certificate of it for the loopback address.
func certificate() (tls.Certificate, []byte, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubesim-ca"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kubesim"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}

// writeAccounts leaves, for each cluster, DIR/kubeconfigs/sim-NNNN.yml and DIR/accounts.d/sim-NNNN.yml.
func writeAccounts(dir string, clusters, port int, ca []byte) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	configs, accounts := filepath.Join(dir, "kubeconfigs"), filepath.Join(dir, "accounts.d")
	for _, d := range []string{configs, accounts} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	for id := 0; id < clusters; id++ {
		name := accountName(id)
		kubeconfig := filepath.Join(configs, name+".yml")
		text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: sim
clusters:
- {name: sim, cluster: {server: "https://127.0.0.1:%d", certificate-authority-data: %s}}
users:
- {name: sim, user: {token: %s}}
contexts:
- {name: sim, context: {cluster: sim, user: sim}}
`, port+id, base64.StdEncoding.EncodeToString(ca), tokenOf(id))
		if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
			return err
		}
		account := fmt.Sprintf("name: %s\nkubeconfigFile: %s\nkinds:\n", name, kubeconfig)
		for _, k := range kinds {
			account += "- " + k.name + "\n"
		}
		if err := os.WriteFile(filepath.Join(accounts, name+".yml"), []byte(account), 0o600); err != nil {
			return err
		}
	}
	return nil
}
