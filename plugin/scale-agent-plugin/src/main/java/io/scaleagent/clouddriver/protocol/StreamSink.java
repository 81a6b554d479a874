// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.proto.v1.PluginMessage;

/**
 * The way back to an agent. Never called by two threads at once; does nothing, and does not throw,
 * once the stream has ended.
 */
public interface StreamSink {
  void send(PluginMessage message);

  /** Ends the call with status OK, after what was sent. */
  void complete();
}
