// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Result;

/** The database's view of agents, accounts and Clouddrivers. */
public final class SqlAccountCatalog implements AccountCatalog {
  private static final long RECENT_MILLIS = 600_000;

  private final Database database;
  private final String clock;
  private final LongSupplier self;

  SqlAccountCatalog(Database database, LongSupplier self) {
    this.database = Objects.requireNonNull(database);
    this.clock = database.sql().clock();
    this.self = Objects.requireNonNull(self);
  }

  @Override
  public long revision() {
    return database.run(
        "reading the accounts' revision",
        d ->
            d.fetchOne("select value from scale_agent_counter where name = 'accounts'")
                .get(0, Long.class));
  }

  @Override
  public List<AgentAccount> accounts() {
    return database.run("reading accounts", d -> accounts(d, ""));
  }

  @Override
  public Optional<AgentAccount> account(String name) {
    return database
        .run("reading account " + name, d -> accounts(d, " where c.account = ?", name))
        .stream()
        .findFirst();
  }

  private List<AgentAccount> accounts(DSLContext d, String where, Object... values) {
    Result<Record> found =
        d.fetch(
            "select c.account, c.properties, c.changed_at, a.agent_id, a.replica, a.kept,"
                + " (select max(g.zone_id) from scale_agent_agent g where g.agent_id = a.agent_id),"
                + " (select count(*) from scale_agent_named n"
                + " join scale_agent_agent g on g.agent_id = n.agent_id"
                + " join scale_agent_replica r on r.id = g.replica"
                + " where n.account = c.account and g.connected = 1 and r.alive_until >= "
                + clock
                + "), (select count(*) from scale_agent_replica r"
                + " where r.id = a.replica and r.alive_until >= "
                + clock
                + ") from scale_agent_account c"
                + " left join scale_agent_assignment a on a.account = c.account"
                + where,
            values);
    List<AgentAccount> all = new ArrayList<>();
    for (Record r : found) {
      Integer kept = r.get(5, Integer.class);
      boolean held = kept != null && kept != 0 && r.get(8, Long.class) > 0;
      String zone = r.get(6, String.class);
      all.add(
          new AgentAccount(
              r.get(0, String.class),
              PropertiesCodec.decode(r.get(1, String.class)),
              zone == null ? "" : zone,
              r.get(7, Integer.class),
              held ? r.get(3, String.class) : "",
              held ? r.get(4, Long.class).toString() : "",
              Instant.ofEpochMilli(r.get(2, Long.class))));
    }
    return all;
  }

  @Override
  public Set<String> storing(Collection<String> accounts, String group, String resource) {
    Set<String> storing = new HashSet<>();
    for (List<String> part : Parts.of(accounts, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>(List.of(group, resource));
      values.addAll(part);
      storing.addAll(
          database.run(
              "looking for accounts with " + resource,
              d ->
                  d.fetch(
                          "select distinct account from scale_agent_scope"
                              + " where objects > 0 and api_group = ? and resource = ?"
                              + " and account in ("
                              + Sql.marks(part.size())
                              + ")",
                          values.toArray())
                      .getValues(0, String.class)));
    }
    return storing;
  }

  @Override
  public List<ConnectedAgent> agents() {
    return database.run("reading agents", this::agents);
  }

  private List<ConnectedAgent> agents(DSLContext d) {
    Map<String, Set<String>> named = new TreeMap<>();
    for (Record r : d.fetch("select agent_id, account from scale_agent_named")) {
      named
          .computeIfAbsent(r.get(0, String.class), a -> new HashSet<>())
          .add(r.get(1, String.class));
    }
    Map<String, Set<String>> keeping = new TreeMap<>();
    for (Record r :
        d.fetch(
            "select a.agent_id, a.account from scale_agent_assignment a"
                + " join scale_agent_replica r on r.id = a.replica"
                + " where a.kept = 1 and r.alive_until >= "
                + clock)) {
      keeping
          .computeIfAbsent(r.get(0, String.class), a -> new HashSet<>())
          .add(r.get(1, String.class));
    }
    List<ConnectedAgent> all = new ArrayList<>();
    for (Record r :
        d.fetch(
            "select g.agent_id, g.replica, g.changed_at from scale_agent_agent g"
                + " join scale_agent_replica r on r.id = g.replica"
                + " where g.connected = 1 and r.alive_until >= "
                + clock)) {
      String id = r.get(0, String.class);
      all.add(
          new ConnectedAgent(
              id,
              r.get(1, Long.class).toString(),
              Instant.ofEpochMilli(r.get(2, Long.class)),
              named.getOrDefault(id, Set.of()),
              keeping.getOrDefault(id, Set.of())));
    }
    return all;
  }

  @Override
  public List<io.scaleagent.clouddriver.accounts.Replica> clouddrivers() {
    return database.run(
        "reading Clouddrivers",
        d ->
            d
                .fetch(
                    "select id, address, alive_until, "
                        + clock
                        + " from scale_agent_replica where alive_until > "
                        + clock
                        + " - ?",
                    RECENT_MILLIS)
                .stream()
                .map(SqlAccountCatalog::clouddriver)
                .collect(Collectors.toList()));
  }

  private static io.scaleagent.clouddriver.accounts.Replica clouddriver(Record r) {
    long until = r.get(2, Long.class);
    long now = r.get(3, Long.class);
    return new io.scaleagent.clouddriver.accounts.Replica(
        r.get(0, Long.class).toString(),
        r.get(1, String.class),
        Instant.ofEpochMilli(Math.min(until, now)),
        until >= now);
  }

  @Override
  public String clouddriverId() {
    return Long.toString(self.getAsLong());
  }

  /** Accounts with a definition that no connected agent has named for so long. */
  List<String> unusedFor(long millis) {
    return database.run(
        "looking for unused accounts",
        d ->
            d.fetch(
                    "select c.account from scale_agent_account c"
                        + " left join scale_agent_assignment a on a.account = c.account"
                        + " left join scale_agent_replica ra on ra.id = a.replica"
                        + " where c.changed_at < "
                        + clock
                        + " - ? and (a.account is null or a.changed_at < "
                        + clock
                        + " - ?) and (a.kept is null or a.kept = 0 or ra.alive_until is null"
                        + " or ra.alive_until < "
                        + clock
                        + " - ?) and not exists (select 1 from scale_agent_named n"
                        + " join scale_agent_agent g on g.agent_id = n.agent_id"
                        + " left join scale_agent_replica r on r.id = g.replica"
                        + " where n.account = c.account and ((g.connected = 1 and"
                        + " r.alive_until >= "
                        + clock
                        + " - ?) or (g.connected = 0 and g.changed_at >= "
                        + clock
                        + " - ?)))",
                    millis,
                    millis,
                    millis,
                    millis,
                    millis)
                .getValues(0, String.class));
  }
}
