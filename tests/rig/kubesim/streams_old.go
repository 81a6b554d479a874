// SPDX-License-Identifier: Apache-2.0

//go:build !go1.24

package main

import "net/http"

// limitStreams can't be had before Go 1.24: there are 250 streams on a connection.
func limitStreams(*http.Server) {}
