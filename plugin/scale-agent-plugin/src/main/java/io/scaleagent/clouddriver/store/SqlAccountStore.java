// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.peers.SharedSecret;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AccountStore;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.Opening;
import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The store in Clouddriver's SQL database. An account's row in scale_agent_assignment is its lock:
 * whoever changes anything of the account holds it, and checks the epoch there.
 */
public final class SqlAccountStore implements AccountStore {
  private static final Logger log = LoggerFactory.getLogger(SqlAccountStore.class);
  private static final int LOCK_ATTEMPTS = 10;

  private final Database database;
  private final Sql sql;
  private final Numbers numbers;
  private final Replica self;
  private final AgentTable agents;
  private final AccountEraser eraser;
  private final Map<String, Epoch> epochs = new ConcurrentHashMap<>();

  /** What is known of an account while this Clouddriver has it. */
  private static final class Epoch {
    final Lease lease;
    ScopeTable scopes;

    Epoch(Lease lease) {
      this.lease = lease;
    }

    long number() {
      return lease.epoch();
    }
  }

  /** Leaves a transaction whose lease is over. */
  private static final class Over extends Database.Leave {
    Over(String message) {
      super(message);
    }
  }

  /**
   * Begins to live: takes a lease for this Clouddriver.
   *
   * @param name of this Clouddriver, for people
   * @param address under which other Clouddrivers reach it, "" if they can't
   * @param leaseMillis how long others wait before they take it for dead
   * @param eraser deletes an account's rows in Clouddriver's cache
   */
  public SqlAccountStore(
      Database database, String name, String address, long leaseMillis, AccountEraser eraser) {
    this.database = Objects.requireNonNull(database);
    this.sql = database.sql();
    this.numbers = new Numbers(database);
    this.self = new Replica(database, numbers, name, address, leaseMillis);
    this.agents = new AgentTable(database, numbers, self);
    this.eraser = Objects.requireNonNull(eraser);
    renew();
  }

  /** The leases of this Clouddriver, as far as it knows. */
  public List<Lease> held() {
    return epochs.values().stream().map(e -> e.lease).collect(Collectors.toList());
  }

  /** What all Clouddrivers know of accounts. */
  public SqlAccountCatalog catalog() {
    return new SqlAccountCatalog(database, self::id);
  }

  /** What the Clouddrivers of this database know each other by. */
  public SharedSecret secret() {
    return new SqlSecret(database);
  }

  /** Gives everything up at once, at an orderly end. */
  public void close() {
    self.end();
  }

  @Override
  public boolean renew() {
    return self.renew();
  }

  @Override
  public long leaseMillis() {
    return self.leaseMillis();
  }

  @Override
  public AgentConnection connect(
      String agentId, String zoneId, String agentVersion, String instance, String peer) {
    return agents.connect(agentId, zoneId, agentVersion, instance, peer);
  }

  @Override
  public void disconnect(AgentConnection agent) {
    agents.disconnect(agent);
  }

  @Override
  public Set<AgentConnection> superseded(Collection<AgentConnection> mine) {
    return agents.superseded(mine);
  }

  @Override
  public Set<String> named(AgentConnection agent, Set<String> accounts) {
    Set<String> dropped =
        database.transact(agent + " names its accounts", tx -> rename(tx, agent, accounts));
    Set<String> retracted = new TreeSet<>();
    for (String account : dropped) {
      if (retract(account, true)) {
        retracted.add(account);
      }
    }
    return retracted;
  }

  /** Which of the agent's accounts nobody names any more; empty if the stream is superseded. */
  private Set<String> rename(DSLContext tx, AgentConnection agent, Set<String> accounts) {
    Record present =
        tx.fetchOne(
            "select stream from scale_agent_agent where agent_id = ? for update", agent.agentId());
    if (present == null || present.get(0, Long.class) != agent.number()) {
      return Set.of();
    }
    Set<String> before =
        new HashSet<>(
            tx.fetch("select account from scale_agent_named where agent_id = ?", agent.agentId())
                .getValues(0, String.class));
    for (List<String> part : Parts.of(new TreeSet<>(accounts), Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>();
      part.stream()
          .filter(a -> !before.contains(a))
          .forEach(a -> values.addAll(List.of(a, agent.agentId())));
      if (!values.isEmpty()) {
        tx.execute(
            sql.upsert(
                "scale_agent_named", List.of("account", "agent_id"), List.of(), values.size() / 2),
            values.toArray());
      }
    }
    before.removeAll(accounts);
    for (String gone : before) {
      tx.execute(
          "delete from scale_agent_named where account = ? and agent_id = ?",
          gone,
          agent.agentId());
    }
    return before;
  }

  /**
   * Deletes an account with everything that is stored of it, under a new epoch, so that whoever
   * still writes it is fenced.
   *
   * @param unlessNamed leave it if some agent names it
   * @return whether it was there and is gone
   */
  boolean retract(String account, boolean unlessNamed) {
    long epoch = numbers.draw();
    boolean gone =
        locked(
            "retracting account " + account,
            tx -> {
              Assignment present = Assignment.lock(tx, sql, self, account);
              if (present == null || (unlessNamed && named(tx, account))) {
                return false;
              }
              tx.execute(
                  "update scale_agent_assignment set epoch = ? where account = ?", epoch, account);
              dropData(tx, account);
              tx.execute("delete from scale_agent_account where account = ?", account);
              accountsChanged(tx);
              tx.execute("delete from scale_agent_assignment where account = ?", account);
              return true;
            });
    if (gone) {
      epochs.remove(account);
      eraser.forget(account);
      log.info("account {} is retracted with its rows", account);
    }
    return gone;
  }

  /**
   * Takes leave of accounts that no connected agent has named for a while.
   *
   * @param unused for how long, by the database's clock
   * @param withRows whether their rows go, too; else a later agent finds them as they were left
   * @return names of those that went
   */
  public Set<String> cleanUp(Duration unused, boolean withRows) {
    Set<String> gone = new TreeSet<>();
    for (String account : catalog().unusedFor(unused.toMillis())) {
      if (withRows ? retract(account, false) : undefine(account)) {
        gone.add(account);
      }
    }
    DeadAgents.forget(database, Math.max(unused.toMillis(), DeadAgents.KEEP_MILLIS));
    return gone;
  }

  private boolean undefine(String account) {
    return database.transact(
        "removing the definition of account " + account,
        tx -> {
          if (tx.execute("delete from scale_agent_account where account = ?", account) == 0) {
            return false;
          }
          accountsChanged(tx);
          return true;
        });
  }

  private static void accountsChanged(DSLContext tx) {
    tx.execute("update scale_agent_counter set value = value + 1 where name = 'accounts'");
  }

  private static boolean named(DSLContext tx, String account) {
    return tx.fetchOne("select count(*) from scale_agent_named where account = ?", account)
            .get(0, Long.class)
        > 0;
  }

  private void dropData(DSLContext tx, String account) {
    eraser.erase(tx, account);
    ScopeTable scopes = ScopeTable.read(tx, account);
    scopes.delete(tx, scopes.stored(0).stream().map(s -> s.id()).collect(Collectors.toList()));
  }

  @Override
  public Opening open(
      AgentConnection agent, String account, AccountProperties properties, String settings) {
    numbers.reserve();
    Lease lease = new Lease(account, numbers.draw(), agent, settings);
    Epoch begun = new Epoch(lease);
    Opening opening =
        locked(
            "opening account " + account,
            tx -> {
              insertIfMissing(tx, account);
              Assignment present = Assignment.lock(tx, sql, self, account);
              return decide(tx, present, begun, lease, properties);
            });
    if (opening.decision() == Opening.Decision.CACHING) {
      epochs.put(account, begun);
    }
    return opening;
  }

  private void insertIfMissing(DSLContext tx, String account) {
    if (tx.fetch("select epoch from scale_agent_assignment where account = ?", account).isEmpty()) {
      tx.execute(
          sql.upsert(
              "scale_agent_assignment",
              List.of("account"),
              List.of("epoch", "replica", "agent_id", "stream", "kept", "changed_at"),
              1),
          account,
          0L,
          0L,
          "",
          0L,
          0,
          now(tx));
    }
  }

  private Opening decide(
      DSLContext tx, Assignment present, Epoch begun, Lease lease, AccountProperties properties) {
    AgentConnection agent = lease.agent();
    if (present.epoch > begun.number()) {
      return Opening.standby(lease, "another stream opened the account at the same moment");
    }
    if (streamOf(tx, agent.agentId()) != agent.number()) {
      return Opening.standby(lease, "agent " + agent.agentId() + " has connected anew");
    }
    AccountProperties stored = properties(tx, present.account);
    boolean sameCluster = stored == null || sameCluster(stored, properties);
    if (present.held() && !present.agentId.equals(agent.agentId())) {
      return sameCluster
          ? Opening.standby(lease, "agent " + present.agentId + " keeps the account")
          : Opening.nameInUse(
              lease,
              String.format(
                  "agent %s brings %s by the name %s, this is %s",
                  present.agentId, cluster(stored), present.account, cluster(properties)));
    }
    if (!sameCluster) {
      log.warn(
          "account {} was {} and is {} now: its rows are dropped",
          present.account,
          cluster(stored),
          cluster(properties));
      dropData(tx, present.account);
    }
    return assign(tx, begun, lease, properties);
  }

  private Opening assign(DSLContext tx, Epoch begun, Lease lease, AccountProperties properties) {
    eraser.forget(lease.account());
    tx.execute(
        "update scale_agent_assignment set epoch = ?, replica = ?, agent_id = ?, stream = ?,"
            + " kept = 1, changed_at = "
            + sql.clock()
            + " where account = ?",
        begun.number(),
        self.id(),
        lease.agent().agentId(),
        lease.agent().number(),
        lease.account());
    String text = PropertiesCodec.encode(properties);
    long now = now(tx);
    if (!text.equals(propertiesText(tx, lease.account()))) {
      tx.execute(
          sql.upsert(
              "scale_agent_account", List.of("account"), List.of("properties", "changed_at"), 1),
          lease.account(),
          text,
          now);
      accountsChanged(tx);
    }
    begun.scopes = ScopeTable.read(tx, lease.account());
    begun.scopes.countStale(tx, lease.settings());
    begun.scopes.flush(tx, sql, lease.settings(), "");
    return Opening.caching(lease, begun.scopes.stored(now));
  }

  private long streamOf(DSLContext tx, String agentId) {
    Record r = tx.fetchOne("select stream from scale_agent_agent where agent_id = ?", agentId);
    return r == null ? 0 : r.get(0, Long.class);
  }

  private static String propertiesText(DSLContext tx, String account) {
    Record r = tx.fetchOne("select properties from scale_agent_account where account = ?", account);
    return r == null ? null : r.get(0, String.class);
  }

  private static AccountProperties properties(DSLContext tx, String account) {
    String text = propertiesText(tx, account);
    return text == null ? null : PropertiesCodec.decode(text);
  }

  /** By kube-system's uid where both know it, else by server and certificate. */
  private static boolean sameCluster(AccountProperties a, AccountProperties b) {
    if (!a.clusterId().isEmpty() && !b.clusterId().isEmpty()) {
      return a.clusterId().equals(b.clusterId());
    }
    return a.server().equals(b.server()) && a.certificateSha256().equals(b.certificateSha256());
  }

  private static String cluster(AccountProperties p) {
    return "cluster " + (p.clusterId().isEmpty() ? "at " + p.server() : p.clusterId());
  }

  @Override
  public boolean hasItsShare(AgentConnection agent, String account) {
    return Loads.hasItsShare(database, agent, account);
  }

  @Override
  public void release(Lease lease) {
    epochs.computeIfPresent(lease.account(), (a, e) -> e.number() == lease.epoch() ? null : e);
    database.transact(
        "releasing " + lease,
        tx ->
            tx.execute(
                "update scale_agent_assignment set kept = 0, changed_at = "
                    + sql.clock()
                    + " where account = ? and epoch = ? and kept = 1",
                lease.account(),
                lease.epoch()));
  }

  @Override
  public Set<String> unkept(Collection<String> accounts) {
    Set<String> free = new HashSet<>(accounts);
    for (List<String> part : Parts.of(accounts, Sql.STATEMENT_ROWS)) {
      free.removeAll(
          database.run(
              "looking for accounts that nobody keeps",
              d ->
                  d.fetch(
                          "select a.account from scale_agent_assignment a join scale_agent_replica"
                              + " r on r.id = a.replica where a.kept = 1 and r.alive_until >= "
                              + sql.clock()
                              + " and a.account in ("
                              + Sql.marks(part.size())
                              + ")",
                          part.toArray())
                      .getValues(0, String.class)));
    }
    if (!free.isEmpty()) {
      self.endDead(); // one that stands still would let us wait for its locks
    }
    return free;
  }

  @Override
  public <T> T transact(Lease lease, Work<T> work) throws FencedException {
    numbers.reserve();
    Epoch epoch = epochs.get(lease.account());
    if (epoch == null || epoch.number() != lease.epoch()) {
      throw new FencedException(lease + " is over");
    }
    // One at a time also until what is in memory follows the commit, after the account's lock.
    synchronized (epoch) {
      return transact(epoch, lease, work);
    }
  }

  private <T> T transact(Epoch epoch, Lease lease, Work<T> work) throws FencedException {
    Attempt attempt = new Attempt(epoch, lease);
    try {
      T result = locked("writing " + lease, tx -> attempt.run(tx, work));
      attempt.keep();
      return result;
    } catch (Over over) {
      epochs.computeIfPresent(lease.account(), (a, e) -> e.number() == lease.epoch() ? null : e);
      throw new FencedException(over.getMessage());
    } finally {
      attempt.lose();
    }
  }

  /**
   * What is in memory of an account while it is written: it is true again only after the commit is
   * known to have happened.
   */
  private final class Attempt {
    private final Epoch epoch;
    private final Lease lease;
    private ScopeTable scopes;
    private SqlTransaction transaction;

    Attempt(Epoch epoch, Lease lease) {
      this.epoch = epoch;
      this.lease = lease;
    }

    <T> T run(DSLContext tx, Work<T> work) {
      lose();
      begin(tx);
      T result = work.run(transaction);
      transaction.writeDigests();
      // The clock once more, after all that took time: who stood still meanwhile ends here.
      if (!scopes.flush(tx, sql, lease.settings(), stillAlive(), self.id())) {
        throw new Over(lease + " has lapsed while it was written");
      }
      return result;
    }

    private void begin(DSLContext tx) {
      Assignment present = Assignment.lock(tx, sql, self, lease.account());
      if (present == null
          || present.epoch != lease.epoch()
          || !present.held()
          || present.replica != self.id()) {
        throw new Over(lease + " is over");
      }
      scopes = epoch.scopes == null ? ScopeTable.read(tx, lease.account()) : epoch.scopes;
      epoch.scopes = null;
      transaction = new SqlTransaction(tx, sql, lease, scopes, numbers);
    }

    void keep() {
      epoch.scopes = scopes;
      transaction = null;
    }

    void lose() {
      if (transaction != null) {
        transaction.lost();
        transaction = null;
      }
    }
  }

  private String stillAlive() {
    return "exists (select 1 from scale_agent_replica where scale_agent_replica.id = ?"
        + " and alive_until >= "
        + sql.clock()
        + ")";
  }

  /** A transaction that takes an account's lock. */
  private <T> T locked(String what, Function<DSLContext, T> work) {
    for (int attempt = 1; ; ) {
      try {
        return database.transact(what, work);
      } catch (Replica.UnknownConnection unknown) {
        self.note(unknown);
      } catch (Assignment.Busy busy) {
        if (attempt++ == LOCK_ATTEMPTS) {
          throw new StoreUnavailableException(what + ": " + busy.getMessage(), busy);
        }
        self.endDead();
      }
    }
  }

  private long now(DSLContext tx) {
    return tx.fetchOne("select " + sql.clock()).get(0, Long.class);
  }
}
