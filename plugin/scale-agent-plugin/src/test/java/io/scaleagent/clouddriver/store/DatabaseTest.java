// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.DSLContext;
import org.jooq.ExecuteContext;
import org.jooq.impl.DefaultExecuteListener;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Errors that pass, through the listener that Clouddriver has at its statements. */
@Timeout(60)
class DatabaseTest {
  private static final String READ_ONLY =
      "signal sqlstate 'HY000' set mysql_errno = 1290, message_text = 'it is read-only'";
  private static final String OTHER =
      "signal sqlstate 'HY000' set mysql_errno = 3, message_text = 'the disk is full'";

  /** What is left of an error that Spring has no exception for. */
  private static final class Forgetful extends DefaultExecuteListener {
    @Override
    public void exception(ExecuteContext context) {
      context.exception(null);
    }
  }

  @Test
  void withConnectionsOfItsOwn() {
    try (TestDatabase.Schema schema = TestDatabase.mariadb().schema();
        Database database = new Database(forgetful(schema), schema.source(), 2)) {
      errorsAreKnown(database);
    }
  }

  @Test
  void withClouddriversConnections() {
    try (TestDatabase.Schema schema = TestDatabase.mariadb().schema();
        Database database = new Database(forgetful(schema))) {
      errorsAreKnown(database);
    }
  }

  private static DSLContext forgetful(TestDatabase.Schema schema) {
    DSLContext dsl = schema.connect();
    dsl.configuration().set(new Forgetful());
    return dsl;
  }

  private static void errorsAreKnown(Database database) {
    AtomicInteger attempts = new AtomicInteger();
    database.transact(
        "writing",
        tx -> attempts.incrementAndGet() < 3 ? tx.execute(READ_ONLY) : tx.execute("do 1"));
    assertThat(attempts).hasValue(3);
    database.run(
        "reading", d -> attempts.incrementAndGet() < 5 ? d.execute(READ_ONLY) : d.execute("do 1"));
    assertThat(attempts).hasValue(5);
    assertThatThrownBy(
            () ->
                database.run(
                    "writing",
                    d -> {
                      attempts.incrementAndGet();
                      return d.execute(OTHER);
                    }))
        .isInstanceOf(StoreUnavailableException.class)
        .hasMessage("writing: the disk is full");
    assertThat(attempts).hasValue(6);
  }
}
