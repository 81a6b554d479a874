// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.Opening;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A Clouddriver stands still in the midst of the commits of several accounts. Those who take over
 * run into its locks at the same moment, and all of them end its connections.
 */
@Timeout(60)
class StandingStillTest {
  private static final int ACCOUNTS = 6;
  private static final AccountProperties PROPERTIES = TestDatabase.properties("c");
  private static final AccountEraser NONE =
      new AccountEraser() {
        @Override
        public void erase(DSLContext tx, String account) {}

        @Override
        public void forget(String account) {}
      };

  private final ExecutorService pool = Executors.newCachedThreadPool();
  private final CountDownLatch goOn = new CountDownLatch(1);

  private static Lease open(SqlAccountStore store, AgentConnection agent, int account) {
    Opening opening = store.open(agent, "account-" + account, PROPERTIES, "s");
    assertThat(opening.decision()).isEqualTo(Opening.Decision.CACHING);
    return opening.lease();
  }

  private Void standStill(SqlAccountStore store, Lease lease, CountDownLatch inside)
      throws FencedException {
    return store.transact(
        lease,
        tx -> {
          inside.countDown();
          StoreTestCase.await(goOn);
          return null;
        });
  }

  @Test
  void allOfItsAccountsAreTakenOverAtOnce() throws Exception {
    try (TestDatabase.Schema schema = TestDatabase.mariadb().schema().withStore()) {
      SqlAccountStore one = new SqlAccountStore(schema.database(), "one", "", 60_000, NONE);
      SqlAccountStore two = new SqlAccountStore(schema.database(), "two", "", 60_000, NONE);
      AgentConnection a = one.connect("a", "", "1", "00", "");
      AgentConnection b = two.connect("b", "", "1", "00", "");
      CountDownLatch inside = new CountDownLatch(ACCOUNTS);
      List<Future<?>> stopped = new ArrayList<>();
      for (int i = 0; i < ACCOUNTS; i++) {
        Lease lease = open(one, a, i);
        stopped.add(pool.submit(() -> standStill(one, lease, inside)));
      }
      StoreTestCase.await(inside);
      schema
          .connect()
          .execute(
              "update scale_agent_replica set alive_until = 1 where id = ?",
              Long.valueOf(one.catalog().clouddriverId()));
      List<Future<Lease>> taken = new ArrayList<>();
      for (int i = 0; i < ACCOUNTS; i++) {
        int account = i;
        taken.add(pool.submit(() -> open(two, b, account)));
      }
      for (Future<Lease> t : taken) {
        t.get(20, TimeUnit.SECONDS);
      }
      goOn.countDown();
      for (Future<?> s : stopped) {
        assertThatThrownBy(() -> s.get(20, TimeUnit.SECONDS))
            .hasCauseInstanceOf(FencedException.class);
      }
    } finally {
      goOn.countDown();
      pool.shutdownNow();
    }
  }
}
