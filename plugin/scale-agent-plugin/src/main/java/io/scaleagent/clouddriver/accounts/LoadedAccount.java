// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/** One account of agents inside this Clouddriver. */
public interface LoadedAccount {

  String name();

  /** Whose rows they are: the value of the column agent, before SqlNames shortens it. */
  String agentType();

  /** Settings, namer and kinds of the account. */
  KubernetesCredentials credentials();

  /** Whether objects of that kind become rows, by kubesvc.cache.* and the account's kinds. */
  boolean caches(KubernetesKind kind);

  /**
   * Clouddriver's own conversion: rows of these objects by their type, less what the account's
   * settings leave out, with relationships among these objects alone. Changes the objects: what is
   * secret is taken out.
   */
  Map<String, Collection<CacheData>> convert(Map<KubernetesKind, List<KubernetesManifest>> objects);

  /**
   * A mark of the settings that {@link #caches} and {@link #convert} go by; two accounts with the
   * same mark give the same rows for the same objects, names apart. At most 64 characters of ASCII.
   */
  String settings();
}
