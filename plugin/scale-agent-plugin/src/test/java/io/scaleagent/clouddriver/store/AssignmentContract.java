// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.Opening;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.StoredDigest;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who keeps an account, and for how long, on a real database: epochs, leases, fences. */
@Timeout(60)
abstract class AssignmentContract extends StoreTestCase {
  @Test
  void epochsGrowOverAccountsAndClouddrivers() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    long last = 0;
    for (int i = 0; i < 10; i++) {
      Lease lease =
          open(i % 2 == 0 ? one : two, i % 2 == 0 ? a : b, "account" + i % 3, "c").lease();
      assertThat(lease.epoch()).isGreaterThan(last);
      last = lease.epoch();
    }
  }

  @Test
  void anAccountHasOneKeeper() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease first = caching(open(one, a));
    assertThat(open(two, b).decision()).isEqualTo(Opening.Decision.STANDBY);
    assertThat(two.unkept(List.of("prod", "never"))).containsExactly("never");
    one.release(first);
    assertThat(two.unkept(List.of("prod"))).containsExactly("prod");
    caching(open(two, b));
    assertThat(open(one, a).decision()).isEqualTo(Opening.Decision.STANDBY);
  }

  @Test
  void theSameAgentGetsItsAccountAgainAndItsEarlierEpochIsOver() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection before = agent(one, "a");
    Lease first = caching(open(one, before));
    long scope = scope(one, first);
    AgentConnection now = agent(two, "a");
    assertThat(one.superseded(List.of(before))).containsExactly(before);
    assertThat(two.superseded(List.of(now))).isEmpty();
    Lease second = caching(open(two, now));
    assertThatThrownBy(() -> put(one, first, scope, "x")).isInstanceOf(FencedException.class);
    put(two, second, scope, "y");
    assertThat(rows("scale_agent_digest")).isEqualTo(1);
    // A late word of the earlier stream takes nothing away.
    one.disconnect(before);
    put(two, second, scope, "z");
    assertThat(open(one, before).decision()).isEqualTo(Opening.Decision.STANDBY);
  }

  @Test
  void theEpochInTheDatabaseDecidesWhateverIsInMemory() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    dsl.execute("update scale_agent_assignment set epoch = epoch + 1");
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_digest")).isZero();
  }

  @Test
  void disconnectingFreesAtOnce() {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    Lease first = caching(open(one, a));
    one.disconnect(a);
    assertThatThrownBy(() -> scope(one, first)).isInstanceOf(FencedException.class);
    caching(open(one, b));
  }

  @Test
  void aClouddriverThatWasSilentPastItsLeaseWritesNothing() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease lease = caching(open(one, a));
    long scope = scope(one, lease);
    assertThat(open(two, b).decision()).isEqualTo(Opening.Decision.STANDBY);
    assertThat(one.renew()).isTrue();
    lapse(one);
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(one.renew()).isFalse();
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(two.unkept(List.of("prod"))).containsExactly("prod");
    caching(open(two, b));
    assertThat(rows("scale_agent_digest")).isZero();
  }

  @Test
  void renewingKeepsALeaseGood() throws Exception {
    SqlAccountStore one = clouddriver("one", 4000);
    Lease lease = caching(open(one, agent(one, "a")));
    one.renew();
    long scope = scope(one, lease);
    for (int i = 0; i < 9; i++) {
      TestDatabase.pause(500);
      one.renew();
    }
    put(one, lease, scope, "x");
    assertThat(rows("scale_agent_digest")).isEqualTo(1);
  }

  @Test
  void aWriterThatStoodStillInMidCommitHoldsNobodyUpAndWritesNothing() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease lease = caching(open(one, a));
    long scope = scope(one, lease);
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    ExecutorService pool = Executors.newSingleThreadExecutor();
    try {
      Future<?> stopped =
          pool.submit(
              () -> {
                one.transact(
                    lease,
                    tx -> {
                      write(tx, scope);
                      inside.countDown();
                      await(goOn);
                      return null;
                    });
                return null;
              });
      await(inside);
      lapse(one);
      long start = System.nanoTime();
      Lease taken = caching(open(two, b));
      assertThat(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start)).isLessThan(10_000);
      put(two, taken, scope, "y");
      goOn.countDown();
      assertThatThrownBy(() -> stopped.get(20, TimeUnit.SECONDS))
          .hasCauseInstanceOf(FencedException.class);
      assertThat(rows("scale_agent_digest")).isEqualTo(1);
    } finally {
      goOn.countDown();
      pool.shutdownNow();
    }
  }

  /** One object, whose digest is in the database before the transaction ends. */
  private static void write(AccountTransaction tx, long scope) {
    tx.update(
        scope,
        Map.of(new ObjectKey("ns", "x"), new StoredDigest(digest(1), "s1", WriteOutcome.STORED)),
        Set.of(),
        new ScopeTotals(1, digest(1), 0));
    tx.forEachKey(scope, key -> {}); // asking is what has it written
  }

  @Test
  void aWriterWhoseLeaseRanOutBeforeItsEndRollsBackThoughNobodyTookTheAccount() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    assertThatThrownBy(
            () ->
                one.transact(
                    lease,
                    tx -> {
                      write(tx, scope);
                      lapse(one);
                      return null;
                    }))
        .isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_digest")).isZero();
  }
}
