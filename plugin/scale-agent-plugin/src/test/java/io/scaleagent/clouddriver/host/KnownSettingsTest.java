// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.Logged;
import io.scaleagent.clouddriver.grpc.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.springframework.mock.env.MockEnvironment;

class KnownSettingsTest {
  /** What users of Armory's plugin know. */
  private static final List<String> ARMORY =
      List.of(
          "kubesvc.cache.accountCleanupFrequencySeconds",
          "kubesvc.cache.cacheDefaults",
          "kubesvc.cache.cacheKinds",
          "kubesvc.cache.cacheStreamingPoolCoreSize",
          "kubesvc.cache.cacheStreamingPoolMaxSize",
          "kubesvc.cache.cleanDataWithUnusedAccounts",
          "kubesvc.cache.eventsCleanupFrequencySeconds",
          "kubesvc.cache.namespaceExpiryMinutes",
          "kubesvc.cache.onDemandQuickWaitMs",
          "kubesvc.cache.operationWaitMs",
          "kubesvc.cluster",
          "kubesvc.cluster-kubernetes.kubeconfigFile",
          "kubesvc.cluster-kubernetes.verifySsl",
          "kubesvc.cluster-kubernetes.namespace",
          "kubesvc.cluster-kubernetes.httpPortName",
          "kubesvc.cluster-kubernetes.clouddriverServiceNamePrefix",
          "kubesvc.credentials.poller.reloadFrequencyMs",
          "kubesvc.disableV2Provider",
          "kubesvc.dynamicAccounts.enabled",
          "kubesvc.grpc.auth.x509.enabled",
          "kubesvc.grpc.auth.x509.filters",
          "kubesvc.grpc.server.address",
          "kubesvc.grpc.server.port",
          "kubesvc.grpc.server.healthServiceEnabled",
          "kubesvc.grpc.server.maxInboundMessageSize",
          "kubesvc.grpc.server.security.enabled",
          "kubesvc.grpc.server.security.certificateChain",
          "kubesvc.grpc.server.security.privateKey",
          "kubesvc.grpc.server.security.privateKeyPassword",
          "kubesvc.grpc.server.security.clientAuth",
          "kubesvc.grpc.server.security.ciphers",
          "kubesvc.grpc.server.security.trustCertCollection",
          "kubesvc.grpc.server.security.protocols",
          "kubesvc.grpc.server.security.keepAliveHeartbeatSeconds",
          "kubesvc.grpc.server.security.KeepAliveTimeOutSeconds",
          "kubesvc.heartbeat.initialDelay",
          "kubesvc.heartbeat.period",
          "kubesvc.heartbeat.periodUnit",
          "kubesvc.heartbeat.enabled",
          "kubesvc.jobs.operation-history.purge.weeks",
          "kubesvc.jobs.operation-history.purge.cron",
          "kubesvc.loadBalancer",
          "kubesvc.runtime.defaults.onlySpinnakerManaged",
          "kubesvc.runtime.defaults.customResources.kubernetesKind",
          "kubesvc.runtime.defaults.customResources.spinnakerKind",
          "kubesvc.runtime.defaults.customResources.deployPriority",
          "kubesvc.runtime.defaults.customResources.versioned",
          "kubesvc.runtime.defaults.customResources.namespaced",
          "kubesvc.runtime.accounts.NAME.onlySpinnakerManaged",
          "kubesvc.runtime.accounts.NAME.customResources",
          "kubesvc.v2-cache-eviction.disable",
          "kubesvc.v2-cache-eviction.batch-size",
          "kubesvc.v2-cache-eviction.millis",
          "kubesvc.ops.processTime.metric.result.maxLength");

  private final MockEnvironment environment = new MockEnvironment();

  private List<String> said() {
    try (Logged log = new Logged(KnownSettings.class)) {
      KnownSettings.check(environment);
      return log.texts();
    }
  }

  @Test
  void eachOfArmorysSettingsIsKnown() {
    assertThat(ARMORY).hasSize(54);
    for (String name : ARMORY) {
      String known = KnownSettings.find(name);
      boolean list = name.endsWith(".customResources");
      assertThat(list || known != null).as(name).isTrue();
    }
  }

  @Test
  void eachIsDocumentedAsWhatItIs() throws IOException {
    Path docs = Path.of("..", "..", "docs", "reference");
    String settings = Files.readString(docs.resolve("plugin-settings.md"));
    String grpc = Files.readString(docs.resolve("plugin-connections.md"));
    String without = settings.substring(settings.indexOf("## Without effect"));
    String honoured = settings.substring(0, settings.length() - without.length());
    KnownSettings.all()
        .forEach(
            (name, why) -> {
              if (!why.isEmpty()) {
                String last = name.substring(name.lastIndexOf('.'));
                assertThat(without).contains(last + "`").contains(why);
              } else if (name.startsWith("kubesvc.grpc.")) {
                assertThat(grpc).contains(name.substring(name.lastIndexOf('.') + 1) + "`");
              } else {
                assertThat(honoured).contains(name.substring(name.lastIndexOf('.') + 1) + "`");
              }
            });
  }

  @Test
  void whatHasNoEffectIsSaidOnce() {
    environment.setProperty("kubesvc.cluster", "redis");
    environment.setProperty("kubesvc.heartbeat.period", "60");
    environment.setProperty("kubesvc.cache.accountCleanupFrequencySeconds", "7");
    environment.setProperty("kubesvc.runtime.accounts.prod.onlySpinnakerManaged", "true");
    environment.setProperty("kubesvc.runtime.accounts[a.b].onlySpinnakerManaged", "true");
    environment.setProperty("kubesvc.runtime.defaults.customResources[0].kubernetesKind", "A.b");
    environment.setProperty("kubesvc.grpc.server.max-inbound-message-size", "4MB");
    assertThat(said())
        .containsExactly(
            "kubesvc.cluster has no effect: Clouddrivers find each other in their database",
            "kubesvc.heartbeat.period has no effect: leases in the database take its place");
  }

  @Test
  void whatIsUnknownIsSaidWithTheNearest() {
    environment.setProperty("kubesvc.cache.cacheKind[0]", "Pod");
    assertThat(said())
        .containsExactly(
            "kubesvc.cache.cacheKind[0] is no setting that is known here; the nearest is"
                + " kubesvc.cache.cacheKinds");
  }

  @Test
  void whatCouldLeaveThePortOpenIsRefused() {
    environment.setProperty("kubesvc.grpc.server.security.clientAuht", "REQUIRE");
    assertThatThrownBy(() -> KnownSettings.check(environment))
        .isInstanceOf(SettingsException.class)
        .hasMessageContaining("clientAuht")
        .hasMessageContaining("the nearest is kubesvc.grpc.server.security.clientAuth");
  }
}
