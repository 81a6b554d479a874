// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What an agent says of an account when it opens it: the account's definition for Clouddriver.
 * Immutable.
 */
public final class AccountProperties {
  private final String server;
  private final String certificateSha256;
  private final String serverVersion;
  private final String clusterId;
  private final Map<String, List<String>> permissions;
  private final List<String> kinds;
  private final List<String> omitKinds;
  private final List<String> namespaces;
  private final List<String> omitNamespaces;
  private final boolean onlySpinnakerManaged;
  private final boolean onlyNamespacedResources;

  /**
   * @param server host:port of the API server
   * @param certificateSha256 of the API server's certificate, in hexadecimal; "" without TLS
   * @param serverVersion gitVersion, "v1.36.3"
   * @param clusterId uid of the namespace kube-system, "" if it can't be read
   * @param permissions "READ", "WRITE", "EXECUTE" with their roles, as they came; empty: none are
   *     configured
   * @param kinds as configured at the agent; empty: the default. So the lists that follow.
   */
  public AccountProperties(
      String server,
      String certificateSha256,
      String serverVersion,
      String clusterId,
      Map<String, List<String>> permissions,
      List<String> kinds,
      List<String> omitKinds,
      List<String> namespaces,
      List<String> omitNamespaces,
      boolean onlySpinnakerManaged,
      boolean onlyNamespacedResources) {
    this.server = Objects.requireNonNull(server);
    this.certificateSha256 = Objects.requireNonNull(certificateSha256);
    this.serverVersion = Objects.requireNonNull(serverVersion);
    this.clusterId = Objects.requireNonNull(clusterId);
    this.permissions = Map.copyOf(permissions);
    this.kinds = List.copyOf(kinds);
    this.omitKinds = List.copyOf(omitKinds);
    this.namespaces = List.copyOf(namespaces);
    this.omitNamespaces = List.copyOf(omitNamespaces);
    this.onlySpinnakerManaged = onlySpinnakerManaged;
    this.onlyNamespacedResources = onlyNamespacedResources;
  }

  public String server() {
    return server;
  }

  public String certificateSha256() {
    return certificateSha256;
  }

  public String serverVersion() {
    return serverVersion;
  }

  public String clusterId() {
    return clusterId;
  }

  public Map<String, List<String>> permissions() {
    return permissions;
  }

  public List<String> kinds() {
    return kinds;
  }

  public List<String> omitKinds() {
    return omitKinds;
  }

  public List<String> namespaces() {
    return namespaces;
  }

  public List<String> omitNamespaces() {
    return omitNamespaces;
  }

  public boolean onlySpinnakerManaged() {
    return onlySpinnakerManaged;
  }

  public boolean onlyNamespacedResources() {
    return onlyNamespacedResources;
  }
}
