// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.reflect.ClassPath;
import com.google.gson.Gson;
import com.netflix.spectator.api.NoopRegistry;
import com.netflix.spinnaker.cats.agent.CacheResult;
import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.cats.cache.RelationshipCacheFilter;
import com.netflix.spinnaker.cats.sql.SqlProviderCache;
import com.netflix.spinnaker.cats.sql.cache.NoopCacheMetrics;
import com.netflix.spinnaker.cats.sql.cache.SqlCache;
import com.netflix.spinnaker.cats.sql.cache.SqlNames;
import com.netflix.spinnaker.cats.sql.cache.SqlNamedCacheFactory;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCoreCachingAgent;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesUnregisteredCustomResourceCachingAgent;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.AccountResourcePropertyRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.description.GlobalResourcePropertyRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKindProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.names.KubernetesManifestNamer;
import com.netflix.spinnaker.clouddriver.kubernetes.names.KubernetesNamerRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.op.handler.KubernetesHandler;
import com.netflix.spinnaker.clouddriver.kubernetes.op.handler.KubernetesUnregisteredCustomResourceHandler;
import com.netflix.spinnaker.clouddriver.kubernetes.security.GlobalKubernetesKindRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesKindRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import com.netflix.spinnaker.config.SqlConstraints;
import com.netflix.spinnaker.config.SqlConstraintsInitializer;
import com.netflix.spinnaker.kork.dynamicconfig.DynamicConfigService;
import com.netflix.spinnaker.kork.sql.config.SqlRetryProperties;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import io.scaleagent.clouddriver.accounts.LoadedAccounts;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.RowChange;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlAccountStore;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * Runs in a JVM with a real Clouddriver's classes: changes a cluster at random through the plugin's
 * writer, and compares what ProviderCache reads then with what it reads of the rows that the stock
 * caching agents make of all objects at once. Compiled and started by StockOracleTest; ends with
 * status 0 if there is no difference.
 */
public final class StockOracle {
  private static final String ACCOUNT = "prod";
  private static final Gson gson = new Gson();
  private static final ObjectMapper mapper = new ObjectMapper();
  private static final List<RelationshipCacheFilter> FILTERS =
      Arrays.asList(
          null,
          RelationshipCacheFilter.none(),
          RelationshipCacheFilter.include("pod"),
          RelationshipCacheFilter.include("applications", "clusters"),
          RelationshipCacheFilter.include("service", "replicaSet", "Rollout"));

  private final HikariDataSource pool;
  private final DSLContext dsl;
  private final boolean mysql;
  private final boolean all;
  private final KubernetesNamedAccountCredentials named;
  private final KubernetesConfigurationProperties properties =
      new KubernetesConfigurationProperties();
  private final KubernetesSpinnakerKindMap kindMap;
  private int differences;
  private int compared;

  /** The stock agent for built-in kinds. */
  private static final class Core extends KubernetesCoreCachingAgent {
    Core(StockOracle o) {
      super(o.named, mapper, new NoopRegistry(), 0, 1, 1L, o.properties, o.kindMap, null);
    }

    CacheResult rows(Map<KubernetesKind, List<KubernetesManifest>> objects) {
      return buildCacheResult(objects);
    }
  }

  /** The stock agent for custom kinds. */
  private static final class Custom extends KubernetesUnregisteredCustomResourceCachingAgent {
    Custom(StockOracle o) {
      super(o.named, mapper, new NoopRegistry(), 0, 1, 1L, o.properties, o.kindMap, null);
    }

    CacheResult rows(Map<KubernetesKind, List<KubernetesManifest>> objects) {
      return buildCacheResult(objects);
    }
  }

  /** The plugin's side: the account as the host has it. */
  private final class Loaded implements LoadedAccounts, LoadedAccount {
    @Override
    public LoadedAccount require(String account) {
      return this;
    }

    @Override
    public String settings(String account, AccountProperties p) {
      return "s";
    }

    @Override
    public String name() {
      return ACCOUNT;
    }

    @Override
    public String agentType() {
      return CatsRowWriter.agentType(ACCOUNT);
    }

    @Override
    public KubernetesCredentials credentials() {
      return named.getCredentials();
    }

    @Override
    public boolean caches(KubernetesKind kind) {
      return true;
    }
  }

  private StockOracle(String url, boolean all) throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setUsername("root");
    config.setMaximumPoolSize(5);
    this.pool = new HikariDataSource(config);
    this.mysql = url.startsWith("jdbc:mysql");
    this.all = all;
    this.dsl = DSL.using(pool, mysql ? SQLDialect.MARIADB : SQLDialect.POSTGRES);
    List<KubernetesHandler> handlers = handlers();
    this.kindMap = new KubernetesSpinnakerKindMap(handlers);
    this.named = credentials(handlers);
  }

  private static List<KubernetesHandler> handlers() throws Exception {
    List<KubernetesHandler> all = new ArrayList<>();
    for (ClassPath.ClassInfo info :
        ClassPath.from(StockOracle.class.getClassLoader())
            .getTopLevelClasses(KubernetesHandler.class.getPackage().getName())) {
      Class<?> type = info.load();
      if (KubernetesHandler.class.isAssignableFrom(type)
          && !Modifier.isAbstract(type.getModifiers())
          && Arrays.stream(type.getConstructors()).anyMatch(c -> c.getParameterCount() == 0)) {
        all.add((KubernetesHandler) type.getConstructor().newInstance());
      }
    }
    return all;
  }

  private KubernetesNamedAccountCredentials credentials(List<KubernetesHandler> handlers) {
    GlobalResourcePropertyRegistry global =
        new GlobalResourcePropertyRegistry(
            handlers, new KubernetesUnregisteredCustomResourceHandler());
    KubernetesCredentials.Factory factory =
        new KubernetesCredentials.Factory(
            new NoopRegistry(),
            new KubernetesNamerRegistry(List.of(new KubernetesManifestNamer())),
            null,
            null,
            new AccountResourcePropertyRegistry.Factory(global),
            new KubernetesKindRegistry.Factory(
                new GlobalKubernetesKindRegistry(
                    KubernetesKindProperties.getGlobalKindProperties())),
            kindMap,
            global);
    ManagedAccount account = new ManagedAccount();
    account.setName(ACCOUNT);
    account.setServiceAccount(true);
    account.setCheckPermissionsOnStartup(false);
    account.setMetrics(false);
    account.setCacheAllApplicationRelationships(all);
    return new KubernetesNamedAccountCredentials(account, factory);
  }

  private SqlProviderCache cache(String namespace) {
    SqlConstraints constraints =
        SqlConstraintsInitializer.INSTANCE.getDefaultSqlConstraints(dsl.dialect());
    return new SqlProviderCache(
        new SqlCache(
            "kubernetes",
            dsl,
            mapper,
            null,
            Clock.systemUTC(),
            new SqlRetryProperties(),
            namespace,
            new NoopCacheMetrics(),
            DynamicConfigService.NOOP,
            constraints,
            new SqlNamedCacheFactory.DefaultProviderCacheConfiguration()));
  }

  private void run(long seed) throws Exception {
    Cluster cluster = new Cluster(seed);
    Random random = new Random(seed);
    Database database = new Database(dsl);
    CatsNames names = mysql ? CatsNames.mysql(null) : CatsNames.postgres(null);
    CatsTables tables = new CatsTables(names);
    CatsRowWriter writer =
        new CatsRowWriter(
            database,
            tables,
            mapper,
            new ClouddriverConverters(new Loaded(), (a, p) -> "s", a -> true));
    SqlAccountStore store = new SqlAccountStore(database, "oracle", "", 60_000, writer);
    AgentConnection agent = store.connect("a", "", "1", "00", "");
    Lease lease = open(store, agent, writer);
    for (int i = 0; i < 300; ) {
      Map<String, RowChange> batch = new TreeMap<>();
      for (int n = 1 + random.nextInt(5); n > 0; n--, i++) {
        Cluster.Change c = cluster.change();
        batch.put(
            c.scope + " " + c.key,
            c.object == null
                ? RowChange.delete(c.scope, c.key)
                : RowChange.put(c.scope, c.key, Cluster.json(c.object)));
      }
      store.transact(lease, tx -> writer.write(tx, new ArrayList<>(batch.values())));
      if (random.nextInt(20) == 0) {
        lease = open(store, agent, writer);
      }
      if (random.nextInt(15) == 0 || i >= 300) {
        compare(cluster, "change " + i + " of seed " + seed);
      }
    }
    names(names);
    writer.erase(dsl, ACCOUNT);
    store.transact(lease, tx -> tx.scopes(List.of()));
  }

  private static Lease open(SqlAccountStore store, AgentConnection agent, CatsRowWriter writer)
      throws Exception {
    AccountProperties p =
        new AccountProperties(
            "", "", "", "c", Map.of(), List.of(), List.of(), List.of(), List.of(), false, false);
    Lease lease = store.open(agent, ACCOUNT, p, "s").lease();
    writer.prepare(ACCOUNT, Cluster.SCOPES);
    store.transact(lease, tx -> tx.scopes(Cluster.SCOPES));
    return lease;
  }

  private void compare(Cluster cluster, String when) {
    for (String table :
        dsl.fetch(new Database(dsl).sql().tablesOfThisSchema()).getValues(0, String.class)) {
      if (table.startsWith("cats_v1_stock_")) {
        dsl.execute("delete from " + table);
      }
    }
    SqlProviderCache stock = cache("stock");
    Set<String> types = new TreeSet<>(Set.of("applications", "clusters"));
    Core core = new Core(this);
    put(stock, core.getAgentType(), core.rows(objects(cluster, false)), null, types);
    Custom custom = new Custom(this);
    Map<KubernetesKind, List<KubernetesManifest>> objects = objects(cluster, true);
    Set<String> own =
        objects.keySet().stream().map(KubernetesKind::toString).collect(Collectors.toSet());
    put(stock, custom.getAgentType(), custom.rows(objects), own, types);
    Cluster.SCOPES.forEach(s -> types.add(kind(s).toString()));
    SqlProviderCache ours = cache(null);
    for (String type : types) {
      for (RelationshipCacheFilter filter : FILTERS) {
        equal(read(stock, type, filter), read(ours, type, filter), type + " " + when);
      }
    }
  }

  private static void put(
      SqlProviderCache cache,
      String agent,
      CacheResult result,
      Set<String> authoritative,
      Set<String> types) {
    types.addAll(result.getCacheResults().keySet());
    Set<String> of =
        new HashSet<>(authoritative == null ? result.getCacheResults().keySet() : authoritative);
    cache.putCacheResult(agent, of, result);
  }

  private static KubernetesKind kind(ScopeType scope) {
    String group = scope.name().group();
    return KubernetesKind.fromString(group.isEmpty() ? scope.kind() : scope.kind() + "." + group);
  }

  private static Map<KubernetesKind, List<KubernetesManifest>> objects(
      Cluster cluster, boolean custom) {
    Map<KubernetesKind, List<KubernetesManifest>> all = new HashMap<>();
    for (ScopeType scope : Cluster.SCOPES) {
      if (custom == scope.equals(Cluster.ROLLOUTS)) {
        for (Map.Entry<ObjectKey, Map<String, Object>> e : cluster.objects(scope).entrySet()) {
          // Stock relates what it leaves out before it does so: ids that lead nowhere. Agents do
          // not even send such objects. The rows are those of a cluster without them.
          if (!leftOut(e.getValue())) {
            String json = StandardCharsets.UTF_8.decode(Cluster.json(e.getValue())).toString();
            all.computeIfAbsent(kind(scope), k -> new ArrayList<>())
                .add(gson.fromJson(json, KubernetesManifest.class));
          }
        }
      }
    }
    return all;
  }

  private static boolean leftOut(Map<String, Object> object) {
    Map<?, ?> metadata = (Map<?, ?>) object.get("metadata");
    Map<?, ?> annotations = (Map<?, ?>) metadata.get("annotations");
    return annotations != null && "true".equals(annotations.get("caching.spinnaker.io/ignore"));
  }

  private static Map<String, StockModel.Row> read(
      SqlProviderCache cache, String type, RelationshipCacheFilter filter) {
    Map<String, StockModel.Row> rows = new TreeMap<>();
    for (CacheData data : cache.getAll(type, filter)) {
      Map<String, Set<String>> relationships = new TreeMap<>();
      data.getRelationships().forEach((k, v) -> relationships.put(k, new TreeSet<>(v)));
      // When a logical row was made: stock stores it, of ours a reader always takes now.
      Map<String, Object> attributes = new HashMap<>(data.getAttributes());
      attributes.remove("cacheExpiry");
      rows.put(data.getId(), new StockModel.Row(attributes, relationships));
    }
    return rows;
  }

  private void equal(
      Map<String, StockModel.Row> stock, Map<String, StockModel.Row> ours, String what) {
    Set<String> ids = new TreeSet<>(stock.keySet());
    ids.addAll(ours.keySet());
    for (String id : ids) {
      compared++;
      if (!ours.containsKey(id) || !ours.get(id).equals(stock.get(id))) {
        differences++;
        if (differences <= 5) {
          System.out.println(
              what + ": " + id + "\n  stock " + stock.get(id) + "\n  ours  " + ours.get(id));
        }
      }
    }
  }

  /** Names of tables and agents, short and long, against Clouddriver's own. */
  private void names(CatsNames ours) {
    SqlConstraints constraints =
        SqlConstraintsInitializer.INSTANCE.getDefaultSqlConstraints(dsl.dialect());
    for (String namespace : Arrays.asList(null, "blue")) {
      SqlNames stock = new SqlNames(namespace, constraints);
      CatsNames same = mysql ? CatsNames.mysql(namespace) : CatsNames.postgres(namespace);
      for (int n = 1; n < 120; n++) {
        String type = "Kind.with-odd" + "x".repeat(n);
        compared += 2;
        differences += stock.resourceTableName(type).equals(same.table(type)) ? 0 : 1;
        differences += stock.relTableName(type).equals(same.relTable(type)) ? 0 : 1;
      }
    }
    for (int n = 1; n < 300; n++) {
      String agent = "a".repeat(n) + "/ManagedCachingAgent[1/1]";
      compared++;
      String stock = agentName(new SqlNames(null, constraints), agent);
      differences += ours.agent(agent).equals(stock) ? 0 : 1;
    }
  }

  /** It is internal to its module, and has a name made by the compiler for that. */
  private static String agentName(SqlNames names, String agent) {
    try {
      return (String)
          Arrays.stream(SqlNames.class.getMethods())
              .filter(m -> m.getName().startsWith("checkAgentName"))
              .findFirst()
              .orElseThrow()
              .invoke(names, agent);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * @param args JDBC URL
   */
  public static void main(String[] args) throws Exception {
    int differences = 0;
    for (boolean all : new boolean[] {false, true}) {
      StockOracle oracle = new StockOracle(args[0], all);
      oracle.run(all ? 1 : 2);
      oracle.run(all ? 3 : 4);
      System.out.println("compared=" + oracle.compared + " differences=" + oracle.differences);
      differences += oracle.differences + (oracle.compared < 1000 ? 1 : 0);
      oracle.pool.close();
    }
    System.exit(differences == 0 ? 0 : 1);
  }
}
