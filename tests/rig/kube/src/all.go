// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"

	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// allMain runs several components in one process:
//
//	kubebox all etcd CONFIG.yaml -- kube-apiserver FLAGS -- wait KUBECONFIG --
//	            kube-controller-manager FLAGS -- kube-scheduler FLAGS -- kwok FLAGS
func allMain(args []string) {
	ctx := genericapiserver.SetupSignalContext()
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	var groups [][]string
	cur := []string{}
	for _, a := range append(args, "--") {
		if a == "--" {
			groups = append(groups, cur)
			cur = nil
			continue
		}
		cur = append(cur, a)
	}
	die := func(what string, err error) {
		fmt.Fprintln(os.Stderr, "kubebox:", what, err)
		os.Exit(1)
	}
	parse := func(name string, nfs cliflag.NamedFlagSets, a []string) {
		fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
		for _, f := range nfs.FlagSets {
			fs.AddFlagSet(f)
		}
		if err := fs.Parse(a); err != nil {
			die(name, err)
		}
	}
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		name, a := g[0], g[1:]
		switch name {
		case "etcd":
			cfg, err := embed.ConfigFromFile(a[0])
			if err != nil {
				die(name, err)
			}
			e, err := embed.StartEtcd(cfg)
			if err != nil {
				die(name, err)
			}
			<-e.Server.ReadyNotify()
		case "kube-apiserver":
			s := apiserveroptions.NewServerRunOptions()
			parse(name, s.Flags(), a)
			if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
				die(name, err)
			}
			if err := logsapi.ValidateAndApply(s.Logs, nil); err != nil {
				die(name, err)
			}
			c, err := s.Complete(ctx)
			if err != nil {
				die(name, err)
			}
			if errs := c.Validate(); len(errs) != 0 {
				die(name, errs[0])
			}
			go func() { die(name, apiserver.Run(ctx, c)) }()
		case "wait":
			cfg, err := clientcmd.BuildConfigFromFlags("", a[0])
			if err != nil {
				die(name, err)
			}
			cl, err := rest.UnversionedRESTClientFor(withGV(cfg))
			if err != nil {
				die(name, err)
			}
			for cl.Get().AbsPath("/readyz").Do(ctx).Error() != nil {
				select {
				case <-ctx.Done():
					os.Exit(1)
				case <-time.After(50 * time.Millisecond):
				}
			}
		case "kube-controller-manager":
			s, err := kcmoptions.NewKubeControllerManagerOptions()
			if err != nil {
				die(name, err)
			}
			nfs := s.Flags(kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
			s.ParsedFlags = &nfs
			parse(name, nfs, a)
			c, err := s.Config(ctx, kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
			if err != nil {
				die(name, err)
			}
			go func() { die(name, kcm.Run(ctx, c.Complete())) }()
		case "kube-scheduler":
			o := scheduleroptions.NewOptions()
			parse(name, *o.Flags, a)
			cc, sched, err := scheduler.Setup(ctx, o)
			if err != nil {
				die(name, err)
			}
			go func() { die(name, scheduler.Run(ctx, cc, sched)) }()
		case "kwok":
			os.Args = append([]string{"kwok"}, a...)
			go kwokRun(ctx)
		default:
			die(name, fmt.Errorf("unknown component"))
		}
	}
	<-ctx.Done()
	time.Sleep(200 * time.Millisecond)
	os.Exit(0)
}

func withGV(c *rest.Config) *rest.Config {
	c.GroupVersion = &schema.GroupVersion{Version: "v1"}
	c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return c
}
