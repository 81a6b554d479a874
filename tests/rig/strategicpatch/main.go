// SPDX-License-Identifier: Apache-2.0

// strategicpatch answers, line by line on standard input and output, what kubectl's own libraries make of
// the texts that the agent's merge is asked about as well: patches, annotations, managed fields, numbers.
//
//	strategicpatch            one question in JSON a line, one answer in JSON a line
//	strategicpatch docs DIR   writes the OpenAPI v3 documents that it answers by into DIR
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/openapi/openapitest"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kubectl/pkg/util"
)

type question struct {
	Do         string   `json:"do"`
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Original   string   `json:"original"`
	Modified   string   `json:"modified"`
	Current    string   `json:"current"`
	Managers   []string `json:"managers"`
	Manager    string   `json:"manager"`
}

type answer struct {
	Text   string `json:"text"`
	Error  string `json:"error"`
	Varies bool   `json:"varies"` // not the same each time: Go's order of maps decides
}

var root = openapi3.NewRoot(openapitest.NewEmbeddedFileClient())
var specs = map[schema.GroupVersion]*spec3.OpenAPI{}

func lookup(apiVersion, kind string) (strategicpatch.LookupPatchMeta, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	if specs[gv] == nil {
		spec, err := root.GVSpec(gv)
		if err != nil {
			return nil, err
		}
		specs[gv] = spec
	}
	for _, s := range specs[gv].Components.Schemas {
		var kinds []map[string]string
		if s.Extensions.GetObject("x-kubernetes-group-version-kind", &kinds) != nil {
			continue
		}
		for _, k := range kinds {
			if k["group"] == gv.Group && k["version"] == gv.Version && k["kind"] == kind {
				return strategicpatch.PatchMetaFromOpenAPIV3{Schema: s, SchemaList: specs[gv].Components.Schemas}, nil
			}
		}
	}
	return nil, fmt.Errorf("no schema of %s %s", apiVersion, kind)
}

func object(text string) (*unstructured.Unstructured, error) {
	obj, _, err := unstructured.UnstructuredJSONScheme.Decode([]byte(text), nil, nil)
	if err != nil {
		return nil, err
	}
	return obj.(*unstructured.Unstructured), nil
}

func do(q *question) ([]byte, error) {
	switch q.Do {
	case "strategic", "apply":
		meta, err := lookup(q.APIVersion, q.Kind)
		if err != nil {
			return nil, err
		}
		if q.Do == "apply" {
			return strategicpatch.StrategicMergePatchUsingLookupPatchMeta([]byte(q.Current), []byte(q.Modified), meta)
		}
		return strategicpatch.CreateThreeWayMergePatch([]byte(q.Original), []byte(q.Modified), []byte(q.Current), meta, true)
	case "json":
		return jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(q.Original), []byte(q.Modified), []byte(q.Current),
			mergepatch.RequireKeyUnchanged("apiVersion"), mergepatch.RequireKeyUnchanged("kind"),
			mergepatch.RequireMetadataKeyUnchanged("name"))
	case "modified":
		obj, err := object(q.Modified)
		if err != nil {
			return nil, err
		}
		return util.GetModifiedConfiguration(obj, true, unstructured.UnstructuredJSONScheme)
	case "create":
		obj, err := object(q.Modified)
		if err != nil {
			return nil, err
		}
		if err := util.CreateApplyAnnotation(obj, unstructured.UnstructuredJSONScheme); err != nil {
			return nil, err
		}
		return runtime.Encode(unstructured.UnstructuredJSONScheme, obj)
	case "upgrade":
		obj, err := object(q.Current)
		if err != nil {
			return nil, err
		}
		return csaupgrade.UpgradeManagedFieldsPatch(obj, sets.New(q.Managers...), q.Manager)
	case "print":
		var v interface{}
		if err := kjson.Unmarshal([]byte(q.Current), &v); err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}
	return nil, fmt.Errorf("unknown question %q", q.Do)
}

// What panics is an error as well: kubectl would end there.
func try(q *question) (text string, problem string) {
	defer func() {
		if r := recover(); r != nil {
			text, problem = "", fmt.Sprintf("panic: %v", r)
		}
	}()
	b, err := do(q)
	if err != nil {
		return "", err.Error()
	}
	return string(b), ""
}

func answerTo(q *question) answer {
	var a answer
	a.Text, a.Error = try(q)
	for i := 0; i < 3 && !a.Varies; i++ {
		text, problem := try(q)
		a.Varies = text != a.Text || (problem == "") != (a.Error == "")
	}
	return a
}

func writeDocs(dir string) error {
	client := openapitest.NewEmbeddedFileClient()
	paths, err := client.Paths()
	if err != nil {
		return err
	}
	for path, gv := range paths {
		text, err := gv.Schema("application/json")
		if err != nil {
			return err
		}
		name := filepath.Join(dir, strings.ReplaceAll(path, "/", "__")+".json")
		if err := os.WriteFile(name, text, fs.FileMode(0o644)); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "docs" {
		if err := writeDocs(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	decoder := json.NewDecoder(in)
	for {
		var q question
		if err := decoder.Decode(&q); err != nil {
			break
		}
		if err := encoder.Encode(answerTo(&q)); err != nil {
			os.Exit(1)
		}
		out.Flush()
	}
}
