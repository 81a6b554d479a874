// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** What the converter made of one object. Immutable as far as its maps are left alone. */
public final class Conversion {
  private final WriteOutcome outcome;
  private final String reason;
  private final String group;
  private final Map<String, Object> attributes;
  private final Set<String> links;
  private final Map<String, Object> part;

  private Conversion(
      WriteOutcome outcome,
      String reason,
      String group,
      Map<String, Object> attributes,
      Set<String> links,
      Map<String, Object> part) {
    this.outcome = Objects.requireNonNull(outcome);
    this.reason = Objects.requireNonNull(reason);
    this.group = Objects.requireNonNull(group);
    this.attributes = Objects.requireNonNull(attributes);
    this.links = Set.copyOf(links);
    this.part = part;
  }

  /** There is no row of it, for a reason that is for people. */
  public static Conversion none(WriteOutcome outcome, String reason) {
    return new Conversion(outcome, reason, "", Map.of(), Set.of(), null);
  }

  /**
   * @param group which of Clouddriver's agents would have it: relationships lead from one agent's
   *     rows to another's in one direction only
   * @param attributes of the row
   * @param links ids that the object itself names: owners, application, cluster
   * @param part as much of the object as decides how it relates to others of its namespace; null if
   *     nothing does
   */
  public static Conversion row(
      String group, Map<String, Object> attributes, Set<String> links, Map<String, Object> part) {
    return new Conversion(WriteOutcome.STORED, "", group, attributes, links, part);
  }

  public WriteOutcome outcome() {
    return outcome;
  }

  public String reason() {
    return reason;
  }

  public String group() {
    return group;
  }

  public Map<String, Object> attributes() {
    return attributes;
  }

  public Set<String> links() {
    return links;
  }

  public Map<String, Object> part() {
    return part;
  }
}
