// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

/**
 * Kinds of things as Spinnaker's screens sort them. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x.
 */
public enum SpinnakerKind {
  INSTANCES("instances"),
  CONFIGS("configs"),
  SERVER_GROUPS("serverGroups"),
  LOAD_BALANCERS("loadBalancers"),
  SECURITY_GROUPS("securityGroups"),
  SERVER_GROUP_MANAGERS("serverGroupManagers"),
  UNCLASSIFIED("unclassified");

  private final String id;

  SpinnakerKind(String id) {
    this.id = id;
  }

  @Override
  public String toString() {
    return id;
  }
}
