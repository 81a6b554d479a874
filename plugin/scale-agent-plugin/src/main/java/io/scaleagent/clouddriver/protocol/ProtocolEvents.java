// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Refusal;

/** What happens in the engine, for metrics. Called by many threads; must not wait and not throw. */
public interface ProtocolEvents {
  ProtocolEvents NONE = new ProtocolEvents() {};

  default void connected(AgentConnection agent) {}

  default void disconnected(AgentConnection agent) {}

  default void goodbye(Goodbye.Code code) {}

  default void opened(String account, Opening.Decision decision) {}

  default void refused(String account, Refusal.Code code) {}

  /**
   * A transaction of an account was committed.
   *
   * @param deltas how many changes were in it
   * @param oldestMicros wall clock, microseconds: when the agent read the oldest of them; 0 if
   *     there are none
   * @param nanos how long the transaction took
   */
  default void committed(String account, int deltas, long oldestMicros, long nanos) {}

  /** A page of keys was compared. */
  default void compared(String account, int entries, int wanted) {}

  /** A snapshot ended, which found rows that no object stands for. */
  default void swept(String account, long ghosts) {}
}
