// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// template is the JSON of one object with holes for what differs between clusters and versions. The
// templates are shared by all clusters: a cluster keeps a few numbers an object.
type template struct {
	namespace, name string
	meta, rest      []piece // "metadata":{...} and what follows it
}

// piece is literal text, followed by what fills a hole.
type piece struct {
	text []byte
	hole byte
}

// What may stand in a hole. Each is marked in the text by NUL and the letter.
const (
	holeNone    = 0
	holeVersion = 'V' // resourceVersion
	holeUID     = 'U' // cluster, object and incarnation, as a UUID
	holeSent    = 'S' // microseconds of the change by the wall clock
)

// state is all that a cluster knows of an object.
type state struct {
	version int64 // resourceVersion of the last change, or of the deletion
	sent    int64 // when that was, microseconds of the wall clock; 0: never changed
	life    uint32
	exists  bool
}

type ordered = json.RawMessage

func must(v any) ordered {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// The members stand in the order in which kube-apiserver writes them.
type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Generation        int               `json:"generation,omitempty"`
	CreationTimestamp string            `json:"creationTimestamp"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	ManagedFields     []any             `json:"managedFields"`
}

// Marks have to survive json.Marshal, which would escape a NUL.
func mark(hole byte) string { return "@HOLE-" + string(hole) + "@" }

func newTemplate(k *kind, i int, ns, name string) template {
	m := metadata{
		Name: name, Namespace: ns, UID: mark(holeUID), ResourceVersion: mark(holeVersion),
		CreationTimestamp: "2026-01-01T00:00:00Z",
		Labels: map[string]string{
			"app":                          fmt.Sprint("app-", i%50),
			"app.kubernetes.io/managed-by": "spinnaker",
			"app.kubernetes.io/name":       "app",
		},
		Annotations: map[string]string{
			"moniker.spinnaker.io/application": "app",
			"moniker.spinnaker.io/cluster":     k.singular() + " app",
			"sim/sent-us":                      mark(holeSent),
		},
		ManagedFields: managedFields(),
	}
	if k.name != "ConfigMap" && k.name != "Namespace" {
		m.Generation = 1
	}
	if k.name == "Namespace" {
		m.Labels["kubernetes.io/metadata.name"] = name
	}
	return template{namespace: ns, name: name,
		meta: pieces(append([]byte(`"metadata":`), must(m)...)), rest: pieces(rest(k, i))}
}

// pieces cuts JSON at its marks.
func pieces(b []byte) []piece {
	var p []piece
	for {
		at := bytes.Index(b, []byte("@HOLE-"))
		if at < 0 {
			return append(p, piece{text: b})
		}
		p = append(p, piece{text: b[:at], hole: b[at+6]})
		b = b[at+8:]
	}
}

// fill appends pieces with their holes filled.
func fill(b []byte, p []piece, cluster, number int, s *state) []byte {
	for i := range p {
		b = append(b, p[i].text...)
		switch p[i].hole {
		case holeVersion:
			b = strconv.AppendInt(b, s.version, 10)
		case holeUID:
			b = appendUID(b, cluster, number, s.life)
		case holeSent:
			b = strconv.AppendInt(b, s.sent, 10)
		}
	}
	return b
}

func appendUID(b []byte, cluster, number int, life uint32) []byte {
	return append(b, fmt.Sprintf("%08x-%04x-4000-8000-%012x", cluster, life&0xffff, number)...)
}

// How an object is written: typed list items carry neither kind nor apiVersion, watch events and single
// reads do; PartialObjectMetadata carries them everywhere.
type form int

const (
	formItem form = iota
	formWhole
	formMetadata
)

func (k *kind) render(b []byte, f form, cluster, number int, s *state) []byte {
	t := k.at(number)
	switch f {
	case formItem:
		b = append(b, '{')
	case formWhole:
		b = append(b, `{"kind":"`...)
		b = append(b, k.name...)
		b = append(b, `","apiVersion":"`...)
		b = append(b, k.apiVersion()...)
		b = append(b, `",`...)
	case formMetadata:
		b = append(b, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",`...)
	}
	b = fill(b, t.meta, cluster, number, s)
	if f != formMetadata {
		b = fill(b, t.rest, cluster, number, s)
	}
	return append(b, '}')
}

type object = map[string]any
type array = []any

func managedFields() []any {
	fields := object{}
	for f := 0; f < 22; f++ {
		fields[fmt.Sprintf("f:field%d", f)] = object{"f:a": object{}, "f:b": object{}}
	}
	return array{object{"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1",
		"time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields}}
}

func podSpec(i int) object {
	containers := array{}
	for c := 0; c < 2; c++ {
		env := array{}
		for e := 0; e < 11; e++ {
			env = append(env, object{"name": fmt.Sprintf("SETTING_%d", e), "value": fmt.Sprintf("value-of-setting-%d-for-%d", e, i)})
		}
		containers = append(containers, object{
			"name": fmt.Sprintf("c%d", c), "image": "registry.example/app/service:1.2.3", "env": env,
			"resources": object{
				"limits":   object{"cpu": "500m", "memory": "512Mi"},
				"requests": object{"cpu": "100m", "memory": "128Mi"}},
			"volumeMounts": array{object{"name": "token", "readOnly": true,
				"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}},
			"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"})
	}
	return object{"containers": containers, "serviceAccountName": "default", "restartPolicy": "Always"}
}

// rest is what follows the metadata: about as much for every kind, so that an object has 3.6 KB.
func rest(k *kind, i int) []byte {
	selector := object{"matchLabels": object{"app": fmt.Sprint("app-", i%50)}}
	workload := object{"replicas": 2, "selector": selector, "template": object{
		"metadata": object{"labels": selector["matchLabels"]}, "spec": podSpec(i)}}
	status := object{"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "conditions": array{object{
		"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}}}
	var spec object
	switch k.name {
	case "ConfigMap":
		data := map[string]string{}
		for e := 0; e < 30; e++ {
			data[fmt.Sprintf("setting-%02d.properties", e)] = fmt.Sprintf("value=%d\nfor=%d\nseparator=\"quoted\"", e, i)
		}
		return append([]byte(`,"data":`), must(data)...)
	case "Pod":
		spec = podSpec(i)
		spec["nodeName"] = "node-1"
		status = object{"phase": "Running", "podIP": "10.0.0.1", "conditions": array{
			object{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
			object{"type": "ContainersReady", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}}}
	case "CronJob":
		spec = object{"schedule": "* * * * *", "jobTemplate": object{"spec": workload}}
	case "Namespace", "Service", "Ingress", "NetworkPolicy":
		rules := array{}
		for e := 0; e < 16; e++ {
			rules = append(rules, object{"name": fmt.Sprintf("rule-%02d", e), "port": 8000 + e,
				"protocol": "TCP", "target": object{"port": 80 + e, "path": fmt.Sprintf("/path/%d/%d", e, i), "weight": 0.5}})
		}
		spec = object{"selector": selector["matchLabels"], "rules": rules}
		status = object{"loadBalancer": object{}}
	default:
		spec = workload
	}
	b := append([]byte(`,"spec":`), must(spec)...)
	return append(append(b, `,"status":`...), must(status)...)
}
