// SPDX-License-Identifier: Apache-2.0

// vaultbox ADDRESS: a Vault in memory that is initialised and open, with the parts that an agent meets. It prints its
// root token, then serves plain HTTP.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// What Vault has built in besides the parts given below: nothing.
type registry struct{}

func (registry) Contains(string, consts.PluginType) bool { return false }
func (registry) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}
func (registry) Keys(consts.PluginType) []string { return nil }
func (registry) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}
func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func open(ctx context.Context, log hclog.Logger) (*vault.Core, string, error) {
	store, err := inmem.NewInmem(nil, log)
	if err != nil {
		return nil, "", err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:        store,
		DisableMlock:    true,
		Logger:          log,
		BuiltinRegistry: registry{},
		LogicalBackends: map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{
			"approle":    approle.Factory,
			"kubernetes": kubernetes.Factory,
		},
	})
	if err != nil {
		return nil, "", err
	}
	made, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return nil, "", err
	}
	_, err = core.Unseal(made.SecretShares[0])
	return core, made.RootToken, err
}

func run(address string) error {
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	core, token, err := open(context.Background(), log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(token)
	return http.Serve(l, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vaultbox ADDRESS")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
