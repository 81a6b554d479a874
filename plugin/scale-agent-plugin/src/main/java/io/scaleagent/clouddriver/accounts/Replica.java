// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import java.time.Instant;
import java.util.Objects;

/** A Clouddriver that uses this database. Immutable. */
public final class Replica {
  private final String id;
  private final String baseUrl;
  private final Instant seen;
  private final boolean alive;

  /**
   * @param baseUrl where the others reach its REST, "http://10.1.2.3:7002"; "" if it does not say
   * @param seen when it said last that it is alive, by the database's clock
   * @param alive whether its leases are good
   */
  public Replica(String id, String baseUrl, Instant seen, boolean alive) {
    this.id = Objects.requireNonNull(id);
    this.baseUrl = Objects.requireNonNull(baseUrl);
    this.seen = Objects.requireNonNull(seen);
    this.alive = alive;
  }

  public String id() {
    return id;
  }

  public String baseUrl() {
    return baseUrl;
  }

  public Instant seen() {
    return seen;
  }

  public boolean alive() {
    return alive;
  }
}
