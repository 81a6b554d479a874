// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor.KubectlException;

/** A call through an agent failed. Clouddriver treats it as it treats a failure of kubectl. */
public class AgentOperationException extends KubectlException {
  public AgentOperationException(String message) {
    super(message);
  }

  public AgentOperationException(String message, Throwable cause) {
    super(message, cause);
  }
}
