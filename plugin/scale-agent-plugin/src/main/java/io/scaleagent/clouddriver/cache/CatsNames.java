// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * Names in the layout of cats, version 1: what Clouddriver's class SqlNames makes of them
 * (Clouddriver 5.70 to 2026.x). Immutable.
 */
public final class CatsNames {
  private static final String PREFIX = "cats_v1_";
  private static final String REL = "_rel";
  private static final int HASH_LENGTH = 16;
  private static final Pattern ODD = Pattern.compile("[^A-Za-z0-9_]");

  private final String prefix;
  private final int maxTable;
  private final int maxId;
  private final int maxAgent;

  /**
   * @param namespace sql.table-namespace, null or "" if there is none
   * @param maxTable below how many characters the name of a table stays
   * @param maxId how long a row's id may be
   * @param maxAgent how long an agent's name may be before it is shortened
   */
  public CatsNames(String namespace, int maxTable, int maxId, int maxAgent) {
    this.prefix = namespace == null || namespace.isEmpty() ? PREFIX : PREFIX + namespace + "_";
    this.maxTable = maxTable;
    this.maxId = maxId;
    this.maxAgent = maxAgent;
  }

  /** With Clouddriver's default limits for MySQL. */
  public static CatsNames mysql(String namespace) {
    return new CatsNames(namespace, 64, 352, 127);
  }

  /** With Clouddriver's default limits for PostgreSQL. */
  public static CatsNames postgres(String namespace) {
    return new CatsNames(namespace, 63, Integer.MAX_VALUE, Integer.MAX_VALUE);
  }

  /** What the names of all tables begin with. */
  String prefix() {
    return prefix;
  }

  /** The table of rows of a type. */
  public String table(String type) {
    return checked(ODD.matcher(type).replaceAll("_"), "");
  }

  /** The table of relationships of a type. */
  public String relTable(String type) {
    return checked(ODD.matcher(type).replaceAll("_"), REL);
  }

  private String checked(String name, String suffix) {
    String whole = prefix + name + suffix;
    if (whole.length() < maxTable) {
      return whole;
    }
    String hash = hash(name + suffix).substring(0, HASH_LENGTH);
    int room = maxTable - prefix.length() - suffix.length() - hash.length() - 1;
    if (room >= 0) {
      return prefix + name.substring(0, room + 1) + hash + suffix;
    }
    if (room + suffix.length() >= 0) {
      return prefix + name.substring(0, room + suffix.length() + 1) + hash;
    }
    throw new IllegalArgumentException("sql.table-namespace is too long");
  }

  /**
   * An agent's name as it is stored: shortened, with a hash, if it is too long.
   *
   * @throws IllegalArgumentException if even that can't be stored
   */
  public String agent(String agent) {
    if (agent.length() <= maxAgent) {
      return agent;
    }
    String hash = hash(agent);
    int colon = agent.indexOf(':');
    if (colon > maxAgent - 2) {
      throw new IllegalArgumentException("agent " + agent + " has a name that is too long");
    }
    int room = Math.max(maxAgent - hash.length() - 1, colon);
    int hashLength = Math.min(hash.length(), maxAgent - colon - 1);
    return agent.substring(0, room + 1) + hash.substring(0, hashLength);
  }

  /** Whether rows of that id can be stored. */
  public boolean fits(String id) {
    return id.length() <= maxId;
  }

  int maxId() {
    return maxId;
  }

  private static String hash(String text) {
    return Hashing.murmur3_128().hashBytes(text.getBytes(StandardCharsets.UTF_8)).toString();
  }
}
