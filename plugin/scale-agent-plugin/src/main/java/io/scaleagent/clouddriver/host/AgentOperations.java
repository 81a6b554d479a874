// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.data.task.Task;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties.KubernetesJobExecutorProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.scaleagent.clouddriver.host.operations.AccountCalls;
import io.scaleagent.clouddriver.host.operations.OperationCaller;
import java.util.List;

/**
 * Calls to clusters through the agents of their accounts. It is made before anything of the plugin
 * runs, and has no way to an agent until {@link #connect}. May be called by many threads.
 */
public class AgentOperations {
  private final CachedReads rows;
  private final KubernetesConfigurationProperties clouddriver;
  private volatile OperationCaller caller;

  public AgentOperations(CachedReads rows, KubernetesConfigurationProperties clouddriver) {
    this.rows = rows;
    this.clouddriver = clouddriver;
  }

  /** From now on operations go this way. */
  public void connect(OperationCaller value) {
    caller = value;
  }

  /**
   * The calls of an account.
   *
   * @param task that they are part of, and the name of its operation; null if there is none
   * @throws AgentOperationException if the plugin has not started yet
   */
  AccountCalls of(KubernetesCredentials credentials, Task task, String opName) {
    KubernetesJobExecutorProperties settings = clouddriver.getJobExecutor();
    boolean keepOutput =
        settings.isPersistTaskOutput()
            && (settings.isEnableTaskOutputForAllAccounts() || credentials.isDebug());
    return calls(credentials.getAccountName(), task, opName, keepOutput);
  }

  private AccountCalls calls(String account, Task task, String opName, boolean keepOutput) {
    OperationCaller to = caller;
    if (to == null) {
      throw new AgentOperationException(
          "account " + account + ": this Clouddriver is starting, and has no way to agents yet");
    }
    return new AccountCalls(to, account, task, opName, keepOutput);
  }

  /**
   * Objects of the kinds: from the agent's rows where Clouddriver asks all the time and for every
   * account, whether its agent is connected or not; else from the agent.
   *
   * @param namespace "" or null for all
   * @return in any order; without those of a kind that the account may not read
   */
  public List<KubernetesManifest> list(
      String account,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors) {
    if (rows.serve(kinds, namespace, selectors)) {
      return rows.list(account, kinds.get(0));
    }
    return calls(account, null, null, false).list(kinds, namespace, selectors);
  }
}
