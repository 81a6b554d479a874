// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import io.scaleagent.clouddriver.grpc.SettingsException;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.EnumerablePropertySource;
import org.springframework.core.env.PropertySource;
import org.springframework.core.env.StandardEnvironment;

/**
 * Every setting below kubesvc that is known, and what becomes of one that is not. Names of
 * environment variables can't be told apart, so those are not looked at.
 */
public final class KnownSettings {
  private static final Logger log = LoggerFactory.getLogger(KnownSettings.class);
  private static final String PREFIX = "kubesvc.";

  /** What is misspelt here would leave a port open that was meant to be closed. */
  private static final String STRICT = "kubesvc.grpc.";

  /** By name as it is documented, "*" for any name: why it is without effect; "" if it has one. */
  private static final Map<String, String> ALL = new LinkedHashMap<>();

  static {
    honoured(
        "baseUrl",
        "cache.accountCleanupFrequencySeconds",
        "cache.cacheDefaults",
        "cache.cacheKinds",
        "cache.cacheStreamingPoolCoreSize",
        "cache.cacheStreamingPoolMaxSize",
        "cache.cleanDataWithUnusedAccounts",
        "cache.operationWaitMs",
        "grpc.auth.token",
        "grpc.auth.x509.accounts.accounts",
        "grpc.auth.x509.accounts.subject",
        "grpc.auth.x509.enabled",
        "grpc.auth.x509.filters",
        "grpc.server.address",
        "grpc.server.healthServiceEnabled",
        "grpc.server.maxInboundMessageSize",
        "grpc.server.port",
        "grpc.server.security.certificateChain",
        "grpc.server.security.ciphers",
        "grpc.server.security.clientAuth",
        "grpc.server.security.enabled",
        "grpc.server.security.keepAliveHeartbeatSeconds",
        "grpc.server.security.keepAliveTimeOutSeconds",
        "grpc.server.security.privateKey",
        "grpc.server.security.privateKeyPassword",
        "grpc.server.security.protocols",
        "grpc.server.security.trustCertCollection",
        "heartbeat.enabled",
        "jobs.operation-history.purge.cron",
        "jobs.operation-history.purge.weeks",
        "v2-cache-eviction.batch-size",
        "v2-cache-eviction.disable",
        "v2-cache-eviction.millis");
    for (String of : new String[] {"runtime.defaults.", "runtime.accounts.*."}) {
      honoured(
          of + "customResources.deployPriority",
          of + "customResources.kubernetesKind",
          of + "customResources.namespaced",
          of + "customResources.spinnakerKind",
          of + "customResources.versioned",
          of + "onlySpinnakerManaged");
    }
    String cluster = "Clouddrivers find each other in their database";
    without(cluster, "cluster");
    for (String name :
        new String[] {
          "clouddriverServiceNamePrefix", "httpPortName", "kubeconfigFile", "namespace", "verifySsl"
        }) {
      without(cluster, "cluster-kubernetes." + name);
    }
    String rows = "rows are as new as the agent's stream";
    without(rows, "cache.namespaceExpiryMinutes");
    without(rows, "cache.onDemandQuickWaitMs");
    without("events go when the cluster drops them", "cache.eventsCleanupFrequencySeconds");
    without("accounts are loaded when they change", "credentials.poller.reloadFrequencyMs");
    without("accounts without an agent go on as before", "disableV2Provider");
    without("this version does not have Dynamic Accounts", "dynamicAccounts.enabled");
    String heartbeat = "leases in the database take its place";
    without(heartbeat, "heartbeat.initialDelay");
    without(heartbeat, "heartbeat.period");
    without(heartbeat, "heartbeat.periodUnit");
    without("an account goes to the connected agent that keeps the fewest", "loadBalancer");
    without("results are in no metric", "ops.processTime.metric.result.maxLength");
  }

  private KnownSettings() {}

  private static void honoured(String... names) {
    for (String name : names) {
      ALL.put(PREFIX + name, "");
    }
  }

  private static void without(String why, String name) {
    ALL.put(PREFIX + name, why);
  }

  /** Names, and why those are without effect that are; "" for the others. */
  static Map<String, String> all() {
    return Collections.unmodifiableMap(ALL);
  }

  /**
   * Looks at the settings that Clouddriver was started with: says once which are without effect or
   * unknown.
   *
   * @throws SettingsException for an unknown one that could leave open who may connect
   */
  public static void check(ConfigurableEnvironment environment) {
    for (String name : given(environment)) {
      String known = find(name);
      if (known == null) {
        String said = name + " is no setting that is known here; the nearest is " + nearest(name);
        if (canonical(name).startsWith(STRICT)) {
          throw new SettingsException(said);
        }
        log.warn("{}", said);
      } else if (!ALL.get(known).isEmpty()) {
        log.warn("{} has no effect: {}", name, ALL.get(known));
      }
    }
  }

  private static TreeSet<String> given(ConfigurableEnvironment environment) {
    TreeSet<String> names = new TreeSet<>();
    for (PropertySource<?> source : environment.getPropertySources()) {
      if (source instanceof EnumerablePropertySource
          && !source
              .getName()
              .equals(StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME)) {
        for (String name : ((EnumerablePropertySource<?>) source).getPropertyNames()) {
          if (canonical(name).startsWith(PREFIX)) {
            names.add(name);
          }
        }
      }
    }
    return names;
  }

  /** As Spring's binder compares names; without the numbers of lists. */
  private static String canonical(String name) {
    return name.replaceAll("\\[\\d+\\]", "")
        .replaceAll("\\[[^\\]]*\\]", ".x")
        .replaceAll("[-_]", "")
        .toLowerCase(Locale.ROOT);
  }

  /** The known setting of that name; null if there is none. */
  static String find(String name) {
    String wanted = canonical(name);
    for (String known : ALL.keySet()) {
      String pattern = "\\Q" + canonical(known).replace("*", "\\E.+\\Q") + "\\E";
      if (Pattern.matches(pattern, wanted)) {
        return known;
      }
    }
    return null;
  }

  private static String nearest(String name) {
    String wanted = canonical(name);
    return ALL.keySet().stream()
        .min(Comparator.comparingInt(known -> distance(wanted, canonical(known))))
        .orElseThrow(IllegalStateException::new);
  }

  /** By Levenshtein. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int corner = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = corner + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        corner = row[j];
        row[j] = Math.min(change, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
