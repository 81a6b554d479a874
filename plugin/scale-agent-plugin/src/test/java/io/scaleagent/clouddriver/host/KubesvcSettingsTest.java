// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.springframework.mock.env.MockEnvironment;

class KubesvcSettingsTest {
  private final MockEnvironment environment = new MockEnvironment();

  private KubesvcSettings settings() {
    return new KubesvcSettings(environment);
  }

  @Test
  void defaults() {
    assertThat(settings().cacheKinds()).isEqualTo(KubesvcSettings.CACHE_DEFAULTS).hasSize(12);
    assertThat(settings().accountCleanupSeconds()).isEqualTo(600);
    assertThat(settings().cleanDataWithUnusedAccounts()).isTrue();
    assertThat(settings().writersCore()).isEqualTo(10);
    assertThat(settings().writersMax()).isEqualTo(100);
    assertThat(settings().v2EvictionBatch()).isEqualTo(5);
    assertThat(settings().v2EvictionMillis()).isEqualTo(200);
  }

  @Test
  void namesAreTheDocumentedOnes() {
    environment.setProperty("kubesvc.cache.cacheKinds[0]", "Deployment");
    environment.setProperty("kubesvc.cache.accountCleanupFrequencySeconds", "7");
    environment.setProperty("kubesvc.cache.cacheStreamingPoolCoreSize", "3");
    environment.setProperty("kubesvc.cache.cacheStreamingPoolMaxSize", "4");
    environment.setProperty("kubesvc.cache.cleanDataWithUnusedAccounts", "false");
    environment.setProperty("kubesvc.v2-cache-eviction.disable", "true");
    assertThat(settings().cacheKinds()).containsExactly("Deployment");
    assertThat(settings().accountCleanupSeconds()).isEqualTo(7);
    assertThat(settings().writersCore()).isEqualTo(3);
    assertThat(settings().writersMax()).isEqualTo(4);
    assertThat(settings().cleanDataWithUnusedAccounts()).isFalse();
    assertThat(settings().v2EvictionDisabled()).isTrue();
  }
}
