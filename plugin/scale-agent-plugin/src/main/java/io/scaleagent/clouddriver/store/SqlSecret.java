// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.peers.SharedSecret;
import java.security.SecureRandom;
import java.util.List;
import java.util.Objects;
import org.jooq.Record;

/** The secret and the clock of the database, asked for once a minute. Shared by threads. */
final class SqlSecret implements SharedSecret {
  private static final int BYTES = 32;
  private static final String NAME = "peers";
  private static final long ASK_NANOS = 60_000_000_000L;
  private static final long ASK_SOONER_NANOS = 2_000_000_000L;

  private final Database database;
  private byte[] secret;
  private long asked;
  private long aheadMillis; // of the database's clock

  SqlSecret(Database database) {
    this.database = Objects.requireNonNull(database);
  }

  @Override
  public synchronized byte[] secret() {
    keep(ASK_NANOS);
    return secret.clone();
  }

  @Override
  public synchronized long now() {
    keep(ASK_NANOS);
    return System.currentTimeMillis() + aheadMillis;
  }

  @Override
  public synchronized void refresh() {
    keep(ASK_SOONER_NANOS);
  }

  private void keep(long nanos) {
    if (secret == null || System.nanoTime() - asked > nanos) {
      Record found = read();
      if (found == null) {
        draw();
        found = read();
      }
      secret = decode(found.get(0, String.class));
      aheadMillis = found.get(1, Long.class) - System.currentTimeMillis();
      asked = System.nanoTime();
    }
  }

  private Record read() {
    return database.run(
        "reading the Clouddrivers' secret",
        d ->
            d.fetchOne(
                "select value, "
                    + database.sql().clock()
                    + " from scale_agent_secret where name = ?",
                NAME));
  }

  /** If another Clouddriver was quicker, its secret stays. */
  private void draw() {
    byte[] drawn = new byte[BYTES];
    new SecureRandom().nextBytes(drawn);
    StringBuilder text = new StringBuilder();
    for (byte b : drawn) {
      text.append(String.format("%02x", b));
    }
    database.run(
        "drawing the Clouddrivers' secret",
        d ->
            d.execute(
                "insert into scale_agent_secret (name, value) values (?, ?)"
                    + database.sql().conflict(List.of("name"), List.of()),
                NAME,
                text.toString()));
  }

  private static byte[] decode(String text) {
    byte[] bytes = new byte[text.length() / 2];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
    }
    return bytes;
  }
}
