// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description.manifest;

import java.util.HashMap;
import java.util.Map;

/** An object of Kubernetes as its JSON. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesManifest extends HashMap<String, Object> {
  @SuppressWarnings("unchecked")
  private Map<String, Object> metadata() {
    return (Map<String, Object>) get("metadata");
  }

  public KubernetesKind getKind() {
    String version = (String) get("apiVersion");
    int slash = version == null ? -1 : version.indexOf('/');
    String group = slash < 0 ? "" : "." + version.substring(0, slash);
    return KubernetesKind.fromString(get("kind") + group);
  }

  public String getName() {
    return (String) metadata().get("name");
  }

  public String getUid() {
    return (String) metadata().get("uid");
  }

  /** "" for what is in no namespace. */
  public String getNamespace() {
    String namespace = (String) metadata().get("namespace");
    return namespace == null ? "" : namespace;
  }

  /** "kind name". */
  public String getFullResourceName() {
    return getKind() + " " + getName();
  }
}
