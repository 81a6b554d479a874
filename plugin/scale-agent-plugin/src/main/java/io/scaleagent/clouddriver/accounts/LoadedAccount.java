// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;

/** One account of agents inside this Clouddriver. */
public interface LoadedAccount {

  String name();

  /** Whose rows they are: the value of the column agent, before SqlNames shortens it. */
  String agentType();

  /** Settings, namer and kinds of the account. */
  KubernetesCredentials credentials();

  /** Whether objects of that kind become rows, by kubesvc.cache.* and the account's kinds. */
  boolean caches(KubernetesKind kind);
}
