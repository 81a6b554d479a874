// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"strings"
)

func (o *options) versionJSON() []byte {
	minor := strings.Split(o.version, ".")
	b, _ := json.Marshal(map[string]string{"major": "1", "minor": minor[1], "gitVersion": o.version,
		"gitCommit": "0", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
		"goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64"})
	return b
}

// ---- aggregated: apidiscovery.k8s.io/v2, APIGroupDiscoveryList ------------------------------------------

type aggregatedResource struct {
	Resource         string         `json:"resource"`
	ResponseKind     map[string]any `json:"responseKind"`
	Scope            string         `json:"scope"`
	SingularResource string         `json:"singularResource"`
	Verbs            []string       `json:"verbs"`
	ShortNames       []string       `json:"shortNames,omitempty"`
}

type aggregatedVersion struct {
	Version   string               `json:"version"`
	Resources []aggregatedResource `json:"resources"`
	Freshness string               `json:"freshness"`
}

type aggregatedGroup struct {
	Metadata map[string]string   `json:"metadata"`
	Versions []aggregatedVersion `json:"versions"`
}

// groups lists the API groups in order of their first kind; "" is the core.
func groups() []string {
	var all []string
	for _, k := range kinds {
		if len(all) == 0 || all[len(all)-1] != k.group {
			all = append(all, k.group)
		}
	}
	return all
}

func aggregated(core bool) []byte {
	items := []aggregatedGroup{}
	for _, g := range groups() {
		if (g == "") != core {
			continue
		}
		item := aggregatedGroup{Metadata: map[string]string{}}
		if g != "" {
			item.Metadata["name"] = g
		}
		v := aggregatedVersion{Version: "v1", Freshness: "Current"}
		for _, k := range kinds {
			if k.group != g {
				continue
			}
			scope := "Cluster"
			if k.namespaced {
				scope = "Namespaced"
			}
			// As kube-apiserver does, group and version stand only where they differ from the list's.
			v.Resources = append(v.Resources, aggregatedResource{Resource: k.resource, Scope: scope,
				ResponseKind:     map[string]any{"group": "", "version": "", "kind": k.name},
				SingularResource: k.singular(), Verbs: verbs, ShortNames: k.short})
		}
		item.Versions = append(item.Versions, v)
		items = append(items, item)
	}
	b, _ := json.Marshal(map[string]any{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
		"metadata": object{}, "items": items})
	return b
}

// ---- the older form: APIVersions, APIGroupList, APIResourceList -------------------------------------------

func (s *server) discover(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	if (path == "api" || path == "apis") && wants(r, "as=APIGroupDiscoveryList") && !s.opt.oldDiscovery {
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		w.Write(append(aggregated(path == "api"), '\n')) //nolint:errcheck // the client is gone
		return
	}
	switch part := strings.Split(path, "/"); {
	case path == "api":
		reply(w, must(object{"kind": "APIVersions", "versions": array{"v1"}, "serverAddressByClientCIDRs": array{
			object{"clientCIDR": "0.0.0.0/0", "serverAddress": r.Host}}}))
	case path == "apis":
		reply(w, must(object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groupList()}))
	case path == "api/v1":
		reply(w, resourceList("", "v1"))
	case len(part) == 3 && hasGroup(part[1]) && part[2] == "v1":
		reply(w, resourceList(part[1], part[1]+"/v1"))
	case len(part) == 2 && hasGroup(part[1]):
		g := groupOf(part[1])
		g["kind"], g["apiVersion"] = "APIGroup", "v1"
		reply(w, must(g))
	case part[0] == "api":
		unknown(w)
	default:
		http.NotFound(w, r)
	}
}

func hasGroup(name string) bool {
	for _, g := range groups() {
		if g == name && g != "" {
			return true
		}
	}
	return false
}

func groupOf(name string) object {
	v := object{"groupVersion": name + "/v1", "version": "v1"}
	return object{"name": name, "versions": array{v}, "preferredVersion": v}
}

func groupList() array {
	all := array{}
	for _, g := range groups() {
		if g != "" {
			all = append(all, groupOf(g))
		}
	}
	return all
}

func resourceList(group, groupVersion string) []byte {
	all := array{}
	for _, k := range kinds {
		if k.group != group {
			continue
		}
		entry := object{"name": k.resource, "singularName": k.singular(), "namespaced": k.namespaced,
			"kind": k.name, "verbs": verbs, "storageVersionHash": "AAAAAAAAAAA="}
		if len(k.short) > 0 {
			entry["shortNames"] = k.short
		}
		all = append(all, entry)
	}
	return must(object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": all})
}
