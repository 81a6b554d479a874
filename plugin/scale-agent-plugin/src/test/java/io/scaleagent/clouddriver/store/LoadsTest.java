// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.Opening;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Which agent has its share of accounts, over two Clouddrivers. */
@Timeout(60)
class LoadsTest {
  private static final AccountProperties PROPERTIES = TestDatabase.properties("");
  private static final AccountEraser NONE =
      new AccountEraser() {
        @Override
        public void erase(DSLContext tx, String account) {}

        @Override
        public void forget(String account) {}
      };

  @Test
  void mariadb() {
    anAgentTakesItsShare(TestDatabase.mariadb());
  }

  @Test
  void postgres() {
    anAgentTakesItsShare(TestDatabase.postgres());
  }

  private static void anAgentTakesItsShare(TestDatabase server) {
    TestDatabase.Schema schema = server.schema().withStore();
    try {
      SqlAccountStore one = new SqlAccountStore(schema.database(), "one", "", 60_000, NONE);
      SqlAccountStore two = new SqlAccountStore(schema.database(), "two", "", 60_000, NONE);
      Set<String> shared = new TreeSet<>(Set.of("a", "b", "c", "d", "e"));
      AgentConnection first = one.connect("first", "", "1", "00", "peer");
      one.named(first, shared);
      assertThat(one.hasItsShare(first, "a")).as("nobody else is there").isFalse();
      AgentConnection second = two.connect("second", "", "1", "01", "peer");
      two.named(second, shared);
      two.named(two.connect("stranger", "", "1", "02", "peer"), Set.of("z"));

      for (String account : List.of("a", "b", "c")) {
        assertThat(one.hasItsShare(first, account)).as(account).isFalse();
        keep(one, first, account);
      }
      assertThat(one.hasItsShare(first, "d")).as("three of five").isTrue();
      assertThat(two.hasItsShare(second, "d")).isFalse();
      two.disconnect(second);
      assertThat(one.hasItsShare(first, "d")).as("the other is gone").isFalse();
    } finally {
      schema.disconnect();
    }
  }

  private static void keep(SqlAccountStore store, AgentConnection agent, String account) {
    Opening opening = store.open(agent, account, PROPERTIES, "s");
    assertThat(opening.decision()).isEqualTo(Opening.Decision.CACHING);
  }
}
