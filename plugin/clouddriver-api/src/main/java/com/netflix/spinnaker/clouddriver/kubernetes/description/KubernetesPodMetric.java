// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.util.Map;

/** Processor time and memory of a pod. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public final class KubernetesPodMetric {
  private final String podName;
  private final String namespace;
  private final ImmutableList<ContainerMetric> containerMetrics;

  public KubernetesPodMetric(
      String podName, String namespace, Iterable<ContainerMetric> containerMetrics) {
    this.podName = podName;
    this.namespace = namespace;
    this.containerMetrics = ImmutableList.copyOf(containerMetrics);
  }

  public String getPodName() {
    return podName;
  }

  public String getNamespace() {
    return namespace;
  }

  public ImmutableList<ContainerMetric> getContainerMetrics() {
    return containerMetrics;
  }

  /** Of one container, by the headings of kubectl top. */
  public static class ContainerMetric {
    private final String containerName;
    private final ImmutableMap<String, String> metrics;

    public ContainerMetric(String containerName, Map<String, String> metrics) {
      this.containerName = containerName;
      this.metrics = ImmutableMap.copyOf(metrics);
    }

    public String getContainerName() {
      return containerName;
    }

    public ImmutableMap<String, String> getMetrics() {
      return metrics;
    }
  }
}
