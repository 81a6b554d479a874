// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Takes an operation to an agent of an account and brings back what came of it. May be called by
 * many threads.
 */
public interface OperationCarrier {

  /**
   * @param operation an encoded scaleagent.v1.Operation, with its id
   * @param timeout more than 0; when it has passed, the future fails and the operation is cancelled
   * @return the parts of the result, encoded scaleagent.v1.OperationResult, in order, of which the
   *     last says so. What the agent says of the operation, good or bad, is in there; the future
   *     fails only with a {@link CarrierException}: then no agent has said anything. To cancel it
   *     tells the agent that nobody waits any more
   */
  CompletableFuture<List<byte[]>> run(String account, byte[] operation, Duration timeout);
}
