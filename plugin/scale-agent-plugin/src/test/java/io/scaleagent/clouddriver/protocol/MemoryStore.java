// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/** One Clouddriver's way to a {@link MemoryDatabase}. */
public final class MemoryStore implements AccountStore {
  private static final long LEASE_MILLIS = 4000;
  private final MemoryDatabase db;
  private final String clouddriver;
  private final Set<AgentConnection> connected = new HashSet<>();

  /**
   * Runs within each transaction, after its work and before its commit; for tests of what happens
   * there.
   */
  volatile Runnable beforeCommit = () -> {};

  private volatile boolean dead;

  /** From now on this Clouddriver reaches nothing, and what it has not committed is rolled back. */
  public void die() {
    dead = true;
  }

  public boolean isDead() {
    return dead;
  }

  private void check() {
    db.check();
    if (dead) {
      throw new StoreUnavailableException("killed", null);
    }
  }

  /** As if the process stood still: its leases are not renewed. */
  volatile boolean frozen;

  /** How often a transaction is rolled back and run again. */
  volatile int retries;

  public MemoryStore(MemoryDatabase db, String clouddriver) {
    this.db = db;
    this.clouddriver = clouddriver;
  }

  @Override
  public AgentConnection connect(
      String agentId, String zoneId, String agentVersion, String instance, String peer) {
    check();
    synchronized (db) {
      AgentConnection c =
          new AgentConnection(agentId, zoneId, agentVersion, instance, db.ids.incrementAndGet());
      db.agents.put(agentId, c);
      connected.add(c);
      return c;
    }
  }

  @Override
  public void disconnect(AgentConnection agent) {
    check();
    synchronized (db) {
      connected.remove(agent);
      for (MemoryDatabase.Account a : db.accounts.values()) {
        if (a.keeper != null && a.keeper.number() == agent.number()) {
          a.keeper = null;
        }
      }
    }
  }

  @Override
  public Set<AgentConnection> superseded(Collection<AgentConnection> mine) {
    check();
    synchronized (db) {
      Set<AgentConnection> over = new HashSet<>();
      for (AgentConnection c : mine) {
        if (db.agents.get(c.agentId()).number() > c.number()) {
          over.add(c);
        }
      }
      return over;
    }
  }

  @Override
  public Set<String> named(AgentConnection agent, Set<String> accounts) {
    check();
    synchronized (db) {
      Set<String> retracted = new HashSet<>();
      for (String name : accounts) {
        db.account(name).namedBy.add(agent.agentId());
      }
      for (MemoryDatabase.Account a : new ArrayList<>(db.accounts.values())) {
        if (!accounts.contains(a.name) && a.namedBy.remove(agent.agentId())) {
          if (a.keeper != null && a.keeper.agentId().equals(agent.agentId())) {
            a.keeper = null;
          }
          if (a.namedBy.isEmpty()) {
            db.accounts.remove(a.name);
            db.rows.remove(a.name);
            retracted.add(a.name);
          }
        }
      }
      return retracted;
    }
  }

  private boolean alive(String name) {
    return db.aliveUntil.getOrDefault(name, 0L) > db.clockMillis.get();
  }

  private boolean kept(MemoryDatabase.Account a) {
    return a.keeper != null && alive(a.clouddriver);
  }

  @Override
  public Opening open(AgentConnection agent, String account, AccountProperties p, String settings) {
    check();
    MemoryDatabase.Account a = db.account(account);
    a.lock.lock();
    try {
      synchronized (db) {
        Lease lease = new Lease(account, db.epochs.incrementAndGet(), agent, settings);
        boolean others = kept(a) && !a.keeper.agentId().equals(agent.agentId());
        boolean elsewhere =
            !a.cluster.isEmpty() && !p.clusterId().isEmpty() && !a.cluster.equals(p.clusterId());
        if (others && elsewhere) {
          return Opening.nameInUse(
              lease, a.keeper + " keeps cluster " + a.cluster + " by this name");
        }
        if (others) {
          return Opening.standby(lease, "kept by " + a.keeper);
        }
        if (elsewhere) {
          a.scopes.clear();
          db.rows.remove(account);
        }
        a.cluster = p.clusterId();
        a.properties = p;
        a.keeper = agent;
        a.clouddriver = clouddriver;
        a.epoch = lease.epoch();
        List<StoredScope> stored = new ArrayList<>();
        a.scopes.values().forEach(s -> stored.add(stored(s, settings)));
        return Opening.caching(lease, stored);
      }
    } finally {
      a.lock.unlock();
    }
  }

  private StoredScope stored(MemoryDatabase.Scope s, String settings) {
    long age = s.resourceVersion.isEmpty() ? 0 : db.clockMillis.get() - s.checkpointAt;
    return new StoredScope(s.id, s.type, s.totals(settings), s.resourceVersion, s.fingerprint, age);
  }

  @Override
  public boolean hasItsShare(AgentConnection agent, String account) {
    check();
    synchronized (db) {
      List<AgentConnection> all = new ArrayList<>(connected);
      all.removeIf(c -> !db.account(account).namedBy.contains(c.agentId()));
      long unkept =
          db.accounts.values().stream()
              .filter(a -> a.namedBy.contains(agent.agentId()) && !kept(a))
              .count();
      long sum = unkept + all.stream().mapToLong(this::load).sum();
      return all.size() > 1 && load(agent) >= (sum + all.size() - 1) / all.size();
    }
  }

  private long load(AgentConnection agent) {
    return db.accounts.values().stream()
        .filter(a -> kept(a) && a.keeper.agentId().equals(agent.agentId()))
        .count();
  }

  @Override
  public void release(Lease lease) {
    check();
    synchronized (db) {
      MemoryDatabase.Account a = db.accounts.get(lease.account()); // it may be gone
      if (a != null && a.epoch == lease.epoch()) {
        a.keeper = null;
      }
    }
  }

  @Override
  public Set<String> unkept(Collection<String> accounts) {
    check();
    synchronized (db) {
      Set<String> free = new HashSet<>();
      for (String name : accounts) {
        MemoryDatabase.Account a = db.accounts.get(name);
        if (a == null || !kept(a)) {
          free.add(name);
        }
      }
      return free;
    }
  }

  @Override
  public <T> T transact(Lease lease, Work<T> work) throws FencedException {
    MemoryDatabase.Account a = db.find(lease.account());
    a.lock.lock();
    try {
      for (int left = retries; ; left--) {
        Transaction t = new Transaction(a, lease);
        try {
          t.fence();
          T result = work.run(t);
          beforeCommit.run();
          check();
          t.fence();
          if (left > 0) {
            t.undo();
            continue;
          }
          db.transactions.incrementAndGet();
          return result;
        } catch (RuntimeException | FencedException e) {
          t.undo();
          throw e;
        }
      }
    } finally {
      a.lock.unlock();
    }
  }

  @Override
  public boolean renew() {
    check();
    if (frozen) {
      return true;
    }
    synchronized (db) {
      long now = db.clockMillis.get();
      Long before = db.aliveUntil.put(clouddriver, now + LEASE_MILLIS);
      return before == null || before >= now;
    }
  }

  @Override
  public long leaseMillis() {
    return LEASE_MILLIS;
  }

  /** What undoes the writes of a transaction, of store and rows. */
  static final class Journal {
    private final Deque<Runnable> undo = new ArrayDeque<>();

    void add(Runnable r) {
      undo.push(r);
    }
  }

  private final class Transaction implements AccountTransaction {
    private final MemoryDatabase.Account account;
    private final Lease lease;
    private final Journal journal = new Journal();

    Transaction(MemoryDatabase.Account account, Lease lease) {
      this.account = account;
      this.lease = lease;
    }

    void fence() throws FencedException {
      check();
      synchronized (db) {
        if (account.epoch != lease.epoch() || !kept(account)) {
          throw new FencedException("epoch " + account.epoch + " is the present one");
        }
      }
    }

    void undo() {
      synchronized (db) {
        journal.undo.forEach(Runnable::run);
      }
    }

    @Override
    public Lease lease() {
      return lease;
    }

    @Override
    public Map<ScopeName, Long> scopes(Collection<ScopeType> scopes) {
      synchronized (db) {
        Map<ScopeName, MemoryDatabase.Scope> before = new HashMap<>(account.scopes);
        journal.add(
            () -> {
              account.scopes.clear();
              account.scopes.putAll(before);
            });
        Map<ScopeName, Long> ids = new HashMap<>();
        for (ScopeType type : scopes) {
          MemoryDatabase.Scope s =
              account.scopes.computeIfAbsent(
                  type.name(), n -> new MemoryDatabase.Scope(db.ids.incrementAndGet(), type));
          s.type = type;
          ids.put(type.name(), s.id);
        }
        account.scopes.keySet().retainAll(ids.keySet());
        return ids;
      }
    }

    @Override
    public Collection<StoredScope> scopesOutside(Set<ScopeName> names) {
      synchronized (db) {
        List<StoredScope> outside = new ArrayList<>();
        for (MemoryDatabase.Scope s : account.scopes.values()) {
          if (!names.contains(s.type.name())) {
            outside.add(stored(s, lease.settings()));
          }
        }
        return outside;
      }
    }

    private MemoryDatabase.Scope scope(long id) {
      return account.scopes.values().stream().filter(s -> s.id == id).findFirst().orElseThrow();
    }

    @Override
    public ScopeTotals totals(long scope) {
      synchronized (db) {
        return scope(scope).totals(lease.settings());
      }
    }

    @Override
    public Map<Long, Map<ObjectKey, StoredDigest>> digests(Map<Long, Set<ObjectKey>> keys) {
      synchronized (db) {
        Map<Long, Map<ObjectKey, StoredDigest>> all = new HashMap<>();
        keys.forEach(
            (scope, names) -> {
              Map<ObjectKey, StoredDigest> found = new HashMap<>(scope(scope).digests);
              found.keySet().retainAll(names);
              all.put(scope, found);
            });
        return all;
      }
    }

    @Override
    public void forEachKey(long scope, Consumer<ObjectKey> consumer) {
      synchronized (db) {
        scope(scope).digests.keySet().forEach(consumer);
      }
    }

    @Override
    public void update(
        long scope, Map<ObjectKey, StoredDigest> puts, Set<ObjectKey> deletes, ScopeTotals totals) {
      synchronized (db) {
        MemoryDatabase.Scope s = scope(scope);
        Map<ObjectKey, StoredDigest> before = new HashMap<>(s.digests);
        journal.add(
            () -> {
              s.digests.clear();
              s.digests.putAll(before);
            });
        s.digests.putAll(puts);
        for (ObjectKey key : deletes) {
          if (s.digests.remove(key) == null) {
            throw new IllegalStateException(key + " is deleted and was not there");
          }
        }
        db.digestWrites.addAndGet(puts.size() + deletes.size());
        if (!s.totals(lease.settings()).equals(totals)) {
          throw new IllegalStateException(
              "the engine takes "
                  + totals
                  + " for the totals of "
                  + s.type
                  + ", "
                  + s.totals(lease.settings())
                  + " are");
        }
      }
    }

    @Override
    public void checkpoint(long scope, String resourceVersion, byte[] fingerprint) {
      synchronized (db) {
        MemoryDatabase.Scope s = scope(scope);
        String version = s.resourceVersion;
        byte[] print = s.fingerprint;
        journal.add(
            () -> {
              s.resourceVersion = version;
              s.fingerprint = print;
            });
        s.resourceVersion = resourceVersion;
        s.fingerprint = fingerprint;
        s.checkpointAt = db.clockMillis.get();
      }
    }

    @Override
    public <T> T unwrap(Class<T> type) {
      return type.cast(journal);
    }
  }
}
