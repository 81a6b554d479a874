// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

/**
 * The agents that are connected to this very Clouddriver. It never asks another one: a future of an
 * account that no agent here has fails with a {@link CarrierException} that was not begun.
 */
public interface LocalOperations extends OperationCarrier {

  /** Whether an agent that has the account is connected here at this moment. */
  boolean has(String account);
}
