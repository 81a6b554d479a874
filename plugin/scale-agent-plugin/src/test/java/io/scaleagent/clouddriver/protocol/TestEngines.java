// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** Engines with what only tests give them. */
public final class TestEngines {
  private TestEngines() {}

  public static Engine engine(
      AccountStore store,
      RowWriter rows,
      ProtocolEvents events,
      EngineSettings settings,
      Points points) {
    return new Engine(store, rows, AccountPolicy.ANY, events, settings, points);
  }
}
