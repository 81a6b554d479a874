// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.Collection;

/**
 * Makes the caching agents of an account. Clouddriver 5.79.0 (Spinnaker 1.29) to 2026.x; before
 * without the Front50ApplicationLoader.
 */
public class KubernetesCachingAgentDispatcher {
  public KubernetesCachingAgentDispatcher(
      ObjectMapper objectMapper,
      Registry registry,
      KubernetesConfigurationProperties configurationProperties,
      KubernetesSpinnakerKindMap kubernetesSpinnakerKindMap,
      Front50ApplicationLoader front50ApplicationLoader) {}

  public Collection<KubernetesCachingAgent> buildAllCachingAgents(
      KubernetesNamedAccountCredentials credentials) {
    throw Declaration.only();
  }
}
