// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

/** Processor time and memory of a pod. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public final class KubernetesPodMetric {
  private KubernetesPodMetric() {}
}
