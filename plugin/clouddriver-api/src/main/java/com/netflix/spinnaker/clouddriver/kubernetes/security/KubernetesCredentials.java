// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.security;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.netflix.spinnaker.clouddriver.kubernetes.config.CustomKubernetesResource;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.ResourcePropertyRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.moniker.Namer;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;

/** One account's settings, and its calls. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesCredentials {
  /** Without a constructor that could be called: Factory makes it. */
  private KubernetesCredentials() {}

  public String getAccountName() {
    throw Declaration.only();
  }

  /** The kinds that the account is limited to; empty: all. */
  public ImmutableSet<KubernetesKind> getKinds() {
    throw Declaration.only();
  }

  public ImmutableSet<KubernetesKind> getOmitKinds() {
    throw Declaration.only();
  }

  /** The configured namespaces, else those of the cluster. */
  public ImmutableList<String> getDeclaredNamespaces() {
    throw Declaration.only();
  }

  public List<CustomKubernetesResource> getCustomResources() {
    throw Declaration.only();
  }

  public boolean isDebug() {
    throw Declaration.only();
  }

  public boolean isOnlySpinnakerManaged() {
    throw Declaration.only();
  }

  public boolean isCacheAllApplicationRelationships() {
    throw Declaration.only();
  }

  public ResourcePropertyRegistry getResourcePropertyRegistry() {
    throw Declaration.only();
  }

  public KubernetesSpinnakerKindMap getKubernetesSpinnakerKindMap() {
    throw Declaration.only();
  }

  public Namer<KubernetesManifest> getNamer() {
    throw Declaration.only();
  }

  /** Makes credentials from a definition. */
  public static class Factory {
    private Factory() {}
  }
}
