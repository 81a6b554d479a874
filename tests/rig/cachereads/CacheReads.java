// SPDX-License-Identifier: Apache-2.0

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.cats.cache.CacheFilter;
import com.netflix.spinnaker.cats.cache.RelationshipCacheFilter;
import com.netflix.spinnaker.cats.sql.SqlProviderCache;
import com.netflix.spinnaker.cats.sql.cache.NoopCacheMetrics;
import com.netflix.spinnaker.cats.sql.cache.SqlCache;
import com.netflix.spinnaker.cats.sql.cache.SqlNamedCacheFactory;
import com.netflix.spinnaker.config.SqlConstraintsInitializer;
import com.netflix.spinnaker.kork.dynamicconfig.DynamicConfigService;
import com.netflix.spinnaker.kork.sql.config.SqlRetryProperties;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.time.Clock;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.slf4j.LoggerFactory;

/**
 * Reads two accounts of one cluster by a real Clouddriver's ProviderCache, by each of its ways to
 * read and with each cache filter, and says where they differ. Run by java's source launcher, with
 * Clouddriver's jars as class path: JDBC URL, user, password, the two accounts. Differences begin
 * with "! ", and the last line is "compared=N differences=N".
 */
public final class CacheReads {
  private static final ObjectMapper mapper =
      new ObjectMapper().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);

  /** What agents bring by default and polling does not. */
  private static final Set<String> AGENTS_ONLY = Set.of("namespace", "customResourceDefinition");

  private final SqlProviderCache cache;
  private final String[] accounts;
  private int compared;
  private int differences;

  private CacheReads(DSLContext dsl, String first, String second) {
    this.accounts = new String[] {first, second};
    this.cache =
        new SqlProviderCache(
            new SqlCache(
                "kubernetes",
                dsl,
                mapper,
                null,
                Clock.systemUTC(),
                new SqlRetryProperties(),
                null,
                new NoopCacheMetrics(),
                DynamicConfigService.NOOP,
                SqlConstraintsInitializer.INSTANCE.getDefaultSqlConstraints(SQLDialect.MYSQL),
                new SqlNamedCacheFactory.DefaultProviderCacheConfiguration()));
  }

  public static void main(String[] args) {
    ((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME)).setLevel(Level.OFF);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[0]);
    config.setUsername(args[1]);
    config.setPassword(args[2]);
    config.setMaximumPoolSize(2);
    CacheReads reads;
    try (HikariDataSource pool = new HikariDataSource(config)) {
      DSLContext dsl = DSL.using(pool, SQLDialect.MYSQL);
      reads = new CacheReads(dsl, args[3], args[4]);
      Set<String> types = types(dsl);
      types.forEach(type -> reads.type(type, types));
    }
    System.out.println("compared=" + reads.compared + " differences=" + reads.differences);
    System.exit(reads.differences == 0 && reads.compared > 0 ? 0 : 1);
  }

  private static Set<String> types(DSLContext dsl) {
    return dsl.fetch("show tables like 'cats\\_v1\\_%'").getValues(0, String.class).stream()
        .filter(t -> !t.endsWith("_rel") && !t.endsWith("_template"))
        .map(t -> t.substring("cats_v1_".length()))
        .filter(t -> !AGENTS_ONLY.contains(t))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private void type(String type, Set<String> types) {
    Collection<String> ids = cache.getIdentifiers(type);
    equal(type + " identifiers", keys(ids, 0), keys(ids, 1));
    Collection<String> found = cache.filterIdentifiers(type, "kubernetes.v2:*");
    equal(type + " filtered identifiers", keys(found, 0), keys(found, 1));
    Collection<String> there = cache.existingIdentifiers(type, ids);
    equal(type + " existing identifiers", keys(there, 0), keys(there, 1));
    Map<String, CacheFilter> filters = new LinkedHashMap<>();
    filters.put("no filter", null);
    filters.put("none", RelationshipCacheFilter.none());
    types.forEach(t -> filters.put(t, RelationshipCacheFilter.include(t)));
    filters.put("logical", RelationshipCacheFilter.include("applications", "clusters"));
    filters.put("all", RelationshipCacheFilter.include(types.toArray(new String[0])));
    filters.forEach(
        (name, filter) -> {
          rows(type + " all, " + name, cache.getAll(type, filter));
          rows(type + " by id, " + name, cache.getAll(type, ids, filter));
        });
    for (CacheFilter filter : Arrays.asList(null, RelationshipCacheFilter.none())) {
      rows(
          type + " one by one",
          some(ids).stream().map(id -> cache.get(type, id, filter)).collect(Collectors.toList()));
    }
  }

  /** The first objects by name, of both accounts. */
  private Collection<String> some(Collection<String> ids) {
    Set<String> names = new TreeSet<>(keys(ids, 0));
    names.addAll(keys(ids, 1));
    Set<String> first = names.stream().limit(100).collect(Collectors.toSet());
    return ids.stream()
        .filter(
            id ->
                common(id)
                    || (of(id, 0) && first.contains(neutral(id, 0)))
                    || (of(id, 1) && first.contains(neutral(id, 1))))
        .collect(Collectors.toList());
  }

  /** Whether a key is of an account: all but those of applications name one in the same place. */
  private boolean of(String id, int account) {
    String[] parts = id.split(":");
    return parts.length > 3 && !common(id) && parts[3].equals(accounts[account]);
  }

  private static boolean common(String id) {
    return id.startsWith("kubernetes.v2:logical:applications:");
  }

  private String neutral(String text, int account) {
    return text.replace(":" + accounts[account] + ":", ":ACCOUNT:");
  }

  private Set<String> keys(Collection<String> ids, int account) {
    return ids.stream()
        .filter(id -> of(id, account))
        .map(id -> neutral(id, account))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private void rows(String what, Collection<CacheData> rows) {
    List<Map<String, String>> both = List.of(new TreeMap<>(), new TreeMap<>());
    for (CacheData row : rows) {
      for (int account = 0; account < 2; account++) {
        if (of(row.getId(), account) || common(row.getId())) {
          both.get(account)
              .put(neutral(row.getId(), account), neutral(text(row, account), account));
        }
      }
    }
    Set<String> ids = new TreeSet<>(both.get(0).keySet());
    ids.addAll(both.get(1).keySet());
    for (String id : ids) {
      equal(what + " " + id, both.get(0).get(id), both.get(1).get(id));
    }
  }

  /** Attributes, and relationships as far as they are of the account. */
  private String text(CacheData row, int account) {
    ObjectNode node = mapper.createObjectNode();
    ObjectNode attributes = mapper.valueToTree(new TreeMap<>(row.getAttributes()));
    attributes.remove("cacheExpiry");
    JsonNode metadata = attributes.at("/manifest/metadata");
    if (metadata.isObject()) {
      ((ObjectNode) metadata).remove(List.of("resourceVersion", "managedFields"));
      if (attributes.at("/manifest/kind").asText().equals("Secret")
          && metadata.has("annotations")) {
        ((ObjectNode) metadata.get("annotations"))
            .remove("kubectl.kubernetes.io/last-applied-configuration");
      }
    }
    node.set("attributes", attributes);
    Map<String, Set<String>> relationships = new TreeMap<>();
    row.getRelationships()
        .forEach(
            (type, ids) -> {
              if (!AGENTS_ONLY.contains(type)) {
                relationships.put(
                    type,
                    ids.stream()
                        .filter(id -> of(id, account) || common(id))
                        .collect(Collectors.toCollection(TreeSet::new)));
              }
            });
    node.set("relationships", mapper.valueToTree(relationships));
    try {
      return mapper.writeValueAsString(mapper.convertValue(node, Map.class));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private void equal(String what, Object first, Object second) {
    compared++;
    if (first == null || !first.equals(second)) {
      differences++;
      if (differences <= 10) {
        System.out.println(
            "! " + what + ": " + accounts[0] + " " + first + ", " + accounts[1] + " " + second);
      }
    }
  }
}
