// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A database for tests: what several Clouddrivers share. Everything in it is guarded by its
 * monitor.
 */
public final class MemoryDatabase {
  static final class Scope {
    final long id;
    ScopeType type;
    String resourceVersion = "";
    byte[] fingerprint = new byte[0];
    long checkpointAt;
    final Map<ObjectKey, StoredDigest> digests = new HashMap<>();

    Scope(long id, ScopeType type) {
      this.id = id;
      this.type = type;
    }

    ScopeTotals totals(String settings) {
      Digest sum = Digest.ZERO;
      long stale = 0;
      for (StoredDigest d : digests.values()) {
        sum = sum.plus(d.digest());
        stale += d.settings().equals(settings) ? 0 : 1;
      }
      return new ScopeTotals(digests.size(), sum, stale);
    }
  }

  static final class Account {
    final String name;
    final ReentrantLock lock = new ReentrantLock();
    final Set<String> namedBy = new HashSet<>();
    String cluster = "";
    AccountProperties properties;
    AgentConnection keeper;
    String clouddriver;
    long epoch;
    final Map<ScopeName, Scope> scopes = new TreeMap<>();

    Account(String name) {
      this.name = name;
    }
  }

  final Map<String, Account> accounts = new HashMap<>();
  final Map<String, AgentConnection> agents = new HashMap<>(); // newest connection of each
  final Map<String, Long> aliveUntil = new HashMap<>(); // of Clouddrivers
  final Map<String, Map<String, byte[]>> rows =
      new TreeMap<>(); // by account, then "KIND NAMESPACE/NAME"
  final AtomicLong ids = new AtomicLong();
  final AtomicLong epochs = new AtomicLong();
  final AtomicLong clockMillis = new AtomicLong(1_000_000);
  final AtomicLong digestWrites = new AtomicLong();
  final AtomicLong rowWrites = new AtomicLong();
  final AtomicLong transactions = new AtomicLong();
  volatile boolean down;

  synchronized Account account(String name) {
    return accounts.computeIfAbsent(name, Account::new);
  }

  /** The account, or an empty one that is not put in where it is gone. */
  synchronized Account find(String name) {
    Account a = accounts.get(name);
    return a == null ? new Account(name) : a;
  }

  void check() {
    if (down) {
      throw new StoreUnavailableException("the database is down", null);
    }
  }

  /** Rows and digests that were written so far. */
  public long writes() {
    return rowWrites.get() + digestWrites.get();
  }

  /** While it is, every call fails. */
  public void setDown(boolean value) {
    down = value;
  }

  /** {"KIND NAMESPACE/NAME": object} of an account. */
  public synchronized Map<String, String> rowsOf(String account) {
    Map<String, String> copy = new TreeMap<>();
    rows.getOrDefault(account, Map.of())
        .forEach((k, v) -> copy.put(k, new String(v, java.nio.charset.StandardCharsets.UTF_8)));
    return copy;
  }

  /** Names of all accounts. */
  public synchronized List<String> names() {
    return new ArrayList<>(accounts.keySet());
  }

  synchronized Scope scope(String account, String resource) {
    for (Scope s : account(account).scopes.values()) {
      if (s.type.name().resource().equals(resource)) {
        return s;
      }
    }
    return null;
  }

  /** Takes away an object of each of the account's scopes, and puts one there that never was. */
  public synchronized void tamper(String account) {
    for (Scope s : account(account).scopes.values()) {
      if (!s.digests.isEmpty()) {
        ObjectKey lost = s.digests.keySet().iterator().next();
        rows.get(account).remove(s.type.kind() + " " + lost.namespace() + "/" + lost.name());
        ObjectKey ghost = new ObjectKey(lost.namespace(), "ghost");
        rows.get(account).put(s.type.kind() + " " + ghost.namespace() + "/ghost", "{}".getBytes());
        StoredDigest d = s.digests.remove(lost);
        Digest other = d.digest().plus(d.digest()); // else the sum would be the same
        s.digests.put(ghost, new StoredDigest(other, d.settings(), d.outcome()));
      }
    }
  }
}
