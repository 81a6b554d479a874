// SPDX-License-Identifier: Apache-2.0

//go:build go1.24

package main

import "net/http"

// limitStreams allows as many streams on a connection as kube-apiserver does.
func limitStreams(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100} }
