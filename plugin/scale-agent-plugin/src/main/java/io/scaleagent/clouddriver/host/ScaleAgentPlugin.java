// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.clouddriver.jobs.JobExecutor;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCachingAgentDispatcher;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor;
import com.netflix.spinnaker.kork.plugins.api.spring.SpringLoaderPlugin;
import io.micrometer.core.instrument.MeterRegistry;
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

  private static volatile String version = "unknown";

  public ScaleAgentPlugin(PluginWrapper wrapper) {
    super(wrapper);
    version = wrapper.getDescriptor().getVersion();
  }

  /** Of the plugin that was loaded; "unknown" before. */
  public static String version() {
    return version;
  }

  @Override
  public void registerBeanDefinitions(BeanDefinitionRegistry registry) {
    String refusal = refusal(registry);
    if (refusal != null) {
      log.error("The scale-agent plugin does not start: {}", refusal);
      return;
    }
    super.registerBeanDefinitions(registry);
    for (Class<?> type :
        List.of(
            KubesvcSettings.class,
            ConversionMark.class,
            ManagedAccounts.class,
            CachedReads.class,
            AgentOperations.class)) {
      registry.registerBeanDefinition(type.getName(), definition(type));
    }
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
    if (!known()) {
      return "this Clouddriver is older than 5.81.0 (Spinnaker 1.30), or newer than the plugin knows: "
          + "its KubectlJobExecutor is made in another way.";
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

  /** Whether the classes that ours extend have the constructors that ours call. */
  private static boolean known() {
    try {
      KubectlJobExecutor.class.getConstructor(
          JobExecutor.class, KubernetesConfigurationProperties.class, MeterRegistry.class);
      KubernetesCachingAgentDispatcher.class.getConstructor(
          ObjectMapper.class,
          Registry.class,
          KubernetesConfigurationProperties.class,
          KubernetesSpinnakerKindMap.class,
          Front50ApplicationLoader.class);
      return true;
    } catch (NoSuchMethodException | NoClassDefFoundError e) {
      return false;
    }
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
    log.info("scale-agent plugin {} is loaded", version);
  }
}
