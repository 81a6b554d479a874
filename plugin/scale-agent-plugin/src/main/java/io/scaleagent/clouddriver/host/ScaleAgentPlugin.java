// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.kork.plugins.api.spring.SpringLoaderPlugin;
import java.util.List;
import java.util.Map;
import org.pf4j.PluginWrapper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.config.AutowireCapableBeanFactory;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.support.BeanDefinitionBuilder;
import org.springframework.beans.factory.support.BeanDefinitionRegistry;

/**
 * The plugin's main class. Clouddriver calls {@link #registerBeanDefinitions} after all of its own
 * beans are defined and before any is made, so a bean replaced under its own name is the only one
 * of its type and whoever needs it gets ours.
 */
public class ScaleAgentPlugin extends SpringLoaderPlugin {
  private static final Logger log = LoggerFactory.getLogger(ScaleAgentPlugin.class);

  /** Clouddriver's beans by their names, and what stands for them. */
  static final Map<String, Class<?>> REPLACED =
      Map.of(
          "kubectlJobExecutor", AgentKubectlJobExecutor.class,
          "kubernetesCachingAgentDispatcher", ManagedCachingAgentDispatcher.class,
          "kubernetesCredentialsLoader", ManagedCredentialsLoader.class);

  /** A bean that is there if, and only if, Clouddriver's cache is in SQL. */
  static final String SQL_CACHE = "sqlCacheMetrics";

  public ScaleAgentPlugin(PluginWrapper wrapper) {
    super(wrapper);
  }

  @Override
  public void registerBeanDefinitions(BeanDefinitionRegistry registry) {
    String refusal = refusal(registry);
    if (refusal != null) {
      log.error("The scale-agent plugin does not start: {}", refusal);
      return;
    }
    super.registerBeanDefinitions(registry);
    registry.registerBeanDefinition(
        KubesvcSettings.class.getName(), definition(KubesvcSettings.class));
    registry.registerBeanDefinition(
        ManagedAccounts.class.getName(), definition(ManagedAccounts.class));
    registry.registerBeanDefinition(AgentOperations.class.getName(), definition(CachedReads.class));
    REPLACED.forEach((name, type) -> replace(registry, name, type));
  }

  /** Why the plugin can't work in this Clouddriver, and what to do; null if it can. */
  static String refusal(BeanDefinitionRegistry registry) {
    if (!registry.containsBeanDefinition("kubernetesProvider")) {
      return "Clouddriver's Kubernetes provider is off. Set kubernetes.enabled: true.";
    }
    if (!registry.containsBeanDefinition(SQL_CACHE)) {
      return "Clouddriver's cache is not in SQL, and agents' changes can be written nowhere else. "
          + "Set sql.enabled, sql.cache.enabled and sql.scheduler.enabled to true (and "
          + "redis.cache.enabled and redis.scheduler.enabled to false), or remove the plugin.";
    }
    for (String name : REPLACED.keySet()) {
      if (!registry.containsBeanDefinition(name)) {
        return "Clouddriver has no bean "
            + name
            + ": this version of Clouddriver is not known to the plugin, or another plugin took the"
            + " bean's place.";
      }
    }
    return null;
  }

  private void replace(BeanDefinitionRegistry registry, String name, Class<?> type) {
    registry.removeBeanDefinition(name);
    registry.registerBeanDefinition(name, definition(type));
    log.info("Clouddriver's bean {} is {} from now on", name, type.getSimpleName());
  }

  /** Made by the greediest constructor that Spring has the arguments of. */
  private static BeanDefinition definition(Class<?> type) {
    return BeanDefinitionBuilder.genericBeanDefinition(type)
        .setScope(BeanDefinition.SCOPE_SINGLETON)
        .setAutowireMode(AutowireCapableBeanFactory.AUTOWIRE_CONSTRUCTOR)
        .getBeanDefinition();
  }

  @Override
  public List<String> getPackagesToScan() {
    return List.of("io.scaleagent.clouddriver.host.context", "io.scaleagent.clouddriver.host.rest");
  }

  @Override
  public void start() {
    log.info("scale-agent plugin {} is loaded", getWrapper().getDescriptor().getVersion());
  }
}
