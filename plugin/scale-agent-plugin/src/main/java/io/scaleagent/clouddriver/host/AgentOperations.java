// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import java.util.List;

/**
 * Calls to a cluster through the agent of its account. Each means what kubectl means by the same
 * word, waits for the answer, and throws {@link AgentOperationException} if there is none: it names
 * the account and what happened. May be called by many threads.
 */
public interface AgentOperations {

  /**
   * @param namespace "" or null for what is in none
   * @return null if there is no such object
   */
  KubernetesManifest get(String account, KubernetesKind kind, String namespace, String name);

  /**
   * @param namespace "" or null for all
   * @return in any order; without those of a kind that the account may not read
   */
  List<KubernetesManifest> list(
      String account,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors);

  /** The events that are about this object, in any order. */
  List<KubernetesManifest> eventsFor(
      String account, KubernetesKind kind, String namespace, String name);

  /**
   * What to throw for a call that agents do not serve.
   *
   * @param operation kubectl's word for it
   */
  static AgentOperationException unavailable(String account, String operation) {
    return new AgentOperationException(
        "Account "
            + account
            + " belongs to an agent, and this version of the scale-agent plugin does not send "
            + operation
            + " to agents.");
  }
}
