// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** Numbers of the protocol (proto/PROTOCOL.md) and bounds of this side. */
final class Limits {
  /** The versions of the protocol that this plugin speaks. */
  static final int PROTOCOL_MIN = 1;

  static final int PROTOCOL_MAX = 1;

  /** An AccountMessage with deltas or a page. */
  static final int CREDITED_BYTES = 256 << 10;

  /** An object that comes in parts. etcd takes 1.5 MB, operators may have raised that. */
  static final int OBJECT_BYTES = 64 << 20;

  /** What an account may have waiting of messages that need no credit. */
  static final long WAITING_BYTES = 8 << 20;

  static final int NAME_LENGTH = 253;
  static final int FINGERPRINT_BYTES = 64;
  static final int INSTANCE_BYTES = 16;

  /** How long an agent that was told Goodbye has to close the stream. */
  static final long GOODBYE_MILLIS = 2000;

  private Limits() {}
}
