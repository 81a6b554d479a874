// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

/**
 * Ids of rows of the Kubernetes provider, "kubernetes.v2:logical:applications:NAME" and the like,
 * as text: the index keeps many of them.
 */
final class Ids {
  static final String APPLICATIONS = "applications";
  static final String CLUSTERS = "clusters";
  private static final String LOGICAL = "kubernetes.v2:logical:";

  private Ids() {}

  /** The type of the rows with such ids: applications, clusters or a kind. */
  static String type(String id) {
    int first = id.indexOf(':');
    int second = id.indexOf(':', first + 1);
    int third = id.indexOf(':', second + 1);
    if (first < 0 || second < 0 || third < 0) {
      throw new IllegalArgumentException(id + " is no id of a row");
    }
    return id.substring(second + 1, third).replace(';', ':');
  }

  /** Whether it groups objects by name, and is none itself. */
  static boolean logical(String id) {
    return id.startsWith(LOGICAL);
  }

  /** The name of what a logical id stands for. */
  static String name(String id) {
    return id.substring(id.lastIndexOf(':') + 1).replace(';', ':');
  }
}
