// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.peers.SharedSecret;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The secret that the Clouddrivers of a database know each other by. */
@Timeout(60)
class SecretTest {

  @Test
  void mariadb() {
    theFirstDrawsItAndTheOthersFindIt(TestDatabase.mariadb());
  }

  @Test
  void postgres() {
    theFirstDrawsItAndTheOthersFindIt(TestDatabase.postgres());
  }

  private static void theFirstDrawsItAndTheOthersFindIt(TestDatabase server) {
    TestDatabase.Schema schema = server.schema().withStore();
    try {
      List<SharedSecret> all = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        all.add(new SqlSecret(schema.database()));
      }
      List<CompletableFuture<byte[]>> drawn = // by all at the same moment
          all.stream()
              .map(s -> CompletableFuture.supplyAsync(s::secret))
              .collect(Collectors.toList());
      byte[] secret = drawn.get(0).join();
      assertThat(secret).hasSize(32).isNotEqualTo(new byte[32]);
      assertThat(drawn).allSatisfy(d -> assertThat(d.join()).isEqualTo(secret));
      DSLContext dsl = schema.connect();
      assertThat(Math.abs(all.get(0).now() - new Database(dsl).now())).isLessThan(2000);

      dsl.execute("delete from scale_agent_secret"); // whoever wants another one
      byte[] other = new SqlSecret(new Database(dsl)).secret();
      assertThat(other).isNotEqualTo(secret);
      IntStream.range(0, 3).forEach(i -> all.get(0).refresh());
      assertThat(all.get(0).secret()).as("not asked for again at once").isEqualTo(secret);
    } finally {
      schema.disconnect();
    }
  }
}
