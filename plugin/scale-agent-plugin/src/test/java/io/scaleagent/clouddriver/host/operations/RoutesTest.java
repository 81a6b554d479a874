// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.peers.LocalOperations;
import io.scaleagent.clouddriver.peers.OperationCarrier;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class RoutesTest {
  private static List<byte[]> by(String name) {
    return List.of(name.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void anAgentHereIsRatherAskedThanAnotherClouddriver() throws Exception {
    LocalOperations here =
        new LocalOperations() {
          @Override
          public boolean has(String account) {
            return account.equals("connected-here");
          }

          @Override
          public CompletableFuture<List<byte[]>> run(
              String account, byte[] operation, Duration timeout) {
            return CompletableFuture.completedFuture(by("here"));
          }
        };
    OperationCarrier peers = (a, o, t) -> CompletableFuture.completedFuture(by("another"));
    Routes routes = new Routes(here, peers);
    Duration time = Duration.ofSeconds(1);
    assertThat(routes.run("connected-here", new byte[0], time).get().get(0))
        .asString()
        .isEqualTo("here");
    assertThat(routes.run("elsewhere", new byte[0], time).get().get(0))
        .asString()
        .isEqualTo("another");
  }
}
