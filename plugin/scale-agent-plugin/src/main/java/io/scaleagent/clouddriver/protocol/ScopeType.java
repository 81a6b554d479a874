// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/**
 * What the objects of a scope are. It may change while the scope's name stays: a CRD that is served
 * in a new version.
 */
public final class ScopeType {
  private final ScopeName name;
  private final String version;
  private final String kind;
  private final boolean namespaced;

  /**
   * @param version of the API, "v1"
   * @param kind "Deployment"
   */
  public ScopeType(ScopeName name, String version, String kind, boolean namespaced) {
    this.name = Objects.requireNonNull(name);
    this.version = Objects.requireNonNull(version);
    this.kind = Objects.requireNonNull(kind);
    this.namespaced = namespaced;
  }

  public ScopeName name() {
    return name;
  }

  public String version() {
    return version;
  }

  public String kind() {
    return kind;
  }

  public boolean namespaced() {
    return namespaced;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ScopeType)) {
      return false;
    }
    ScopeType o = (ScopeType) other;
    return name.equals(o.name)
        && version.equals(o.version)
        && kind.equals(o.kind)
        && namespaced == o.namespaced;
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, version, kind, namespaced);
  }

  @Override
  public String toString() {
    return name + " (" + version + " " + kind + ")";
  }
}
