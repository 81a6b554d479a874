// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

/**
 * A call that changes something was sent to an agent, and it is not known whether it was done. It
 * may be tried again, by whoever can tell that doing it twice does no harm. (Clouddriver's
 * clouddriver.exception-classifier.retryable-classes takes the name of this class.)
 */
public final class OutcomeUnknownException extends AgentOperationException {
  public OutcomeUnknownException(String message) {
    super(message);
  }
}
