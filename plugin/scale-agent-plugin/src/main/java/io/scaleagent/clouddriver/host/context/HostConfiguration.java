// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.context;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import com.netflix.spinnaker.credentials.definition.AbstractCredentialsLoader;
import com.netflix.spinnaker.kork.sql.config.SqlProperties;
import io.micrometer.core.instrument.MeterRegistry;
import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.cache.CacheKeeper;
import io.scaleagent.clouddriver.cache.CatsNames;
import io.scaleagent.clouddriver.cache.CatsRowWriter;
import io.scaleagent.clouddriver.cache.CatsTables;
import io.scaleagent.clouddriver.cache.ClouddriverConverters;
import io.scaleagent.clouddriver.grpc.AgentServer;
import io.scaleagent.clouddriver.grpc.GrpcSettings;
import io.scaleagent.clouddriver.grpc.SubjectPolicy;
import io.scaleagent.clouddriver.host.AccountsFollower;
import io.scaleagent.clouddriver.host.AgentOperations;
import io.scaleagent.clouddriver.host.CachedReads;
import io.scaleagent.clouddriver.host.HostAddress;
import io.scaleagent.clouddriver.host.Housekeeping;
import io.scaleagent.clouddriver.host.KnownSettings;
import io.scaleagent.clouddriver.host.KubesvcSettings;
import io.scaleagent.clouddriver.host.ManagedAccounts;
import io.scaleagent.clouddriver.host.PluginMetrics;
import io.scaleagent.clouddriver.host.ScaleAgentPlugin;
import io.scaleagent.clouddriver.host.operations.AuditLog;
import io.scaleagent.clouddriver.host.operations.OperationCaller;
import io.scaleagent.clouddriver.host.operations.OperationHistory;
import io.scaleagent.clouddriver.host.operations.Routes;
import io.scaleagent.clouddriver.host.operations.StreamOperations;
import io.scaleagent.clouddriver.peers.LocalOperations;
import io.scaleagent.clouddriver.peers.PeerEndpoint;
import io.scaleagent.clouddriver.peers.PeerOperations;
import io.scaleagent.clouddriver.peers.SharedSecret;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.EngineSettings;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlAccountStore;
import io.scaleagent.clouddriver.store.StoreMigration;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.Environment;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/**
 * The plugin's parts, from the database up to the port that agents connect to. Spring closes them
 * in the opposite order.
 */
@Configuration
public class HostConfiguration {
  /**
   * How long others wait before they take this Clouddriver for dead. With the time until they look
   * and open its accounts it has to stay below five seconds; a pause of the JVM that is longer than
   * three quarters of it costs a new epoch of each account.
   */
  private static final long LEASE_MILLIS = 3_500;

  /** How long an agent stays away that is disconnected by REST. */
  private static final long DISCONNECTED_MILLIS = 5_000;

  /**
   * @param pool of Clouddriver, from which the plugin's own are made
   */
  @Bean(destroyMethod = "close")
  public Database scaleAgentDatabase(
      DSLContext jooq,
      ObjectProvider<DataSource> pool,
      SqlProperties sql,
      KubesvcSettings settings) {
    SingleConnectionDataSource migration =
        new SingleConnectionDataSource(
            sql.getMigration().getJdbcUrl(),
            sql.getMigration().getUser(),
            sql.getMigration().getPassword(),
            true);
    try {
      StoreMigration.run(migration);
    } finally {
      migration.destroy();
    }
    DataSource clouddrivers = pool.getIfUnique();
    return clouddrivers == null
        ? new Database(jooq)
        : new Database(jooq, clouddrivers, settings.writersMax());
  }

  @Bean
  public CatsTables scaleAgentTables(Database database, Environment environment) {
    String namespace = environment.getProperty("sql.table-namespace");
    boolean postgres = database.dsl().dialect().family() == SQLDialect.POSTGRES;
    return new CatsTables(postgres ? CatsNames.postgres(namespace) : CatsNames.mysql(namespace));
  }

  @Bean
  public CatsRowWriter scaleAgentRows(
      Database database,
      CatsTables tables,
      ObjectMapper mapper,
      ManagedAccounts accounts,
      KubernetesConfigurationProperties kubernetes,
      ObjectProvider<Front50ApplicationLoader> front50) {
    return new CatsRowWriter(
        database,
        tables,
        mapper,
        new ClouddriverConverters(
            accounts,
            accounts::settings,
            ClouddriverConverters.front50(kubernetes, front50::getIfAvailable)));
  }

  @Bean(destroyMethod = "close")
  public SqlAccountStore scaleAgentStore(
      Database database, CatsRowWriter rows, Environment environment) {
    HostAddress here = HostAddress.of(environment);
    return new SqlAccountStore(database, here.name(), here.baseUrl(), LEASE_MILLIS, rows);
  }

  @Bean
  public AccountCatalog scaleAgentCatalog(SqlAccountStore store) {
    return store.catalog();
  }

  /**
   * @param loader Clouddriver's, which is ours by then: it has to be there before accounts are
   */
  @Bean(destroyMethod = "close")
  public AccountsFollower scaleAgentAccounts(
      ManagedAccounts accounts,
      CachedReads reads,
      AccountCatalog catalog,
      AbstractCredentialsLoader<KubernetesNamedAccountCredentials> loader) {
    AccountsFollower follower = new AccountsFollower(accounts, reads);
    follower.start(catalog);
    return follower;
  }

  @Bean
  public GrpcSettings scaleAgentGrpcSettings(ConfigurableEnvironment environment) {
    KnownSettings.check(environment);
    return Binder.get(environment)
        .bind("kubesvc.grpc", GrpcSettings.class)
        .orElseGet(GrpcSettings::new);
  }

  @Bean
  public PluginMetrics scaleAgentMetrics(MeterRegistry registry) {
    return new PluginMetrics(registry);
  }

  /**
   * @param follower has loaded what was known of accounts before the first agent comes
   */
  @Bean(destroyMethod = "close")
  public Engine scaleAgentEngine(
      SqlAccountStore store,
      CatsRowWriter rows,
      GrpcSettings grpc,
      KubesvcSettings settings,
      PluginMetrics metrics,
      ManagedAccounts accounts,
      AccountsFollower follower) {
    EngineSettings engine =
        new EngineSettings()
            .pluginVersion(ScaleAgentPlugin.version())
            .clouddriverId(store.catalog().clouddriverId())
            .writers(settings.writersCore(), settings.writersMax());
    if (!settings.heartbeatEnabled()) {
      engine.heartbeatSeconds(0);
    }
    Engine made = new Engine(store, rows, new SubjectPolicy(grpc), metrics, engine);
    made.start();
    metrics.watch(made, accounts);
    return made;
  }

  @Bean(destroyMethod = "close")
  public Housekeeping scaleAgentHousekeeping(
      ManagedAccounts accounts, Engine engine, SqlAccountStore store, KubesvcSettings settings) {
    Duration unused = Duration.ofSeconds(settings.accountCleanupSeconds());
    Housekeeping made =
        new Housekeeping(
            accounts, engine, () -> store.cleanUp(unused, settings.cleanDataWithUnusedAccounts()));
    made.start();
    return made;
  }

  @Bean(destroyMethod = "close")
  public CacheKeeper scaleAgentCacheKeeper(
      Database database,
      SqlAccountStore store,
      CatsTables tables,
      CatsRowWriter rows,
      KubesvcSettings settings,
      Engine engine) {
    CacheKeeper keeper =
        new CacheKeeper(
            database,
            store,
            tables,
            rows,
            !settings.v2EvictionDisabled(),
            settings.v2EvictionBatch(),
            settings.v2EvictionMillis(),
            engine::reopen);
    keeper.start();
    return keeper;
  }

  @Bean
  public SharedSecret scaleAgentSecret(SqlAccountStore store) {
    return store.secret();
  }

  @Bean(destroyMethod = "close")
  public PeerOperations scaleAgentPeers(AccountCatalog catalog, SharedSecret secret) {
    return new PeerOperations(catalog, secret);
  }

  @Bean
  public LocalOperations scaleAgentStreamOperations(Engine engine) {
    return new StreamOperations(engine);
  }

  @Bean(destroyMethod = "close")
  public OperationHistory scaleAgentHistory(
      Database database, KubesvcSettings settings, Environment environment) {
    OperationHistory history =
        new OperationHistory(
            database,
            HostAddress.of(environment).name(),
            Duration.ofDays(7L * settings.historyWeeks()),
            settings.historyPurgeCron());
    history.start();
    return history;
  }

  @Bean
  public OperationCaller scaleAgentCaller(
      AgentOperations operations,
      LocalOperations here,
      PeerOperations peers,
      OperationHistory history,
      PluginMetrics metrics,
      KubesvcSettings settings) {
    OperationCaller caller =
        new OperationCaller(
            new Routes(here, peers),
            settings.operationWaitMillis(),
            List.of(new AuditLog(), history, metrics));
    operations.connect(caller);
    return caller;
  }

  @Bean
  public PeerEndpoint scaleAgentPeerEndpoint(
      AccountCatalog catalog,
      SharedSecret secret,
      ObjectProvider<LocalOperations> operations,
      Engine engine) {
    return new PeerEndpoint(
        secret,
        catalog::clouddriverId,
        operations::getIfAvailable,
        agent -> engine.disconnect(agent, "disconnected by REST", DISCONNECTED_MILLIS));
  }

  @Bean(destroyMethod = "close")
  public AgentServer scaleAgentServer(GrpcSettings settings, Engine engine) throws IOException {
    AgentServer server = new AgentServer(settings, engine);
    server.start();
    return server;
  }
}
