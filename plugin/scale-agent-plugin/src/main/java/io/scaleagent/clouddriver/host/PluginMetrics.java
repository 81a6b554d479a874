// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.scaleagent.clouddriver.host.operations.OperationRecord;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.AgentDirectory;
import io.scaleagent.clouddriver.protocol.Opening;
import io.scaleagent.clouddriver.protocol.ProtocolEvents;
import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Refusal;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * The plugin's numbers in Clouddriver's own registry. No account and no agent is in a tag: there
 * may be thousands.
 */
public final class PluginMetrics implements ProtocolEvents, OperationRecord.Listener {
  private static final String PREFIX = "scale.agent.";

  private final MeterRegistry registry;
  private final Counter connected;
  private final Counter disconnected;
  private final Counter deltas;
  private final Counter compared;
  private final Counter wanted;
  private final Counter ghosts;
  private final Timer commits;
  private final Timer delay;
  private final DistributionSummary batch;

  public PluginMetrics(MeterRegistry registry) {
    this.registry = registry;
    connected = counter("connections", "streams of agents that began", Tags.empty());
    disconnected = counter("disconnections", "streams of agents that ended", Tags.empty());
    deltas = counter("deltas", "changes that were committed", Tags.empty());
    compared = counter("compared", "keys that were compared with an agent's", Tags.empty());
    wanted = counter("wanted", "objects asked for because they differed", Tags.empty());
    ghosts = counter("ghosts", "rows that no object stood for", Tags.empty());
    commits =
        Timer.builder(PREFIX + "commit").description("a transaction of changes").register(registry);
    delay =
        Timer.builder(PREFIX + "delay")
            .description("from the agent's reading of a change to its commit")
            .publishPercentiles(0.5, 0.99)
            .register(registry);
    batch =
        DistributionSummary.builder(PREFIX + "batch")
            .description("changes of one transaction")
            .register(registry);
  }

  private Counter counter(String name, String what, Tags tags) {
    return Counter.builder(PREFIX + name).description(what).tags(tags).register(registry);
  }

  /** Adds what is counted at the moment it is asked for. */
  public void watch(AgentDirectory directory, ManagedAccounts accounts) {
    Gauge.builder(PREFIX + "agents", directory, d -> d.agents().size())
        .description("agents connected to this Clouddriver")
        .register(registry);
    Gauge.builder(
            PREFIX + "accounts.kept",
            directory,
            d -> d.agents().stream().mapToInt(a -> a.caching().size()).sum())
        .description("accounts that agents stream to this Clouddriver")
        .register(registry);
    Gauge.builder(PREFIX + "accounts", accounts, a -> a.names().size())
        .description("accounts of agents, wherever they are connected")
        .register(registry);
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public void connected(AgentConnection agent) {
    connected.increment();
  }

  @Override
  public void disconnected(AgentConnection agent) {
    disconnected.increment();
  }

  @Override
  public void goodbye(Goodbye.Code code) {
    counter("goodbyes", "streams that this side ended", Tags.of("code", lower(code))).increment();
  }

  @Override
  public void opened(String account, Opening.Decision decision) {
    counter("opened", "accounts opened by agents", Tags.of("decision", lower(decision)))
        .increment();
  }

  @Override
  public void refused(String account, Refusal.Code code) {
    counter("refused", "accounts refused to agents", Tags.of("code", lower(code))).increment();
  }

  @Override
  public void committed(String account, int count, long oldestMicros, long nanos) {
    commits.record(nanos, TimeUnit.NANOSECONDS);
    if (count > 0) {
      deltas.increment(count);
      batch.record(count);
    }
    if (oldestMicros > 0) {
      long now = TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
      delay.record(Math.max(0, now - oldestMicros), TimeUnit.MICROSECONDS);
    }
  }

  @Override
  public void compared(String account, int entries, int wants) {
    compared.increment(entries);
    wanted.increment(wants);
  }

  @Override
  public void ended(OperationRecord r) {
    Timer.builder(PREFIX + "operation")
        .description("an operation in a cluster, as whoever asked for it waited")
        .tags("operation", r.verb(), "result", r.result().toLowerCase(Locale.ROOT))
        .publishPercentiles(0.5, 0.99)
        .register(registry)
        .record(r.millis(), TimeUnit.MILLISECONDS);
  }

  @Override
  public void swept(String account, long count) {
    ghosts.increment(count);
  }
}
