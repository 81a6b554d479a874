// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/**
 * One (group, resource, namespace or all) of an account, which the agent lists and watches as one.
 */
public final class ScopeName implements Comparable<ScopeName> {
  private final String group;
  private final String resource;
  private final String namespace;

  /**
   * @param group of the API, "" for the core group
   * @param resource plural, "deployments"
   * @param namespace "" for all
   */
  public ScopeName(String group, String resource, String namespace) {
    this.group = Objects.requireNonNull(group);
    this.resource = Objects.requireNonNull(resource);
    this.namespace = Objects.requireNonNull(namespace);
  }

  public String group() {
    return group;
  }

  public String resource() {
    return resource;
  }

  public String namespace() {
    return namespace;
  }

  @Override
  public int compareTo(ScopeName o) {
    int c = group.compareTo(o.group);
    if (c == 0) {
      c = resource.compareTo(o.resource);
    }
    return c != 0 ? c : namespace.compareTo(o.namespace);
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ScopeName)) {
      return false;
    }
    ScopeName o = (ScopeName) other;
    return group.equals(o.group) && resource.equals(o.resource) && namespace.equals(o.namespace);
  }

  @Override
  public int hashCode() {
    return Objects.hash(group, resource, namespace);
  }

  /** As people write it: "deployments.apps", with "in NAMESPACE" where there is one. */
  @Override
  public String toString() {
    String all = group.isEmpty() ? resource : resource + "." + group;
    return namespace.isEmpty() ? all : all + " in " + namespace;
  }
}
