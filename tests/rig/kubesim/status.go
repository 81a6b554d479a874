// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// status is a Kubernetes Status, the body of every error.
type status struct {
	Kind       string         `json:"kind"`
	APIVersion string         `json:"apiVersion"`
	Metadata   statusMeta     `json:"metadata"`
	Status     string         `json:"status"`
	Message    string         `json:"message,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Details    *statusDetails `json:"details,omitempty"`
	Code       int            `json:"code"`
}
type statusMeta struct {
	Continue        string `json:"continue,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}
type statusDetails struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	Causes            []statusCause `json:"causes,omitempty"`
	RetryAfterSeconds int           `json:"retryAfterSeconds,omitempty"`
}
type statusCause struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Field   string `json:"field,omitempty"`
}

var reasons = map[int]string{
	400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
	406: "NotAcceptable", 409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests",
	500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}

func newStatus(code int, message string) *status {
	return &status{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: message, Reason: reasons[code], Code: code}
}

func (s *status) json() []byte {
	b, _ := json.Marshal(s) // of plain strings and numbers: it can't fail
	return b
}

func (s *status) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(s.Details.RetryAfterSeconds))
	}
	w.WriteHeader(s.Code)
	w.Write(append(s.json(), '\n')) //nolint:errcheck // the client is gone
}

func fail(w http.ResponseWriter, code int, message string) { newStatus(code, message).write(w) }

func notFound(w http.ResponseWriter, k *kind, name string) {
	s := newStatus(404, k.resource+" \""+name+"\" not found")
	s.Details = &statusDetails{Name: name, Group: k.group, Kind: k.resource}
	s.write(w)
}

func tooLarge(version, now int64) *status {
	s := newStatus(504, "Too large resource version: "+strconv.FormatInt(version, 10)+", current: "+strconv.FormatInt(now, 10))
	s.Details = &statusDetails{RetryAfterSeconds: 1, Causes: []statusCause{{Reason: "ResourceVersionTooLarge", Message: "Too large resource version"}}}
	return s
}

func tooOld(version, oldest int64) *status {
	return newStatus(410, "too old resource version: "+strconv.FormatInt(version, 10)+" ("+strconv.FormatInt(oldest, 10)+")")
}

// badVersion is the answer for a resourceVersion that is no number.
func badVersion(text string, err error) *status {
	st := newStatus(500, "resourceVersion: Invalid value: \""+text+"\": "+err.Error())
	st.Reason = ""
	return st
}
