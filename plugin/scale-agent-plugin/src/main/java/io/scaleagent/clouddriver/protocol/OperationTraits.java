// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.RolloutOperation;

/** What can be told of an operation by its kind. */
public final class OperationTraits {
  private OperationTraits() {}

  /** Whether it may change something in the cluster; what does not may be done twice. */
  public static boolean changes(Operation o) {
    switch (o.getBodyCase()) {
      case GET:
      case LIST:
      case EVENTS:
      case LOGS:
      case TOP:
        return false;
      case ROLLOUT:
        return o.getRollout().getVerb() != RolloutOperation.Verb.HISTORY;
      default:
        return true;
    }
  }
}
