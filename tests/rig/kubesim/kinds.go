// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"
	"strings"
)

// kind is one resource of a simulated cluster. Its n objects have the numbers first..first+n-1 in every
// cluster, in the order in which Kubernetes lists them: by namespace, then name.
type kind struct {
	group, version, resource, name string
	short                          []string
	namespaced                     bool
	n, first                       int
	objects                        []template
}

// The twelve kinds and how the objects of a cluster divide into them.
var kinds = []*kind{
	{version: "v1", resource: "configmaps", name: "ConfigMap", short: []string{"cm"}, namespaced: true, n: 120},
	{version: "v1", resource: "namespaces", name: "Namespace", short: []string{"ns"}, n: 20},
	{version: "v1", resource: "pods", name: "Pod", short: []string{"po"}, namespaced: true, n: 400},
	{version: "v1", resource: "services", name: "Service", short: []string{"svc"}, namespaced: true, n: 80},
	{group: "apps", version: "v1", resource: "daemonsets", name: "DaemonSet", short: []string{"ds"}, namespaced: true, n: 10},
	{group: "apps", version: "v1", resource: "deployments", name: "Deployment", short: []string{"deploy"}, namespaced: true, n: 80},
	{group: "apps", version: "v1", resource: "replicasets", name: "ReplicaSet", short: []string{"rs"}, namespaced: true, n: 160},
	{group: "apps", version: "v1", resource: "statefulsets", name: "StatefulSet", short: []string{"sts"}, namespaced: true, n: 20},
	{group: "batch", version: "v1", resource: "cronjobs", name: "CronJob", short: []string{"cj"}, namespaced: true, n: 10},
	{group: "batch", version: "v1", resource: "jobs", name: "Job", namespaced: true, n: 50},
	{group: "networking.k8s.io", version: "v1", resource: "ingresses", name: "Ingress", short: []string{"ing"}, namespaced: true, n: 30},
	{group: "networking.k8s.io", version: "v1", resource: "networkpolicies", name: "NetworkPolicy", short: []string{"netpol"}, namespaced: true, n: 20},
}

var (
	total  int     // objects of a cluster
	kindOf []*kind // by object number
)

// What a client may do with each resource here.
var verbs = []string{"get", "list", "watch"}

func (k *kind) apiVersion() string {
	if k.group == "" {
		return k.version
	}
	return k.group + "/" + k.version
}

// prefix is the path of the kind's group and version.
func (k *kind) prefix() string {
	if k.group == "" {
		return "/api/" + k.version
	}
	return "/apis/" + k.apiVersion()
}

func (k *kind) singular() string { return strings.ToLower(k.name) }

func (k *kind) at(number int) *template { return &k.objects[number-k.first] }

const namespaces = 20

func namespaceName(i int) string {
	if i == 0 {
		return "kube-system"
	}
	return fmt.Sprintf("team-%02d", i)
}

// scale makes the sizes of the kinds add up to about objects, keeping their proportions; each keeps at
// least one, and there is always the namespace kube-system.
func scale(objects int) {
	sum := 0
	for _, k := range kinds {
		sum += k.n
	}
	for _, k := range kinds {
		k.n = k.n * objects / sum
		if k.n < 1 {
			k.n = 1
		}
	}
}

// build makes the templates of all objects.
func build() {
	total, kindOf = 0, nil
	for _, k := range kinds {
		k.first = total
		k.objects = make([]template, k.n)
		for i := range k.objects {
			ns, name := namespaceName(i%namespaces), fmt.Sprintf("%s-%05d", k.singular(), i)
			if !k.namespaced {
				ns, name = "", namespaceName(i)
			}
			k.objects[i] = newTemplate(k, i, ns, name)
			kindOf = append(kindOf, k)
		}
		sort.Slice(k.objects, func(a, b int) bool {
			x, y := &k.objects[a], &k.objects[b]
			if x.namespace != y.namespace {
				return x.namespace < y.namespace
			}
			return x.name < y.name
		})
		total += k.n
	}
}

// find returns the number of an object, or -1.
func (k *kind) find(ns, name string) int {
	i := k.after(ns, name) - 1
	if i < k.first {
		return -1
	}
	if t := k.at(i); t.namespace != ns || t.name != name {
		return -1
	}
	return i
}

// after returns the number of the first object that is listed behind this key.
func (k *kind) after(ns, name string) int {
	return k.first + sort.Search(k.n, func(i int) bool {
		t := &k.objects[i]
		if t.namespace != ns {
			return t.namespace > ns
		}
		return t.name > name
	})
}

func kindByResource(resource string) *kind {
	for _, k := range kinds {
		if k.resource == resource || strings.EqualFold(k.name, resource) {
			return k
		}
	}
	return nil
}
