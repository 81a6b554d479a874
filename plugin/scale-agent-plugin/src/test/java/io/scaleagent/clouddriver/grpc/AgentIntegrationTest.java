// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The real agent against the engine: what it brings, restarts of both sides, take-over, bad input.
 */
class AgentIntegrationTest extends IntegrationTestCase {
  @Test
  void rowsAreTheClustersObjects() throws IOException {
    new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    assertThat(deltas.get()).isGreaterThanOrEqualTo(CLUSTERS * 200);
    sim.post("/change", "count", "60");
    awaitEqual();
    sim.post("/rate", "rate", "50", "churn", "0.4");
    Programs.pause(3000);
    sim.post("/pause");
    awaitEqual();
  }

  @Test
  void aRestartOfEitherSideSendsNothing() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    nothingSent(
        () -> {
          a.stop();
          a.start().await("streaming", CLUSTERS);
        });
    nothingSent(
        () -> {
          a.kill();
          a.start().await("streaming", CLUSTERS);
        });
    nothingSent(
        () -> {
          first.close();
          Programs.pause(300);
          try {
            new Plugin("clouddriver-1", port, new GrpcSettings());
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
          a.await("streaming", CLUSTERS);
        });
  }

  @Test
  void whatChangedWhileTheOtherSideWasAwayIsPutRight() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    a.kill();
    sim.post("/change", "count", "40");
    a.start();
    awaitEqual();
    first.close();
    sim.post("/change", "count", "40");
    Plugin second = new Plugin("clouddriver-1", port, new GrpcSettings());
    awaitEqual();
    sim.post("/rate", "rate", "40", "churn", "0.4");
    for (int i = 0; i < 5; i++) {
      Programs.await(
          "it is there", Duration.ofSeconds(10), () -> !second.engine.agents().isEmpty());
      assertThat(second.engine.disconnect("agent", "a test", 0)).isTrue();
      Programs.pause(500);
    }
    sim.post("/pause");
    awaitEqual();
    assertThat(a.said()).contains("a test");
  }

  @Test
  void aDatabaseThatIsDownLosesNothing() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    db.setDown(true);
    sim.post("/change", "count", "30");
    Programs.await("its stream ends", Duration.ofSeconds(10), () -> p.engine.agents().isEmpty());
    Programs.pause(500);
    db.setDown(false);
    awaitEqual();
    assertThat(a.said()).contains("database");
  }

  @Test
  void anotherAgentTakesOver() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent first = agent("first", PLAIN);
    first.await("streaming", CLUSTERS);
    RealAgent second = agent("second", PLAIN);
    second.await("standby", CLUSTERS);
    awaitEqual();
    first.kill();
    long began = System.nanoTime();
    Programs.await(
        "all are kept", Duration.ofSeconds(5), () -> caching(p.engine).size() == CLUSTERS);
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(5));
    second.await("streaming", CLUSTERS);
    sim.post("/change", "count", "30");
    awaitEqual();
  }

  @Test
  void anAgentThatStandsStillLosesItsAccounts() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent first = agent("first", PLAIN);
    first.await("streaming", CLUSTERS);
    RealAgent second = agent("second", PLAIN);
    second.await("standby", CLUSTERS);
    first.signalAll("STOP");
    try {
      second.await("streaming", CLUSTERS);
      sim.post("/change", "count", "30");
      awaitEqual();
    } finally {
      first.signalAll("CONT");
    }
    first.await("standby", CLUSTERS);
    awaitEqual();
    assertThat(caching(p.engine)).hasSize(CLUSTERS);
  }

  @Test
  void anAgentMovesToAnotherClouddriver() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    nothingSent(
        () -> {
          first.close();
          try {
            new Plugin("clouddriver-2", port, new GrpcSettings());
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
          a.await("streaming", CLUSTERS);
        });
  }

  @Test
  void aWrongTokenIsSaidOnBothSides() throws IOException {
    GrpcSettings settings = new GrpcSettings();
    settings.getAuth().setToken("right");
    Plugin p = new Plugin("clouddriver-1", port, settings);
    RealAgent a =
        agent(
            "agent",
            "{\"insecure\":true,\"allowPlaintextToken\":true,\"auth\":{\"token\":\"wrong\"}}");
    a.awaitSaid("the token is wrong");
    assertThat(p.engine.agents()).isEmpty();
    a.stop();
    RealAgent b =
        agent(
            "agent",
            "{\"insecure\":true,\"allowPlaintextToken\":true,\"auth\":{\"token\":\"right\"}}");
    b.await("streaming", CLUSTERS);
  }

  @Test
  void certificatesOfBothSidesAreChecked() throws IOException {
    Path tls = Programs.directory(scratch, "tls");
    Certificates certificates = new Certificates(tls);
    GrpcSettings settings = certificates.server();
    settings.getServer().getSecurity().setClientAuth(GrpcSettings.ClientAuth.REQUIRE);
    settings.getAuth().getX509().setEnabled(true);
    settings.getAuth().getX509().setFilters(List.of("CN=agent-[0-9]+"));
    Plugin p = new Plugin("clouddriver-1", port, settings);
    String form =
        "{\"insecure\":false,\"tls\":{\"cacertFile\":\"%s\",\"clientCertFile\":\"%s\",\"clientKeyFile\":\"%s\"}}";
    RealAgent stranger =
        agent(
            "stranger",
            String.format(
                form,
                certificates.ca(),
                certificates.cert("someone"),
                certificates.key("someone")));
    stranger.awaitSaid("no filter of kubesvc.grpc.auth.x509");
    stranger.stop();
    RealAgent a =
        agent(
            "agent",
            String.format(
                form,
                certificates.ca(),
                certificates.cert("agent-1"),
                certificates.key("agent-1")));
    a.await("streaming", CLUSTERS);
    awaitEqual();
    assertThat(p.engine.agents()).hasSize(1);
  }
}
