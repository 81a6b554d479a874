// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import io.scaleagent.clouddriver.accounts.LoadedAccounts;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** Clouddriver's own converter, for accounts as the host has loaded them. */
public final class ClouddriverConverters implements ConverterSource {
  private final LoadedAccounts accounts;
  private final BiFunction<String, AccountProperties, String> settings;
  private final Predicate<String> applications;

  /**
   * @param settings the mark of an account's settings: see RowWriter
   * @param applications whether objects of an application become rows, as {@link #front50} says
   */
  public ClouddriverConverters(
      LoadedAccounts accounts,
      BiFunction<String, AccountProperties, String> settings,
      Predicate<String> applications) {
    this.accounts = Objects.requireNonNull(accounts);
    this.settings = Objects.requireNonNull(settings);
    this.applications = Objects.requireNonNull(applications);
  }

  /**
   * Clouddriver's filter by Front50's applications (kubernetes.cache.checkApplicationInFront50):
   * takes every application where it is off, and none where it is on without a loader.
   *
   * @param loader gives null if Clouddriver has none
   */
  public static Predicate<String> front50(
      KubernetesConfigurationProperties properties, Supplier<Front50ApplicationLoader> loader) {
    return application -> {
      if (!properties.getCache().isCheckApplicationInFront50()) {
        return true;
      }
      Front50ApplicationLoader known = loader.get();
      return known != null
          && application != null
          && known.getData().stream().anyMatch(application::equalsIgnoreCase);
    };
  }

  @Override
  public ObjectConverter converter(String account) {
    LoadedAccount loaded = accounts.require(account);
    String expected = CatsRowWriter.agentType(account);
    if (!loaded.agentType().equals(expected)) {
      throw new IllegalStateException(
          "account " + account + " is " + loaded.agentType() + " in Clouddriver, not " + expected);
    }
    return new ClouddriverConverter(loaded, applications);
  }

  @Override
  public String settings(String account, AccountProperties properties) {
    return settings.apply(account, properties);
  }
}
