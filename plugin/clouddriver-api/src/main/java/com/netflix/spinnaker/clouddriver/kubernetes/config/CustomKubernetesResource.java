// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.config;

/**
 * A kind that the provider does not know by itself. The setters return the object. Clouddriver
 * 5.76.0 (Spinnaker 1.28) to 2026.x.
 */
public class CustomKubernetesResource {
  private String kubernetesKind;
  private String spinnakerKind;
  private String deployPriority = "WORKLOAD_CONTROLLER_PRIORITY";
  private boolean versioned;
  private boolean namespaced = true;

  public String getKubernetesKind() {
    return kubernetesKind;
  }

  public String getSpinnakerKind() {
    return spinnakerKind;
  }

  public String getDeployPriority() {
    return deployPriority;
  }

  public boolean isVersioned() {
    return versioned;
  }

  public boolean isNamespaced() {
    return namespaced;
  }

  public CustomKubernetesResource setKubernetesKind(String kubernetesKind) {
    this.kubernetesKind = kubernetesKind;
    return this;
  }

  public CustomKubernetesResource setSpinnakerKind(String spinnakerKind) {
    this.spinnakerKind = spinnakerKind;
    return this;
  }

  public CustomKubernetesResource setDeployPriority(String deployPriority) {
    this.deployPriority = deployPriority;
    return this;
  }

  public CustomKubernetesResource setVersioned(boolean versioned) {
    this.versioned = versioned;
    return this;
  }

  public CustomKubernetesResource setNamespaced(boolean namespaced) {
    this.namespaced = namespaced;
    return this;
  }
}
