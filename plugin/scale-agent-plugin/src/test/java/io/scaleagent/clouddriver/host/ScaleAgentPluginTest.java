// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.support.DefaultListableBeanFactory;
import org.springframework.beans.factory.support.RootBeanDefinition;

class ScaleAgentPluginTest {
  private final DefaultListableBeanFactory clouddriver = new DefaultListableBeanFactory();

  private void has(String... names) {
    for (String name : names) {
      clouddriver.registerBeanDefinition(name, new RootBeanDefinition(Object.class));
    }
  }

  @Test
  void refusesWithoutTheSqlCache() {
    has("kubernetesProvider");
    ScaleAgentPlugin.REPLACED.keySet().forEach(this::has);
    assertThat(ScaleAgentPlugin.refusal(clouddriver)).contains("sql.cache.enabled");
    has(ScaleAgentPlugin.SQL_CACHE);
    assertThat(ScaleAgentPlugin.refusal(clouddriver)).isNull();
  }

  @Test
  void refusesAClouddriverThatItDoesNotKnow() {
    has("kubernetesProvider", ScaleAgentPlugin.SQL_CACHE);
    has("kubectlJobExecutor", "kubernetesCachingAgentDispatcher");
    assertThat(ScaleAgentPlugin.refusal(clouddriver)).contains("kubernetesCredentialsLoader");
  }

  @Test
  void refusesWithoutTheKubernetesProvider() {
    assertThat(ScaleAgentPlugin.refusal(clouddriver)).contains("kubernetes.enabled");
  }
}
