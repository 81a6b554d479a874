// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
)

// The few shapes of Protocol Buffers' wire format that proto/scale_agent.proto uses, read in place.

var errWire = errors.New("malformed message")

// field is one field of a message: bytes for length-delimited ones, n for varints.
type field struct {
	number int
	n      uint64
	bytes  []byte
}

// fields calls f for each field of message m, in order, until f fails.
func fields(m []byte, f func(field) error) error {
	for len(m) > 0 {
		tag, n := binary.Uvarint(m)
		if n <= 0 {
			return errWire
		}
		m = m[n:]
		v, n := binary.Uvarint(m)
		if n <= 0 {
			return errWire
		}
		m = m[n:]
		x := field{number: int(tag >> 3), n: v}
		switch tag & 7 {
		case 0:
		case 2:
			if v > uint64(len(m)) {
				return errWire
			}
			x.bytes, m = m[:v], m[v:]
		default:
			return errWire
		}
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

func putVarint(m []byte, number int, v uint64) []byte {
	m = binary.AppendUvarint(m, uint64(number)<<3)
	return binary.AppendUvarint(m, v)
}

func putBytes(m []byte, number int, b []byte) []byte {
	m = binary.AppendUvarint(m, uint64(number)<<3|2)
	m = binary.AppendUvarint(m, uint64(len(b)))
	return append(m, b...)
}
