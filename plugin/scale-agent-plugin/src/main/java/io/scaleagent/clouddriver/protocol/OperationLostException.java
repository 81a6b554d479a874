// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/**
 * An operation that no agent has answered. The message says for people where it was lost, and how.
 */
public final class OperationLostException extends RuntimeException {
  private final boolean begun;

  /**
   * @param begun whether it was given to an agent: then it may have been done
   */
  public OperationLostException(String message, boolean begun) {
    super(message);
    this.begun = begun;
  }

  public boolean begun() {
    return begun;
  }
}
