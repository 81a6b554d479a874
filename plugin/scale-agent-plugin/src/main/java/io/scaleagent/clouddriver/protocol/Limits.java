// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** Numbers of the protocol (proto/PROTOCOL.md) and bounds of this side. */
final class Limits {
  /** The versions of the protocol that this plugin speaks. */
  static final int PROTOCOL_MIN = 1;

  static final int PROTOCOL_MAX = 1;

  /** An AccountMessage or AccountReply within an epoch; so also the least window of credit. */
  static final int MESSAGE_BYTES = 256 << 10;

  /** An AccountMessage with AccountOpen, which has the account's settings in it. */
  static final int OPEN_BYTES = 512 << 10;

  /** A part of the list of scopes in Welcome, of which each scope has below a kilobyte. */
  static final int WELCOME_BYTES = 192 << 10;

  static final int SCOPES = 20_000;

  /** An object that comes in parts. etcd takes 1.5 MB, operators may have raised that. */
  static final int OBJECT_BYTES = 64 << 20;

  /** What an account may have waiting of messages that need no credit. */
  static final long WAITING_BYTES = 8 << 20;

  /** All parts of an operation's result together. */
  static final long RESULT_BYTES = 64 << 20;

  /** How long the result of an operation waits for the commit of what the operation changed. */
  static final long COMMIT_MILLIS = 5000;

  static final int OPERATION_ID_BYTES = 16;

  /** Operations whose stream or worker has ended, and that may be asked for once more. */
  static final int LOST_OPERATIONS = 1024;

  static final int NAME_LENGTH = 253;
  static final int FINGERPRINT_BYTES = 64;
  static final int INSTANCE_BYTES = 16;

  /** How long an agent that was told Goodbye has to close the stream. */
  static final long GOODBYE_MILLIS = 2000;

  /** How long an account is left to an agent that keeps fewer. */
  static final long YIELD_MILLIS = 750;

  private Limits() {}
}
