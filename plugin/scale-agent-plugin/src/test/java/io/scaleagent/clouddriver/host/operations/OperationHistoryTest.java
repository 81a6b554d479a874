// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.TestDatabase;
import io.scaleagent.proto.v1.GetOperation;
import io.scaleagent.proto.v1.Operation;
import java.time.Duration;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The table kubesvc_ops_history. */
@Timeout(60)
class OperationHistoryTest {
  private static final String NEVER = "0 0 0 29 2 *";

  @Test
  void mariadb() {
    keepsAndPurges(TestDatabase.mariadb());
  }

  @Test
  void postgres() {
    keepsAndPurges(TestDatabase.postgres());
  }

  private static void keepsAndPurges(TestDatabase server) {
    TestDatabase.Schema schema = server.schema().withStore();
    try {
      DSLContext dsl = schema.connect();
      OperationHistory history =
          new OperationHistory(new Database(dsl), "clouddriver-1", Duration.ofDays(7), NEVER);
      Operation read = Operation.newBuilder().setGet(GetOperation.getDefaultInstance()).build();
      history.ended(
          new OperationRecord("prod", read, Requests.object("a", "", ""), "OK", "", "", "", 1, 1));
      for (int i = 0; i < 450; i++) {
        history.ended(AuditTest.record("op" + i, "deployment", "scaled ‹" + i + "›"));
      }
      history.write();
      assertThat(count(dsl)).isEqualTo(450); // what only reads is not among them
      assertThat(
              dsl.fetchOne(
                      "select account, user_name, operation, verb, kind, namespace, name, result, message,"
                          + " uid, resource_version, clouddriver, duration_ms, server_ms"
                          + " from kubesvc_ops_history where id = '6f7037'")
                  .intoList())
          .hasToString(
              "[prod, ann, SCALE, scale, deployment, default, web, OK, scaled ‹7›, u-1, 7,"
                  + " clouddriver-1, 12, 3]");

      assertThat(history.purge()).isZero();
      dsl.execute(
          "update kubesvc_ops_history set ended_at = ended_at - 8 * 86400000 where id < '6f7034'");
      int old =
          450 - count(dsl, "ended_at > (select max(ended_at) - 86400000 from kubesvc_ops_history)");
      assertThat(old).isBetween(100, 400);
      assertThat(history.purge()).isEqualTo(old);
      assertThat(count(dsl)).isEqualTo(450 - old);

      history.ended(AuditTest.record("last", "deployment", ""));
      history.close();
      assertThat(count(dsl)).isEqualTo(451 - old);
    } finally {
      schema.disconnect();
    }
  }

  private static int count(DSLContext dsl) {
    return count(dsl, "1 = 1");
  }

  private static int count(DSLContext dsl, String where) {
    return dsl.fetchOne("select count(*) from kubesvc_ops_history where " + where)
        .get(0, Integer.class);
  }

  @Test
  void aCronExpressionThatIsNoneIsSaid() {
    assertThatThrownBy(() -> new OperationHistory(null, "", Duration.ofDays(7), "now and then"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
