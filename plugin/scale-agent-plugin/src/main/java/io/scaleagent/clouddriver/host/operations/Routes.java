// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import io.scaleagent.clouddriver.peers.LocalOperations;
import io.scaleagent.clouddriver.peers.OperationCarrier;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** An operation goes to an agent that is connected here, else to the Clouddriver that has one. */
public final class Routes implements OperationCarrier {
  private final LocalOperations here;
  private final OperationCarrier peers;

  public Routes(LocalOperations here, OperationCarrier peers) {
    this.here = here;
    this.peers = peers;
  }

  @Override
  public CompletableFuture<List<byte[]>> run(String account, byte[] operation, Duration timeout) {
    return (here.has(account) ? here : peers).run(account, operation, timeout);
  }
}
