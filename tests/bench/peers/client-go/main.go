// SPDX-License-Identifier: Apache-2.0

// A plain client-go agent to compare with: one process, dynamic informers for 12 kinds on each cluster.
// Each object is serialised without its managedFields, as if it were sent on, and counted.
//
// client-go-peer KUBECONFIG...: one cluster for each file. Every line on standard input is answered by a
// line "EVENTS BYTES" on standard output; at its end the program ends.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var resources = []schema.GroupVersionResource{
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "namespaces"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
}

var events, bytes atomic.Int64

// An informer's objects are shared with its cache: whoever changes one copies it first.
func send(object any) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	u = u.DeepCopy()
	unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
	b, err := json.Marshal(u.Object)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	bytes.Add(int64(len(b)))
	events.Add(1)
}

func follow(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 100
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	for _, r := range resources {
		_, err := factory.ForResource(r).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    send,
			UpdateFunc: func(_, now any) { send(now) },
			DeleteFunc: send,
		})
		if err != nil {
			return err
		}
	}
	factory.Start(make(chan struct{}))
	return nil
}

func main() {
	for _, file := range os.Args[1:] {
		if err := follow(file); err != nil {
			fmt.Fprintln(os.Stderr, "client-go-peer:", file+":", err)
			os.Exit(1)
		}
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(events.Load(), bytes.Load())
	}
}
