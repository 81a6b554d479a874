// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.config.CustomKubernetesResource;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import org.springframework.beans.factory.ObjectProvider;

/** Boils the settings that make rows of objects down to a mark: another mark, other rows. */
public class ConversionMark {
  /** Changed when the plugin itself begins to make other rows of the same object. */
  private static final String VERSION = "1";

  private final KubesvcSettings settings;
  private final KubernetesConfigurationProperties clouddriver;
  private final ObjectProvider<Front50ApplicationLoader> front50;
  private final ApplicationsMark known = new ApplicationsMark();

  public ConversionMark(
      KubesvcSettings settings,
      KubernetesConfigurationProperties clouddriver,
      ObjectProvider<Front50ApplicationLoader> front50) {
    this.settings = settings;
    this.clouddriver = clouddriver;
    this.front50 = front50;
  }

  /** 32 characters. */
  String of(ManagedAccount account) {
    Hasher hash = Hashing.sha256().newHasher();
    put(hash, "version", Set.of(VERSION));
    put(hash, "kinds", settings.cacheKinds());
    put(hash, "managed", Set.of(String.valueOf(account.isOnlySpinnakerManaged())));
    Set<String> custom = new TreeSet<>();
    for (CustomKubernetesResource resource : account.getCustomResources()) {
      custom.add(resource.getKubernetesKind() + "=" + resource.getSpinnakerKind());
    }
    put(hash, "custom", custom);
    if (clouddriver.getCache().isCheckApplicationInFront50()) {
      Front50ApplicationLoader applications = front50.getIfAvailable();
      put(
          hash,
          "front50",
          Set.of(known.of(applications == null ? Set.of() : applications.getData())));
    }
    return hash.hash().toString().substring(0, 32);
  }

  private static void put(Hasher hash, String name, Collection<String> values) {
    hash.putString(name + new TreeSet<>(values) + "\n", StandardCharsets.UTF_8);
  }
}
